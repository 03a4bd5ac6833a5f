"""The table from errors to HTTP: status, stable problem type and title.

Owns that table and the form of a problem (RFC 9457); sending problems is left to `problems.py`.
"""

from dataclasses import dataclass
from typing import Any

from service import errors

TYPE_PREFIX = "urn:cytolibra:problem:"


@dataclass(frozen=True)
class ProblemKind:
    """The members that all problems of the same cause share.

    Attributes:
        name: stable; the end of the problem's `type`.
        status: of the response.
        title: a short sentence for people.
    """

    name: str
    status: int
    title: str


#: By class; an error has the kind of its most specific class in this table.
KINDS: dict[type[errors.CytolibraError], ProblemKind] = {
    errors.InvalidRequestError: ProblemKind("invalid-request", 400, "The request is malformed"),
    errors.UnknownFieldError: ProblemKind(
        "unknown-field", 400, "The request states a field that is not known"
    ),
    errors.DigestMismatchError: ProblemKind(
        "digest-mismatch", 400, "What arrived has another digest than the one stated"
    ),
    errors.EmptyUploadError: ProblemKind("empty-upload", 400, "The upload holds no bytes"),
    errors.UploadInterruptedError: ProblemKind(
        "upload-interrupted", 400, "The upload ended before it was complete"
    ),
    errors.SlideNotFoundError: ProblemKind("slide-not-found", 404, "There is no such slide"),
    errors.SlideNotDoneError: ProblemKind("slide-not-done", 409, "The slide has no result"),
    errors.SlideBusyError: ProblemKind("slide-busy", 409, "The slide is being worked on"),
    errors.IdempotencyInFlightError: ProblemKind(
        "idempotency-in-flight", 409, "A request with this Idempotency-Key is in flight"
    ),
    errors.SlideTooLargeError: ProblemKind("slide-too-large", 413, "The slide is too large"),
    errors.NotASlideError: ProblemKind(
        "not-a-slide", 415, "The file is of no slide format that can be read"
    ),
    errors.SlideUnreadableError: ProblemKind(
        "slide-unreadable", 422, "The slide cannot be opened or read"
    ),
    errors.TooMuchUnreadableError: ProblemKind(
        "too-much-unreadable", 422, "Too much of the slide cannot be read"
    ),
    errors.MppMissingError: ProblemKind("mpp-missing", 422, "The slide states no µm per pixel"),
    errors.MppImplausibleError: ProblemKind(
        "mpp-implausible", 422, "The µm per pixel is not what scanners do"
    ),
    errors.PixelsNotSquareError: ProblemKind(
        "pixels-not-square", 422, "The slide's pixels are not square"
    ),
    errors.DimensionsImplausibleError: ProblemKind(
        "dimensions-implausible", 422, "The slide cannot be of this size"
    ),
    errors.PartOfSlideError: ProblemKind(
        "part-of-slide", 422, "The file is not the whole slide at its full resolution"
    ),
    errors.FocusStackError: ProblemKind("focus-stack", 422, "The file holds several focal planes"),
    errors.UnknownDetectorError: ProblemKind("unknown-detector", 422, "There is no such detector"),
    errors.FieldConflictError: ProblemKind(
        "field-conflict", 422, "The request states a field twice, differently"
    ),
    errors.IdempotencyConflictError: ProblemKind(
        "idempotency-conflict", 422, "The Idempotency-Key was used for another request"
    ),
    errors.BundleError: ProblemKind("detector-unusable", 500, "The detector cannot be loaded"),
    errors.DetectorChangedError: ProblemKind("detector-changed", 409, "The detector has changed"),
    errors.AnalysisCrashedError: ProblemKind(
        "analysis-crashed", 500, "The worker died on this slide, again and again"
    ),
    errors.InternalError: ProblemKind("internal", 500, "Something unforeseen happened"),
    errors.QueueFullError: ProblemKind("queue-full", 503, "The queue is full"),
    errors.ServerStoppingError: ProblemKind("server-stopping", 503, "The server is stopping"),
    errors.NoSpaceError: ProblemKind("no-space", 507, "The disk is full"),
}

#: By status, for refusals by HTTP's own rules.
HTTP_KINDS: dict[int, ProblemKind] = {
    404: ProblemKind("not-found", 404, "There is nothing at this address"),
    405: ProblemKind("method-not-allowed", 405, "This address does not take this method"),
    412: ProblemKind("precondition-failed", 412, "The result is another than the request names"),
    416: ProblemKind("range-not-satisfiable", 416, "The result has no such bytes"),
}

INTERNAL = KINDS[errors.InternalError]


def kind_of(error_class: type[BaseException]) -> ProblemKind:
    """The kind of an error, by its most specific class in the table."""
    for base_class in error_class.__mro__:
        if base_class in KINDS:
            return KINDS[base_class]
    return INTERNAL


def kind_of_name(class_name: str) -> ProblemKind:
    """The kind of an error whose class name was stored."""
    return kind_of(getattr(errors, class_name, errors.InternalError))


def problem(kind: ProblemKind, detail: str, instance: str, **more: Any) -> dict[str, Any]:
    """A problem in the form of RFC 9457.

    Args:
        kind: of the cause.
        detail: the cause, the value and the remedy.
        instance: path of the resource that it concerns.
        more: members beyond those of the standard.
    """
    return {
        "type": TYPE_PREFIX + kind.name,
        "title": kind.title,
        "status": kind.status,
        "detail": detail,
        "instance": instance,
        **more,
    }
