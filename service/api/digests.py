"""Digests that a request states of itself, as RFC 9530 has them, read and compared.

Owns the two fields; `Content-Digest` is of the body as it was sent (a form with all its parts),
`Repr-Digest` of the slide's file, which in a form is the bytes of the part `file`.
"""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import http_sf
from fastapi import Depends, Header

from service.errors import DigestMismatchError, InvalidRequestError
from service.intake.receive import Hashes

#: Names in the fields (RFC 9530, section 5) and in `hashlib`; others are ignored, as it says there.
ALGORITHMS = {"sha-256": "sha256", "sha-512": "sha512"}

_EXAMPLE = "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:"
ContentDigest = Annotated[
    list[str] | None,
    Header(
        alias="Content-Digest",
        description="RFC 9530: sha-256 or sha-512 of the body as sent, a form with all its parts; "
        "another one is refused. Further algorithms are ignored.",
        examples=[[_EXAMPLE]],
    ),
]
ReprDigest = Annotated[
    list[str] | None,
    Header(
        alias="Repr-Digest",
        description="RFC 9530: the same, but of the slide's file alone; in a form that is the "
        "bytes of the part `file`.",
        examples=[[_EXAMPLE]],
    ),
]


@dataclass(frozen=True)
class StatedDigest:
    """What one field states.

    Attributes:
        field: its name, for messages.
        digests: by algorithm, as `hashlib` names it.
    """

    field: str
    digests: Mapping[str, bytes]

    def check(self, hashes: Hashes) -> None:
        """Passes if what arrived has these digests.

        Raises:
            DigestMismatchError: it has others.
        """
        for name, algorithm in ALGORITHMS.items():
            stated = self.digests.get(algorithm)
            if stated is None:
                continue
            actual = hashes.digest(algorithm)
            if stated != actual:
                raise DigestMismatchError(
                    f"{self.field} states {name}={_shown(stated)} and what arrived has "
                    f"{name}={_shown(actual)}; send the slide again, or the right digest"
                )


@dataclass(frozen=True)
class StatedDigests:
    """What a request states of its body and of its slide."""

    content: StatedDigest
    representation: StatedDigest


def read_digest(field: str, lines: Sequence[str]) -> StatedDigest:
    """What the lines of one field state together.

    Args:
        lines: values of the field, one for each time that it occurs.

    Raises:
        InvalidRequestError: they are no dictionary of digests.
    """
    try:
        members = http_sf.parse(", ".join(lines).encode("latin-1"), tltype="dictionary")
    except http_sf.StructuredFieldError as error:
        raise _malformed(field, str(error)) from error
    if not isinstance(members, dict):
        raise _malformed(field, "it is no dictionary")
    digests: dict[str, bytes] = {}
    for name, algorithm in ALGORITHMS.items():
        if name not in members:
            continue
        member = members[name]
        digest = member[0] if isinstance(member, tuple) else member
        size = hashlib.new(algorithm).digest_size
        if not isinstance(digest, bytes) or len(digest) != size:
            raise _malformed(field, f"{name} is no byte sequence of {size} bytes")
        digests[algorithm] = digest
    return StatedDigest(field, digests)


def get_digests(
    content_digest: ContentDigest = None, repr_digest: ReprDigest = None
) -> StatedDigests:
    """What the request's headers state; before its body is read, so that nonsense costs little."""
    return StatedDigests(
        read_digest("Content-Digest", content_digest or []),
        read_digest("Repr-Digest", repr_digest or []),
    )


DigestsDep = Annotated[StatedDigests, Depends(get_digests)]


def _malformed(field: str, reason: str) -> InvalidRequestError:
    return InvalidRequestError(
        f"{field} is malformed: {reason}; write it as RFC 9530 has it, e.g. {_EXAMPLE}"
    )


def _shown(digest: bytes) -> str:
    return f":{base64.b64encode(digest).decode()}:"
