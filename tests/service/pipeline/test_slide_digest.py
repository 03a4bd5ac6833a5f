"""A slide's digest: SHA-256 of its one file, or of all its files and no other."""

import hashlib
from pathlib import Path

import pytest
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from service.errors import SlideUnreadableError
from service.pipeline.slide_digest import CHUNK_BYTES, hash_slide, list_slide_files


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def sha256_of_digests(*contents: bytes) -> str:
    return sha256("".join(f"{each}\n" for each in sorted(map(sha256, contents))).encode())


def write(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def write_dicom(path: Path, series: str) -> bytes:
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.77.1.6"
    meta.MediaStorageSOPInstanceUID = generate_uid()
    instance = FileDataset(path, {}, file_meta=meta, preamble=b"\0" * 128)
    instance.SeriesInstanceUID = series
    instance.PixelData = b"\1\2\3\4"
    instance.save_as(path, enforce_file_format=True)
    return path.read_bytes()


def test_one_file_has_its_plain_digest_and_progress_counts_its_bytes(tmp_path: Path) -> None:
    content = bytes(range(256)) * (CHUNK_BYTES // 256) + b"rest"
    told: list[int] = []
    path = write(tmp_path / "slide.svs", content)
    write(tmp_path / "slide.txt", b"beside it")
    assert hash_slide(path, told.append) == sha256(content)
    assert told == [CHUNK_BYTES, 4]


def test_mirax_is_hashed_with_its_folder_whatever_its_name(tmp_path: Path) -> None:
    digests = set()
    for name in ("a", "b"):
        path = write(tmp_path / name / f"{name}.mrxs", b"picture")
        write(tmp_path / name / name / "Slidedat.ini", b"index")
        write(tmp_path / name / name / "Data0000.dat", b"data")
        write(tmp_path / name / "other.mrxs", name.encode())
        digests.add(hash_slide(path))
    assert digests == {sha256_of_digests(b"picture", b"index", b"data")}
    write(tmp_path / "b" / "b" / "Data0000.dat", b"other data")
    assert hash_slide(tmp_path / "b" / "b.mrxs") not in digests


def test_vms_is_hashed_with_the_files_beside_it_that_it_names(tmp_path: Path) -> None:
    index = "[Virtual Microscope Specimen]\nImageFile(1,0)=a.jpg\nMapFile = b.map\nMacroImage=\n"
    index += "ImageFile=lost.jpg\nAuthCode=unnamed.jpg\n"
    path = write(tmp_path / "s.vms", index.encode())
    named = [write(tmp_path / name, name.encode()) for name in ("a.jpg", "b.map")]
    write(tmp_path / "unnamed.jpg", b"")
    assert list_slide_files(path) == (*named, path)
    assert hash_slide(path) == sha256_of_digests(index.encode(), b"a.jpg", b"b.map")


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "folder/a.jpg"])
def test_vms_that_names_files_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / "s.vms", f"ImageFile={name}\n".encode())
    with pytest.raises(SlideUnreadableError, match="outside its folder"):
        hash_slide(path)


def test_dicom_is_hashed_with_the_files_of_its_own_series(tmp_path: Path) -> None:
    first, second = generate_uid(), generate_uid()
    levels = [write_dicom(tmp_path / name, first) for name in ("0.dcm", "1.dcm")]
    other = write_dicom(tmp_path / "2.dcm", second)
    write(tmp_path / "notes.txt", b"no DICOM")
    write(tmp_path / "damaged.dcm", b"\0" * 128 + b"DICM" + b"\xff" * 64)
    expected = sha256_of_digests(*levels)
    assert hash_slide(tmp_path / "0.dcm") == hash_slide(tmp_path / "1.dcm") == expected
    assert hash_slide(tmp_path / "2.dcm") == sha256(other)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SlideUnreadableError, match=r"gone\.svs cannot be read: No such file"):
        hash_slide(tmp_path / "gone.svs")
