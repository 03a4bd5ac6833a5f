"""Which classes the fields have: order, colour, severity."""

from collections import Counter
from collections.abc import Sequence

from models.classes import BETHESDA, CellClass
from models.data.coco import PALETTE
from service.errors import DatasetError
from service.training_fields.types import CutOptions, LabelledSlide, Rgb


def choose_classes(slides: Sequence[LabelledSlide], options: CutOptions) -> tuple[CellClass, ...]:
    """The classes in label order: as asked, or those of Bethesda first and others by name.

    Of the others the first counts as negative only where it is the first of all, as in
    `models/data/coco.py`.

    Raises:
        DatasetError: no slide has a cell; there is a class that is not among those asked for; or
            a class that is to be renamed is nowhere.
    """
    _check_renames(slides, options)
    counts = Counter(name for slide in slides for name in slide.annotations.class_name)
    if not counts:
        files = ", ".join(str(slide.source.annotations) for slide in slides)
        raise DatasetError(f"no cell is labelled in {files}: label some, or name other files")
    names = options.class_names or _order(set(counts))
    unknown = [f"{name} ({count})" for name, count in counts.items() if name not in names]
    if unknown:
        raise DatasetError(
            f"classes {', '.join(sorted(unknown))} are labelled but not among --classes "
            f"{','.join(names)}: add them there, rename them with --map OLD=NEW, or leave them out "
            "with --map OLD="
        )
    colors = {name: rgb for slide in slides for name, rgb in slide.annotations.colors.items()}
    return tuple(_make_class(label, name, colors.get(name)) for label, name in enumerate(names))


def _order(names: set[str]) -> tuple[str, ...]:
    bethesda = [one.name for one in BETHESDA if one.name in names]
    return (*bethesda, *sorted(names.difference(bethesda)))


def _make_class(label: int, name: str, color: Rgb | None) -> CellClass:
    like = {one.name: one for one in BETHESDA}.get(
        name, CellClass(name, PALETTE[label % len(PALETTE)], min(label, 1))
    )
    return CellClass(name, color or like.color, like.severity)


def _check_renames(slides: Sequence[LabelledSlide], options: CutOptions) -> None:
    known = {name for slide in slides for name in slide.annotations.file_names}
    missing = [name for name in options.renames if name not in known]
    if missing:
        raise DatasetError(
            f"--map {missing[0]}={options.renames[missing[0]]}: no annotation has the class "
            f"{missing[0]!r}; the classes are {', '.join(sorted(known)) or 'none'}"
        )
