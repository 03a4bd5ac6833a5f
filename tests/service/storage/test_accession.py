"""Accessions are normalised or refused."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.storage.accession import (
    DEFAULT_IGNORABLE,
    INVISIBLE_CATEGORIES,
    normalise_accession,
)


def normalised_or_none(text: str) -> str | None:
    try:
        return normalise_accession(text)
    except ValueError:
        return None


@pytest.mark.parametrize(
    ("text", "accession"),
    [
        ("C26-1", "C26-1"),
        (" C26-1", "C26-1"),
        ("C26-1\r\n", "C26-1"),
        ("\N{NO-BREAK SPACE}C26-1\N{IDEOGRAPHIC SPACE}", "C26-1"),
        ("Zu\N{COMBINING DIAERESIS}rich 1", "Zürich 1"),
        ("C26  1", "C26  1"),
    ],
)
def test_accession_is_trimmed_and_composed(text: str, accession: str) -> None:
    assert normalise_accession(text) == accession


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty"),
        (" \t ", "empty"),
        ("C26\x00-1", r"character 4 is U\+0000 a control"),
        ("C26\n-1", r"U\+000A"),
        ("C26\N{ZERO WIDTH SPACE}-1", "ZERO WIDTH SPACE"),
        ("\N{ZERO WIDTH NO-BREAK SPACE}C26-1", "character 1"),
        ("C26\N{LINE SEPARATOR}1", "LINE SEPARATOR"),
        ("C26\ud800", r"U\+D800"),
        ("C26\N{COMBINING GRAPHEME JOINER}-1", "COMBINING GRAPHEME JOINER"),
        ("C26\N{HANGUL FILLER}-1", "HANGUL FILLER"),
        ("C26\N{HALFWIDTH HANGUL FILLER}-1", "HALFWIDTH HANGUL FILLER"),
        ("C26-1\N{VARIATION SELECTOR-16}", "VARIATION SELECTOR-16"),
        ("C26-1\N{VARIATION SELECTOR-256}", "VARIATION SELECTOR-256"),
        ("C26\N{KHMER VOWEL INHERENT AQ}", "KHMER VOWEL INHERENT AQ"),
        ("C26\N{MONGOLIAN FREE VARIATION SELECTOR ONE}", r"U\+180B"),
        ("C26\U000e0fff", r"U\+E0FFF"),
        ("C26\N{REPLACEMENT CHARACTER}", "no UTF-8"),
    ],
)
def test_invisible_character_is_refused_by_name(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        normalise_accession(text)


@given(
    st.sampled_from(DEFAULT_IGNORABLE).flatmap(lambda ends: st.integers(*ends)).map(chr),
    st.integers(0, 5),
)
def test_no_ignorable_character_makes_another_accession(character: str, place: int) -> None:
    with pytest.raises(ValueError, match=rf"U\+{ord(character):04X}"):
        normalise_accession("C26-1"[:place] + character + "C26-1"[place:])


@given(st.text())
def test_normalising_again_changes_nothing(text: str) -> None:
    accession = normalised_or_none(text)
    if accession is not None:
        assert normalise_accession(accession) == accession
        assert accession == accession.strip() == unicodedata.normalize("NFC", accession)
        assert not {unicodedata.category(character) for character in accession} & (
            INVISIBLE_CATEGORIES
        )


@given(st.text(), st.sampled_from(["", " ", "\t", "\r\n"]), st.sampled_from(["NFC", "NFD"]))
def test_spellings_of_an_accession_are_equal(text: str, around: str, form: str) -> None:
    written = around + unicodedata.normalize(form, text) + around  # type: ignore[arg-type]
    assert normalised_or_none(written) == normalised_or_none(text)
