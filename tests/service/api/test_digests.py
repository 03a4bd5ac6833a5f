"""Digests in headers: read as RFC 9530 has them, or refused."""

import base64
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.api.digests import read_digest
from service.errors import DigestMismatchError, InvalidRequestError
from service.intake.receive import Hashes

DATA = b"a slide"


def digest_of(data: bytes, algorithm: str) -> str:
    return f":{base64.b64encode(hashlib.new(algorithm, data).digest()).decode()}:"


def hashes_of(data: bytes) -> Hashes:
    hashes = Hashes(["sha256", "sha512"])
    hashes.update(data)
    return hashes


@given(st.binary())
def test_right_digests_pass(data: bytes) -> None:
    line = f"sha-512={digest_of(data, 'sha512')}, sha-256={digest_of(data, 'sha256')};old=1"
    stated = read_digest("Repr-Digest", [line])
    assert set(stated.digests) == {"sha256", "sha512"}
    stated.check(hashes_of(data))


@pytest.mark.parametrize(("name", "algorithm"), [("sha-256", "sha256"), ("sha-512", "sha512")])
def test_wrong_digest_names_expected_and_actual(name: str, algorithm: str) -> None:
    stated = read_digest("Content-Digest", [f"{name}={digest_of(b'other', algorithm)}"])
    with pytest.raises(DigestMismatchError) as caught:
        stated.check(hashes_of(DATA))
    for word in ("Content-Digest", name, digest_of(b"other", algorithm)):
        assert word in str(caught.value)
    assert digest_of(DATA, algorithm) in str(caught.value)


def test_one_wrong_of_two_is_refused() -> None:
    lines = [f"sha-256={digest_of(DATA, 'sha256')}", f"sha-512={digest_of(b'', 'sha512')}"]
    with pytest.raises(DigestMismatchError, match="sha-512"):
        read_digest("Repr-Digest", lines).check(hashes_of(DATA))


@pytest.mark.parametrize("lines", [[], [""], ["md5=:AAAA:"], ["unixsum=30637, x"]])
def test_unknown_algorithms_are_ignored(lines: list[str]) -> None:
    assert read_digest("Repr-Digest", lines).digests == {}


@pytest.mark.parametrize(
    "line",
    [
        "sha-256",
        "sha-256=",
        "sha-256=:AAAA:",
        "sha-256=abc",
        'sha-256="AAAA"',
        "sha-256=:nonsense",
        "sha-256=?1",
        "sha-256=(:AAAA:)",
        f"SHA-256={digest_of(DATA, 'sha256')}",
        f"sha-512={digest_of(DATA, 'sha256')}",
        f"sha-256={digest_of(DATA, 'sha256')},",
        "sha-256=:\xff:",
    ],
)
def test_malformed_field_is_refused(line: str) -> None:
    with pytest.raises(InvalidRequestError, match="Content-Digest is malformed"):
        read_digest("Content-Digest", [line])


@given(st.text(st.characters(max_codepoint=255)))
def test_any_header_is_read_or_refused(line: str) -> None:
    try:
        stated = read_digest("Repr-Digest", [line, f"sha-256={digest_of(DATA, 'sha256')}"])
    except InvalidRequestError:
        return
    assert stated.digests["sha256"] == hashlib.sha256(DATA).digest()
