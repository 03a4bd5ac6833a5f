"""Names and texts of a form's parts are kept as well as they can be."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multipart import MultipartSegment

from service.api.form_part import check_encoding, field_text, file_name
from service.errors import InvalidRequestError
from service.intake.receive import clean_name


def disposition(parameters: bytes) -> str:
    return (b'form-data; name="file"; ' + parameters).decode("latin-1")


@pytest.mark.parametrize(
    ("parameters", "name"),
    [
        ('filename="Präparat.svs"'.encode(), "Präparat.svs"),
        ('filename="Präparat.svs"'.encode("latin-1"), "Präparat.svs"),
        ('filename="Proben–Präparat.svs"'.encode("cp1252"), "Proben–Präparat.svs"),
        (b"filename=\"Pr%C3%A4.svs\"; filename*=utf-8''Pr%C3%A4.svs", "Prä.svs"),
        (b"filename*=UTF-8''%E7%B4%B0.svs; filename=\"x.svs\"", "細.svs"),
        (b"filename*=iso-8859-1'de'Pr%E4.svs", "Prä.svs"),
        (b'filename="a\\"b.svs"', 'a"b.svs'),
        (b'filename="a%22b.svs"', 'a"b.svs'),
        (b"FILENAME=a.svs", "a.svs"),
        ("filename=Präparat 1.svs".encode(), "Präparat 1.svs"),
        (b"filename=\"C26-1.svs\"; filename*=''", "C26-1.svs"),
        (b'filename="C26-1.svs"; filename*=', "C26-1.svs"),
        (b"filename*=UTF-8''a.svs; filename*0=\"b.svs\"", None),
        (b"filename*=UTF-8''a.svs; filename*0=\"b.svs\"; filename=c.svs", "c.svs"),
        (b"other=1", None),
    ],
)
def test_file_name_is_read(parameters: bytes, name: str | None) -> None:
    assert file_name(disposition(parameters)) == name


def test_suffix_of_a_name_in_another_encoding_is_kept() -> None:
    name = file_name(disposition('filename="細胞診.svs"'.encode("shift-jis")))
    assert name is not None
    assert name.endswith(".svs")


@pytest.mark.parametrize("charset", ["idna", "hex", "unicode_escape", "nonsense", "", "punycode"])
def test_no_stated_charset_costs_the_upload(charset: str) -> None:
    name = clean_name(file_name(disposition(f"filename*={charset}''%5Cud800%C3x.svs".encode())))
    assert name is not None
    name.encode()


@given(st.binary(max_size=40))
def test_any_bytes_are_a_name(raw: bytes) -> None:
    for parameters in (b'filename="' + raw + b'"', b"filename*=" + raw, b"filename=" + raw):
        name = clean_name(file_name(disposition(parameters)))
        assert name is None or name.encode()


@given(st.lists(st.sampled_from(["*", "*0", "*0*", "*1", "*1*", "*x", ""]), max_size=4))
def test_any_mixture_of_extended_names_is_read(suffixes: list[str]) -> None:
    parameters = "; ".join(f"filename{suffix}=UTF-8''a.svs" for suffix in suffixes)
    name = file_name(disposition(parameters.encode()))
    assert name is None or "a.svs" in name


@pytest.mark.parametrize(
    ("name", "charset", "raw", "text"),
    [
        ("accession", None, "Zürich 1".encode(), "Zürich 1"),
        ("accession", "ISO-8859-1", "Zürich 1".encode("latin-1"), "Zürich 1"),
        ("filename", None, "ä.svs".encode("latin-1"), "ä.svs"),
        ("filename", "nonsense", "ä.svs".encode(), "ä.svs"),
    ],
)
def test_text_is_read_in_its_charset(name: str, charset: str | None, raw: bytes, text: str) -> None:
    assert field_text(name, charset, raw) == text


@pytest.mark.parametrize("charset", [None, "utf-8", "nonsense", "hex", "ascii"])
def test_number_that_cannot_be_read_is_refused(charset: str | None) -> None:
    with pytest.raises(InvalidRequestError, match="'accession'"):
        field_text("accession", charset, b"Z\xfcrich")


def test_only_plain_bytes_are_taken() -> None:
    shape = ("Content-Disposition", 'form-data; name="file"')
    check_encoding(MultipartSegment([shape]))
    check_encoding(MultipartSegment([shape, ("Content-Transfer-Encoding", "Binary")]))
    with pytest.raises(InvalidRequestError, match="base64"):
        check_encoding(MultipartSegment([shape, ("Content-Transfer-Encoding", "base64")]))
