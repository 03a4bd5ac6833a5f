"""Which TIFF encodings OpenSlide reads, in one table; its tests open a file of each.

Owns the table and the words for what is not in it; refusing is left to `tiff.py`.
"""

from collections.abc import Sequence

import tifffile

#: The remedy for every encoding that cannot be read.
JPEG_TILES = (
    "convert it to a pyramidal TIFF of 8-bit RGB with JPEG tiles, for example with "
    "`vips tiffsave IN OUT.tif --tile --pyramid --compression jpeg --Q 90` or bfconvert"
)

#: TIFF compression tags that OpenSlide 4.0.1's libtiff decodes in tiles, tried one by one.
READ_COMPRESSIONS = {
    1: "not compressed",
    5: "LZW",
    7: "JPEG",
    8: "Deflate",
    32773: "PackBits",
    32946: "Deflate",
    50000: "Zstandard",
}
#: Decoded by OpenSlide itself, in files that Aperio describes.
READ_APERIO_COMPRESSIONS = {33003: "JPEG 2000 (YCbCr)", 33005: "JPEG 2000 (RGB)"}
#: What others are called; "the compression 12345" otherwise.
OTHER_COMPRESSIONS = {
    6: "old-style JPEG",
    22610: "JPEG XR",
    33003: "JPEG 2000",
    33004: "JPEG 2000",
    33005: "JPEG 2000",
    34712: "JPEG 2000",
    34887: "LERC",
    34925: "LZMA",
    34926: "Zstandard under an old number",
    34927: "WebP under an old number",
    34933: "PNG",
    34934: "JPEG XR",
    50001: "WebP",
    50002: "JPEG XL",
    52546: "JPEG XL",
}
#: Colours as scanners of stained slides write them: RGB, and YCbCr of JPEG and JPEG 2000.
COLOUR_PHOTOMETRICS = frozenset({2, 6})
#: ExtraSamples that mean transparency; OpenSlide takes any fourth sample for it.
ALPHA_SAMPLES = frozenset({1, 2})
SAMPLE_FORMATS = {1: "", 2: " signed", 3: " floating-point"}
#: Set in a generic TIFF's pages of reduced resolution; OpenSlide takes no others for levels.
REDUCED = 1
APERIO_START, VENTANA_LEVEL = "Aperio", "level="


def level_pages(
    tiff: tifffile.TiffFile, pages: Sequence[tifffile.TiffPage]
) -> list[tifffile.TiffPage]:
    """The pages that OpenSlide may take for levels, by format; others hold labels and maps."""
    if tiff.is_ndpi:
        return [pages[0]]
    if tiff.is_bif:
        return [page for page in pages if VENTANA_LEVEL in page.description]
    takes_all = tiff.is_scn or tiff.is_philips or _is_aperio(tiff)
    return [pages[0]] + [
        page for page in pages[1:] if page.is_tiled and (takes_all or page.subfiletype & REDUCED)
    ]


def find_obstacle(tiff: tifffile.TiffFile, page: tifffile.TiffPage) -> str | None:
    """Why this page cannot be read as a slide, to stand after "but"; None where it can be."""
    # OpenSlide takes the first directory's offset for one of 8 bytes as in NDPI, and gets it wrong.
    if tiff.byteorder == ">" and not tiff.is_bigtiff:
        return "it is a classic TIFF of big-endian byte order, which OpenSlide does not read"
    # NDPI's pages are each one JPEG, which OpenSlide cuts into tiles itself.
    if not (page.is_tiled or tiff.is_ndpi):
        return "its pixels are stored in strips, not tiles, which OpenSlide does not read"
    obstacle = _find_compression_obstacle(tiff, page)
    return obstacle if tiff.is_ndpi else obstacle or _find_sample_obstacle(page)


def _is_aperio(tiff: tifffile.TiffFile) -> bool:
    return bool(tiff.pages.first.description.startswith(APERIO_START))


def _find_compression_obstacle(tiff: tifffile.TiffFile, page: tifffile.TiffPage) -> str | None:
    compression = int(page.compression)
    is_aperio = _is_aperio(tiff)
    if compression in READ_COMPRESSIONS or (is_aperio and compression in READ_APERIO_COMPRESSIONS):
        return None
    name = OTHER_COMPRESSIONS.get(compression, f"compression {compression}")
    return f"its tiles are {name}, which OpenSlide does not read"


def _find_sample_obstacle(page: tifffile.TiffPage) -> str | None:
    """OpenSlide opens most of these, but shows 12 bits in 16 all black, and a fifth channel never.

    Grey is refused, too: detectors learned from colour.
    """
    if page.bitspersample != 8 or page.sampleformat != 1:
        kind = SAMPLE_FORMATS.get(page.sampleformat, " unknown")
        return f"its pixels have {page.bitspersample}{kind} bits per sample, not 8 unsigned ones"
    if int(page.photometric) not in COLOUR_PHOTOMETRICS or page.samplesperpixel < 3:
        name = getattr(page.photometric, "name", str(page.photometric))
        return f"its pixels are no colours (RGB): {name}, samples per pixel: {page.samplesperpixel}"
    extra = frozenset(int(sample) for sample in page.extrasamples)
    if page.samplesperpixel > 4 or not extra <= ALPHA_SAMPLES:
        return f"its pixels have {page.samplesperpixel} channels, not red, green and blue alone"
    return None
