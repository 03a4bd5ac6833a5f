"""Accession numbers in the normal form in which they are stored, compared and searched.

Owns that form; which requests may state an accession is left to `service/intake`.
"""

import unicodedata

#: Controls, format characters, lone surrogates, line and paragraph separators: they are invisible,
#: so two accessions that look alike would be two slides.
INVISIBLE_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
#: Code points that are shown as nothing, whatever their category: fillers, joiners, variation
#: selectors, tags; first and last of each range. Source: property Default_Ignorable_Code_Point in
#: DerivedCoreProperties.txt of Unicode 14.0.
DEFAULT_IGNORABLE = (
    (0x00AD, 0x00AD),
    (0x034F, 0x034F),
    (0x061C, 0x061C),
    (0x115F, 0x1160),
    (0x17B4, 0x17B5),
    (0x180B, 0x180F),
    (0x200B, 0x200F),
    (0x202A, 0x202E),
    (0x2060, 0x206F),
    (0x3164, 0x3164),
    (0xFE00, 0xFE0F),
    (0xFEFF, 0xFEFF),
    (0xFFA0, 0xFFA0),
    (0xFFF0, 0xFFF8),
    (0x1BCA0, 0x1BCA3),
    (0x1D173, 0x1D17A),
    (0xE0000, 0xE0FFF),
)
#: Decoders put this character in place of bytes that are not valid UTF-8.
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


def normalise_accession(text: str) -> str:
    """The accession in NFC, without surrounding white space; idempotent.

    Raises:
        ValueError: nothing is left, or it has an invisible or undecodable character.

    Source: Unicode Standard Annex 15, normalisation form C.
    """
    accession = unicodedata.normalize("NFC", text).strip()
    if not accession:
        raise ValueError("it is empty; state the number or leave the field out")
    for position, character in enumerate(accession, 1):
        if _is_invisible(character):
            raise ValueError(
                f"character {position} is {_name(character)}, which cannot be seen; leave it out"
            )
        if character == REPLACEMENT:
            raise ValueError(f"character {position} stands for bytes that are no UTF-8; send UTF-8")
    return accession


def _is_invisible(character: str) -> bool:
    is_ignorable = any(first <= ord(character) <= last for first, last in DEFAULT_IGNORABLE)
    return is_ignorable or unicodedata.category(character) in INVISIBLE_CATEGORIES


def _name(character: str) -> str:
    """Code point and Unicode name, e.g. "U+200B ZERO WIDTH SPACE"; others have no name."""
    is_control = unicodedata.category(character) == "Cc"
    name = unicodedata.name(character, "a control character" if is_control else "a character")
    return f"U+{ord(character):04X} {name}"
