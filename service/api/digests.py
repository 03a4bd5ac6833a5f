"""Reads and checks the digest fields of a request (RFC 9530).

Owns both fields: `Content-Digest` is the digest of the body as sent (a form with all its parts),
`Repr-Digest` of the slide's file, which in a form is the content of the part `file`.
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

#: Names in RFC 9530, section 5, and in `hashlib`; others are ignored, as that section requires.
ALGORITHMS = {"sha-256": "sha256", "sha-512": "sha512"}

_EXAMPLE = "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:"
ContentDigest = Annotated[
    list[str] | None,
    Header(
        alias="Content-Digest",
        description="RFC 9530: sha-256 or sha-512 digest of the body as sent, a form with all its "
        "parts; a body with a different digest is refused. Other algorithms are ignored.",
        examples=[[_EXAMPLE]],
    ),
]
ReprDigest = Annotated[
    list[str] | None,
    Header(
        alias="Repr-Digest",
        description="RFC 9530: digest of the slide's file alone; in a form, of the content of the "
        "part `file`.",
        examples=[[_EXAMPLE]],
    ),
]


@dataclass(frozen=True)
class StatedDigest:
    """The digests in a field.

    Attributes:
        field: name of the field, for messages.
        digests: by algorithm, as `hashlib` names it.
    """

    field: str
    digests: Mapping[str, bytes]

    def check(self, hashes: Hashes) -> None:
        """Checks the received bytes against these digests.

        Raises:
            DigestMismatchError: a digest differs.
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
    """The digests that a request states: of its body and of its slide."""

    content: StatedDigest
    representation: StatedDigest


def read_digest(field: str, lines: Sequence[str]) -> StatedDigest:
    """The digests in all lines of a field.

    Args:
        lines: values of the field, one for each time that it occurs.

    Raises:
        InvalidRequestError: the lines are not a dictionary of digests.
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
    """The digests in the request's headers; malformed ones are refused before the body is read."""
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
