"""The classes of the training fields: order, colour, severity."""

from collections import Counter
from collections.abc import Sequence

from models.classes import BETHESDA, CellClass
from models.data.coco import PALETTE
from service.errors import DatasetError
from service.training_fields.types import CutOptions, LabelledSlide, Rgb


def choose_classes(slides: Sequence[LabelledSlide], options: CutOptions) -> tuple[CellClass, ...]:
    """The classes in label order: `options.class_names`, or Bethesda's first, then others by name.

    A class that is not Bethesda's has severity 0 if it has label 0, else 1, as in
    `models/data/coco.py`.

    Raises:
        DatasetError: no slide has a cell; a class is not among `options.class_names`; or a class
            to rename does not occur.
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
    bethesda = [cell_class.name for cell_class in BETHESDA if cell_class.name in names]
    return (*bethesda, *sorted(names.difference(bethesda)))


def _make_class(label: int, name: str, color: Rgb | None) -> CellClass:
    new_class = CellClass(name, PALETTE[label % len(PALETTE)], min(label, 1))
    default = {cell_class.name: cell_class for cell_class in BETHESDA}.get(name, new_class)
    return CellClass(name, color or default.color, default.severity)


def _check_renames(slides: Sequence[LabelledSlide], options: CutOptions) -> None:
    known = {name for slide in slides for name in slide.annotations.file_names}
    missing = [name for name in options.renames if name not in known]
    if missing:
        raise DatasetError(
            f"--map {missing[0]}={options.renames[missing[0]]}: no annotation has the class "
            f"{missing[0]!r}; the classes are {', '.join(sorted(known)) or 'none'}"
        )
