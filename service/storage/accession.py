"""Accession numbers in the normal form in which they are stored, compared and searched.

Owns that form; which requests may state an accession is left to `service/intake`.
"""

import unicodedata

#: Controls, format characters, lone surrogates, line and paragraph separators: they are invisible,
#: so two accessions that look alike would be two slides.
INVISIBLE_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
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
        if unicodedata.category(character) in INVISIBLE_CATEGORIES:
            raise ValueError(
                f"character {position} is {_name(character)}, which cannot be seen; leave it out"
            )
        if character == REPLACEMENT:
            raise ValueError(f"character {position} stands for bytes that are no UTF-8; send UTF-8")
    return accession


def _name(character: str) -> str:
    """Code point and Unicode name, e.g. "U+200B ZERO WIDTH SPACE"; controls have no name."""
    name = unicodedata.name(character, "a control character")
    return f"U+{ord(character):04X} {name}"
