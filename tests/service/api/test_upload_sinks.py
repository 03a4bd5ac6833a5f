"""A form is the same in whatever pieces it comes, and bounded in all that it may hold."""

import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.api.upload_sinks import (
    FORM_ALLOWANCE_BYTES,
    MAX_PART_HEADER_BYTES,
    FormSink,
    is_form,
)
from service.errors import FieldConflictError, InvalidRequestError, UnknownFieldError
from service.intake.fields import SlideFields, StatedFields
from service.intake.receive import HashedFile, ReceiveLimits

FORM_TYPE = "multipart/form-data; boundary=x"
LIMITS = ReceiveLimits(max_bytes=1 << 40, min_free_bytes=0)
#: Looks like a boundary again and again, but never is one.
DATA = b"II*\x00--x\r\n-x\r\n--\r\r\n--y\n--x\r--x--" + bytes(range(256)) + b"\r\n-"
FILE_PART = (
    b'--x\r\nContent-Disposition: form-data; name="file"; filename="s.svs"\r\n'
    b"Content-Type: application/octet-stream\r\n\r\n" + DATA + b"\r\n"
)
END = b"--x--\r\n"


def field(name: str, text: str, header: str = "") -> bytes:
    head = f'--x\r\nContent-Disposition: form-data; name="{name}"\r\n{header}\r\n'
    return f"{head}{text}\r\n".encode()


class Read:
    """What a form in these pieces gives."""

    def __init__(self, folder: Path, *pieces: bytes, stated: StatedFields | None = None) -> None:
        path = folder / "slide"
        fields = stated or StatedFields()
        with path.open("w+b") as file:
            sink = FormSink(HashedFile(file, LIMITS), FORM_TYPE, fields)
            for piece in pieces:
                sink.feed(piece)
            self.name = sink.finish()
        self.data = path.read_bytes()
        self.fields = fields.gather()


FORM = (
    b"A preamble, which nobody reads.\r\n"
    + field("accession", " C26-1")
    + FILE_PART
    + field("mpp", "0.5")
    + END
    + b"An epilogue.\r\n--x\r\n"
)
EXPECTED = (DATA, "s.svs", SlideFields(accession="C26-1", mpp=0.5))


def test_form_may_be_cut_anywhere(tmp_path: Path) -> None:
    for cut in range(1, len(FORM)):
        form = Read(tmp_path, FORM[:cut], FORM[cut:])
        assert (form.data, form.name, form.fields) == EXPECTED, cut


@settings(max_examples=50)
@given(cuts=st.lists(st.integers(0, len(FORM)), max_size=40))
def test_form_may_be_cut_often(tmp_path_factory: pytest.TempPathFactory, cuts: list[int]) -> None:
    ends = [*sorted(cuts), len(FORM)]
    pieces = [FORM[start:end] for start, end in zip([0, *ends], ends, strict=False) if end > start]
    form = Read(tmp_path_factory.mktemp("form"), *pieces)
    assert (form.data, form.name, form.fields) == EXPECTED


def test_form_may_come_byte_by_byte(tmp_path: Path) -> None:
    form = Read(tmp_path, *(FORM[place : place + 1] for place in range(len(FORM))))
    assert (form.data, form.name, form.fields) == EXPECTED


@settings(max_examples=50)
@given(data=st.lists(st.sampled_from([b"\r", b"\n", b"-", b"x", b"\r\n--", b"y"])).map(b"".join))
def test_any_slide_comes_out_as_it_went_in(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    if b"\r\n--x" in b"\r\n" + data:
        return
    whole = b'--x\r\nContent-Disposition: form-data; name="file"\r\n\r\n' + data + b"\r\n--x--"
    folder = tmp_path_factory.mktemp("form")
    for size in (1, 3, len(whole)):
        pieces = [whole[start : start + size] for start in range(0, len(whole), size)]
        assert Read(folder, *pieces).data == data


def test_form_agrees_with_the_query_or_is_refused(tmp_path: Path) -> None:
    query = StatedFields()
    query.add("accession", "C26-1", "the query")
    form = Read(tmp_path, field("accession", "C26-1 "), FILE_PART, END, stated=query)
    assert form.fields.accession == "C26-1"
    with pytest.raises(FieldConflictError, match=r"C26-1.*C26-2"):
        Read(tmp_path, field("accession", "C26-2") + END, stated=query)


def test_misspelt_field_is_refused_before_the_file(tmp_path: Path) -> None:
    with pytest.raises(UnknownFieldError, match=r"'acession'.*'accession'.*file"):
        Read(tmp_path, field("acession", "C26-1"))


@pytest.mark.parametrize(
    ("form", "words"),
    [
        (FILE_PART, "cut off"),
        (FILE_PART + b"--x-", "cut off"),
        (b"nonsense", "cut off"),
        (field("mpp", "0.5") + END, "no field `file`"),
        (FILE_PART + b"--xyz", "cannot be read: Unexpected bytes after boundary"),
        (FILE_PART + FILE_PART + END, "two fields `file`"),
        (FORM.replace(b"\r\n", b"\n"), "CR LF"),
        (FILE_PART.replace(b"\r\n", b"\n", 1), "CR LF"),
        (b"--x\r\nContent-Disposition: attachment\r\n\r\n", "Content-Disposition"),
        (b"--x\r\nContent-Type: a/b\r\n\r\n", "Content-Disposition"),
        (field("accession", "C26\x00") + END, "U\\+0000"),
        (field("accession", "C" * 5000), "4000 bytes"),
        (field("mpp", "0.5", "Content-Transfer-Encoding: base64\r\n"), "base64"),
        (b"--x\r\n" + b"A: b\r\n" * 9, "more than 8 headers"),
    ],
)
def test_form_that_cannot_be_read_is_refused(tmp_path: Path, form: bytes, words: str) -> None:
    with pytest.raises(InvalidRequestError, match=words):
        Read(tmp_path, form)


@pytest.mark.parametrize("end", [b"", END])
def test_long_text_beside_the_file_is_refused(tmp_path: Path, end: bytes) -> None:
    pieces = [end, *([b"-" * 1000] * (FORM_ALLOWANCE_BYTES // 1000 + 2))]
    with pytest.raises(InvalidRequestError, match="beside the field"):
        Read(tmp_path, FILE_PART if end else b"text", *pieces)


def test_long_file_name_is_refused_at_once_in_little_memory(tmp_path: Path) -> None:
    head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="'
    piece = b"n" * 65536
    tracemalloc.start()
    try:
        with pytest.raises(InvalidRequestError, match=f"{MAX_PART_HEADER_BYTES} bytes.*shorter"):
            Read(tmp_path, head, *[piece] * 1000)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "content_type",
    [
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=" + "x" * 201,
    ],
)
def test_boundary_is_needed(tmp_path: Path, content_type: str) -> None:
    with (tmp_path / "slide").open("wb") as file, pytest.raises(InvalidRequestError):
        FormSink(HashedFile(file, LIMITS), content_type, StatedFields())


@pytest.mark.parametrize(
    ("content_type", "is_one"),
    [
        ("multipart/form-data; boundary=x", True),
        ("Multipart/Form-Data;boundary=x", True),
        ("application/octet-stream", False),
        ("", False),
    ],
)
def test_form_is_told_from_a_slide(content_type: str, is_one: bool) -> None:
    assert is_form(content_type) is is_one


def test_other_multipart_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match="multipart/mixed"):
        is_form("multipart/mixed; boundary=x")
