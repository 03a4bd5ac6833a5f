"""A slide before it is in the database: what is known of it, and what makes it the same as another.

Owns the identity of a slide.
"""

import hashlib
import json
from dataclasses import dataclass

from service.storage.accession import normalise_accession


@dataclass(frozen=True)
class NewSlide:
    """A slide that is about to be accepted.

    Attributes:
        id: UUID.
        sha256: hex digest of the file.
        detector, detector_digest: what it is to be analysed with.
        mpp: µm per level-0 px that the request states, overriding the slide's.
        accession: the laboratory's number, as `normalise_accession` gives it.
        filename: as the client named it.
        suffix: of the stored file, e.g. ".svs".
        size_bytes: of the file.

    Raises:
        ValueError: the accession is in another form, which would make one slide two.
    """

    id: str
    sha256: str
    detector: str
    detector_digest: str
    mpp: float | None
    accession: str | None
    filename: str | None
    suffix: str
    size_bytes: int

    def __post_init__(self) -> None:
        if self.accession is not None and normalise_accession(self.accession) != self.accession:
            raise ValueError(f"accession {self.accession!r} is not normalised; do that first")

    @property
    def stored_name(self) -> str:
        """Of the file in the data directory's `slides`."""
        return self.id + self.suffix

    @property
    def identity(self) -> str:
        """64 hex digits: two slides with the same are one slide."""
        parts = [self.sha256, self.detector_digest, self.mpp, self.accession]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
