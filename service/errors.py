"""Errors of running the product, one class per cause; knows nothing of HTTP.

`service/api/error_status.py` gives each its status and problem type, in one table.
"""

from models.errors import (
    BundleError,
    ConfigError,
    CytolibraError,
    DatasetError,
    PhantomError,
    TrainingError,
    UnknownDetectorError,
)

__all__ = [
    "AnalysisCancelledError",
    "AnalysisCrashedError",
    "BundleError",
    "ConfigError",
    "CytolibraError",
    "DataDirectoryBusyError",
    "DatasetError",
    "DetectorChangedError",
    "DigestMismatchError",
    "DimensionsImplausibleError",
    "EmptyUploadError",
    "FieldConflictError",
    "FocusStackError",
    "IdempotencyConflictError",
    "IdempotencyInFlightError",
    "InternalError",
    "InvalidRequestError",
    "MppImplausibleError",
    "MppMissingError",
    "NoSpaceError",
    "NotASlideError",
    "PartOfSlideError",
    "PhantomError",
    "PixelsNotSquareError",
    "PortInUseError",
    "QueueFullError",
    "ServerStoppingError",
    "SlideBusyError",
    "SlideNotDoneError",
    "SlideNotFoundError",
    "SlideTooLargeError",
    "SlideUnreadableError",
    "TooMuchUnreadableError",
    "TrainingError",
    "UnknownDetectorError",
    "UnknownFieldError",
    "UploadInterruptedError",
]


class InvalidRequestError(CytolibraError):
    """A request or option is malformed, e.g. a wrong `bbox`."""


class UnknownFieldError(InvalidRequestError):
    """A request states something of a name that is not known, e.g. a misspelt `accession`."""


class FieldConflictError(CytolibraError):
    """A request states the same field twice, with different values."""


class DigestMismatchError(CytolibraError):
    """What arrived is not what its stated digest (RFC 9530) is of."""


class EmptyUploadError(InvalidRequestError):
    """An upload holds no bytes."""


class UploadInterruptedError(CytolibraError):
    """The client went away before the upload was complete; nothing of it is kept."""


class NotASlideError(CytolibraError):
    """The file is of no slide format that OpenSlide reads (a PDF named .svs, WebP tiles)."""


class SlideUnreadableError(CytolibraError):
    """The file is a known container but cannot be opened or read (truncated, damaged)."""


class TooMuchUnreadableError(SlideUnreadableError):
    """More of the tissue is unreadable than the stated limit allows."""


class MppMissingError(CytolibraError):
    """The slide states no µm/px and none was given; `mpp=` is the remedy."""


class MppImplausibleError(CytolibraError):
    """The µm/px is not what scanners do, or contradicts the slide; `mpp=` is the remedy."""


class PixelsNotSquareError(CytolibraError):
    """The slide states other µm/px in x than in y."""


class DimensionsImplausibleError(CytolibraError):
    """The slide would be larger than glass, or has more pixels than its bytes can hold."""


class PartOfSlideError(CytolibraError):
    """The file holds a part, a smaller copy or a picture of the slide, not the slide."""


class FocusStackError(CytolibraError):
    """The file holds several focal planes, and the one in focus cannot be read."""


class AnalysisCancelledError(CytolibraError):
    """The analysis was asked to stop."""


class SlideNotFoundError(CytolibraError):
    """No slide has this id."""


class SlideNotDoneError(CytolibraError):
    """The slide has no result: it is queued, running, failed or cancelled."""


class SlideBusyError(CytolibraError):
    """The slide is being worked on and must be cancelled before this can be done."""


class IdempotencyConflictError(CytolibraError):
    """An Idempotency-Key was used before with another request."""


class NoSpaceError(CytolibraError):
    """The disk is full, or would be."""


class SlideTooLargeError(CytolibraError):
    """An upload is larger than the limit that this server was given."""


class QueueFullError(CytolibraError):
    """As many slides are waiting as this server was told to hold."""


class ServerStoppingError(CytolibraError):
    """The server stops before the upload has arrived; nothing of it is kept."""


class IdempotencyInFlightError(CytolibraError):
    """A request with this Idempotency-Key is still being worked on."""


class AnalysisCrashedError(CytolibraError):
    """The worker died again and again on this slide, which is therefore given up."""


class DetectorChangedError(CytolibraError):
    """The detector's weights are other than those that the slide was accepted for."""


class InternalError(CytolibraError):
    """Something that the product did not foresee; the log has the traceback."""


class DataDirectoryBusyError(CytolibraError):
    """Another process works on this data directory."""


class PortInUseError(CytolibraError):
    """The server cannot listen where it was told to."""
