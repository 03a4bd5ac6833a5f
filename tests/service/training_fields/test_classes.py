"""Classes are ordered with Bethesda's first, or exactly as requested."""

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
    assert [cell_class.name for cell_class in classes] == ["NILM", "HSIL", "Candida", "Trichomonas"]
    assert classes[1] == BETHESDA[4]
    assert [cell_class.severity for cell_class in classes] == [0, 4, 1, 1]


def test_colours_of_the_file_win() -> None:
    slide = slide_of("NILM")
    annotations = dataclasses.replace(slide.annotations, colors={"NILM": (1, 2, 3)})
    slide = dataclasses.replace(slide, annotations=annotations)
    assert choose_classes([slide], CutOptions())[0].color == (1, 2, 3)


def test_requested_order_includes_classes_without_cells() -> None:
    classes = choose_classes([slide_of("b")], CutOptions(class_names=("c", "b")))
    assert [(cell_class.name, cell_class.severity) for cell_class in classes] == [
        ("c", 0),
        ("b", 1),
    ]


def test_classes_that_are_not_requested_are_named() -> None:
    options = CutOptions(class_names=("NILM",))
    with pytest.raises(DatasetError, match=r"HSIL \(2\), dirt \(1\) are .*--map OLD="):
        choose_classes([slide_of("HSIL", "NILM", "dirt", "HSIL")], options)


def test_class_to_rename_must_occur() -> None:
    with pytest.raises(DatasetError, match=r"--map lsil=LSIL: .* 'lsil'.* are HSIL, NILM"):
        choose_classes([slide_of("NILM", "HSIL")], CutOptions(renames={"lsil": "LSIL"}))


def test_no_cell_at_all_is_refused() -> None:
    with pytest.raises(DatasetError, match=r"no cell is labelled in a\.geojson"):
        choose_classes([slide_of()], CutOptions())
