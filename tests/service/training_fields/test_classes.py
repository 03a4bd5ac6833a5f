"""Classes are those of Bethesda first, or those that are asked for and no others."""

import dataclasses

import pytest

from models.classes import BETHESDA
from service.errors import DatasetError
from service.training_fields.classes import choose_classes
from service.training_fields.types import CutOptions, LabelledSlide
from tests.service.training_fields.objects import make_slide


def slide_of(*names: str) -> LabelledSlide:
    return make_slide([[0, 0, 80, 80]] * len(names), names=names)


def test_bethesda_comes_first_with_its_colours_and_severity() -> None:
    slides = [slide_of("Trichomonas", "HSIL"), slide_of("NILM", "Candida")]
    classes = choose_classes(slides, CutOptions())
    assert [one.name for one in classes] == ["NILM", "HSIL", "Candida", "Trichomonas"]
    assert classes[1] == BETHESDA[4]
    assert [one.severity for one in classes] == [0, 4, 1, 1]


def test_colours_of_the_file_win() -> None:
    slide = slide_of("NILM")
    annotations = dataclasses.replace(slide.annotations, colors={"NILM": (1, 2, 3)})
    slide = dataclasses.replace(slide, annotations=annotations)
    assert choose_classes([slide], CutOptions())[0].color == (1, 2, 3)


def test_the_order_that_is_asked_for_is_kept_with_classes_that_have_no_cell() -> None:
    classes = choose_classes([slide_of("b")], CutOptions(class_names=("c", "b")))
    assert [(one.name, one.severity) for one in classes] == [("c", 0), ("b", 1)]


def test_other_classes_than_asked_for_are_named() -> None:
    options = CutOptions(class_names=("NILM",))
    with pytest.raises(DatasetError, match=r"HSIL \(2\), dirt \(1\) are .*--map OLD="):
        choose_classes([slide_of("HSIL", "NILM", "dirt", "HSIL")], options)


def test_a_class_to_rename_must_be_there() -> None:
    with pytest.raises(DatasetError, match=r"--map lsil=LSIL: .* 'lsil'.* are HSIL, NILM"):
        choose_classes([slide_of("NILM", "HSIL")], CutOptions(renames={"lsil": "LSIL"}))


def test_no_cell_at_all_is_refused() -> None:
    with pytest.raises(DatasetError, match=r"no cell is labelled in a\.geojson"):
        choose_classes([slide_of()], CutOptions())
