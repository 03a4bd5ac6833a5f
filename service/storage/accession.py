"""A laboratory's number of a slide, in the form in which it is kept, compared and searched.

Owns that form; which requests may state a number is left to `service/intake`.
"""

import unicodedata

#: Controls, format characters, lone surrogates, line and paragraph separators: nobody sees them,
#: so two numbers that look alike would be two slides.
INVISIBLE_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
#: What decoders put in place of bytes that were no UTF-8.
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


def normalise_accession(text: str) -> str:
    """The number in NFC, without white space around it; doing so again changes nothing.

    Raises:
        ValueError: nothing is left, or it holds a character that cannot be seen or was lost.

    Source: Unicode Standard Annex 15, normalisation form C.
    """
    accession = unicodedata.normalize("NFC", text).strip()
    if not accession:
        raise ValueError("it is empty; state the number or leave the field out")
    for place, character in enumerate(accession, 1):
        if unicodedata.category(character) in INVISIBLE_CATEGORIES:
            raise ValueError(
                f"character {place} is {_name(character)}, which cannot be seen; leave it out"
            )
        if character == REPLACEMENT:
            raise ValueError(f"character {place} stands for bytes that are no UTF-8; send UTF-8")
    return accession


def _name(character: str) -> str:
    """E.g. "U+200B ZERO WIDTH SPACE"; controls have no name."""
    name = unicodedata.name(character, "a control character")
    return f"U+{ord(character):04X} {name}"
