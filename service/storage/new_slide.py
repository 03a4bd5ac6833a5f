"""A slide before it is in the database, and its identity.

Owns the identity: two slides with the same identity are one slide.
"""

import hashlib
import json
from dataclasses import dataclass

from service.storage.accession import normalise_accession


@dataclass(frozen=True)
class NewSlide:
    """A slide that is about to be added to the database.

    Attributes:
        id: UUID.
        sha256: hex digest of the file.
        detector, detector_digest: name and digest of the detector that analyses it.
        mpp: µm per level-0 px in the request, which overrides the slide's metadata.
        accession: normalised by `normalise_accession`.
        filename: stated by the client.
        suffix: of the stored file, e.g. ".svs".
        size_bytes: of the file.

    Raises:
        ValueError: the accession is not normalised, so a slide would get two identities.
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
        """Name of the file in the data directory's `slides`."""
        return self.id + self.suffix

    @property
    def identity(self) -> str:
        """64 hex digits, equal for slides that count as the same slide."""
        parts = [self.sha256, self.detector_digest, self.mpp, self.accession]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
