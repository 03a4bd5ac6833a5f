"""Zeiss CZI files of one subblock, whose directory names any dimensions."""

import struct
from pathlib import Path

SEGMENT_BYTES = 32
DIRECTORY_AT = 1024


def write_czi(path: Path, dimensions: dict[str, int]) -> Path:
    """A CZI as far as OpenSlide reads it before it looks at pixels.

    Args:
        path: to write.
        dimensions: start of each dimension of the subblock; X and Y are always there.
    """
    entries = b"".join(
        name.encode().ljust(4, b"\0") + struct.pack("<iifi", start, size, 0.0, size)
        for name, start, size in [
            ("X", 0, 64),
            ("Y", 0, 64),
            *((name, start, 1) for name, start in dimensions.items()),
        ]
    )
    count = 2 + len(dimensions)
    entry = b"DV" + struct.pack("<iqiiBBIi", 3, 0, 0, 0, 0, 0, 0, count) + entries
    header = (
        struct.pack("<iiii", 1, 0, 0, 0)
        + bytes(32)
        + struct.pack("<iqqiq", 0, DIRECTORY_AT, 0, 0, 0)
    )
    content = _segment("ZISRAWFILE", header).ljust(DIRECTORY_AT, b"\0")
    content += _segment("ZISRAWDIRECTORY", struct.pack("<i", 1) + bytes(124) + entry)
    path.write_bytes(content)
    return path


def _segment(name: str, data: bytes) -> bytes:
    return name.encode().ljust(16, b"\0") + struct.pack("<qq", len(data), len(data)) + data
