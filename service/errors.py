"""Errors of running the product, one class per cause; knows nothing of HTTP.

`service/api/error_status.py` maps each class to its status and problem type, in a single table.
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
    """A request has a field or query parameter of an unknown name, e.g. a misspelt `accession`."""


class FieldConflictError(CytolibraError):
    """A request states the same field twice, with different values."""


class DigestMismatchError(CytolibraError):
    """The received bytes do not match their stated digest (RFC 9530)."""


class EmptyUploadError(InvalidRequestError):
    """An upload holds no bytes."""


class UploadInterruptedError(CytolibraError):
    """The client disconnected before the upload was complete; the upload is discarded."""


class NotASlideError(CytolibraError):
    """The file has no slide format that OpenSlide reads (a PDF named .svs, WebP tiles)."""


class SlideUnreadableError(CytolibraError):
    """The file is a known container but cannot be opened or read (truncated, damaged)."""


class TooMuchUnreadableError(SlideUnreadableError):
    """More of the tissue is unreadable than the stated limit allows."""


class MppMissingError(CytolibraError):
    """The slide states no µm/px and none was given; `mpp=` is the remedy."""


class MppImplausibleError(CytolibraError):
    """The µm/px is out of the range of scanners, or contradicts the slide; `mpp=` is the remedy."""


class PixelsNotSquareError(CytolibraError):
    """The slide states different µm/px in x and in y."""


class DimensionsImplausibleError(CytolibraError):
    """The slide is larger than its glass could be, or has more pixels than its bytes can hold."""


class PartOfSlideError(CytolibraError):
    """The file holds a part, a smaller copy or a picture of the slide, not the slide."""


class FocusStackError(CytolibraError):
    """The file holds several focal planes, and the one in focus cannot be read."""


class AnalysisCancelledError(CytolibraError):
    """The analysis was cancelled."""


class SlideNotFoundError(CytolibraError):
    """No slide has this id."""


class SlideNotDoneError(CytolibraError):
    """The slide has no result: it is queued, running, failed or cancelled."""


class SlideBusyError(CytolibraError):
    """The slide is running; the request needs it cancelled first."""


class IdempotencyConflictError(CytolibraError):
    """An Idempotency-Key was used before with a different request."""


class NoSpaceError(CytolibraError):
    """The disk is full, or would be."""


class SlideTooLargeError(CytolibraError):
    """An upload is larger than the configured limit."""


class QueueFullError(CytolibraError):
    """The queue has its configured maximum length."""


class ServerStoppingError(CytolibraError):
    """The server stops before the upload is complete; the upload is discarded."""


class IdempotencyInFlightError(CytolibraError):
    """A request with this Idempotency-Key is still in flight."""


class AnalysisCrashedError(CytolibraError):
    """The worker crashed repeatedly on this slide, whose analysis is therefore given up."""


class DetectorChangedError(CytolibraError):
    """The detector's digest differs from that for which the slide was accepted."""


class InternalError(CytolibraError):
    """An unexpected error; the log has the traceback."""


class DataDirectoryBusyError(CytolibraError):
    """Another process uses this data directory."""


class PortInUseError(CytolibraError):
    """The server cannot listen on the configured host and port."""
