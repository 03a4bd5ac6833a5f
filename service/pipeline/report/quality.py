"""What limits a result: the flags of a report, made of what the steps before say of themselves."""

from dataclasses import dataclass

from models.inference.cell_limit import MAX_CELLS_PER_MM2
from service.pipeline.report.model import NotInFile
from service.pipeline.types import QualityCode, QualityFlag, SlideInfo


@dataclass(frozen=True)
class TileFaults:
    """What went wrong with tiles.

    Attributes:
        num_tiles: planned.
        num_unreadable: of them, those that are damaged or not in the file.
        unreadable_area_mm2: of these.
        num_limited: of them, those with as many detections as a tile may have.
    """

    num_tiles: int
    num_unreadable: int
    unreadable_area_mm2: float
    num_limited: int


def list_flags(info: SlideInfo, tiles: TileFaults, not_in_file: NotInFile) -> list[QualityFlag]:
    """Flags of the slide, then of its tiles."""
    return [*_flag_slide(info), *_flag_area(not_in_file), *_flag_tiles(tiles)]


def _flag_slide(info: SlideInfo) -> list[QualityFlag]:
    flags = []
    if info.mpp_source == "objective-power":
        text = f"{info.mpp:g} µm per px is taken from the objective's power, not from the slide"
        flags.append(QualityFlag(QualityCode.MPP_FROM_OBJECTIVE_POWER, text))
    if info.focal_plane is not None:
        text = f"of a focus stack one plane is read: {info.focal_plane}"
        flags.append(QualityFlag(QualityCode.FOCUS_PLANE, text))
    if info.left_out_levels:
        flags.append(QualityFlag(QualityCode.LEVELS_LEFT_OUT, "; ".join(info.left_out_levels)))
    return flags


def _flag_area(not_in_file: NotInFile) -> list[QualityFlag]:
    if not not_in_file.area_mm2:
        return []
    text = (
        f"{not_in_file.area_mm2:.3f} mm² of the slide are not in the file; other levels show "
        f"tissue on {not_in_file.with_tissue_area_mm2:.3f} mm² of them"
    )
    return [QualityFlag(QualityCode.AREA_NOT_IN_FILE, text, not_in_file.area_mm2)]


def _flag_tiles(tiles: TileFaults) -> list[QualityFlag]:
    flags = []
    if tiles.num_unreadable:
        text = (
            f"{tiles.num_unreadable} of {tiles.num_tiles} tiles cannot be read: they are damaged "
            "or not in the file"
        )
        part = tiles.num_unreadable / tiles.num_tiles
        area_mm2 = tiles.unreadable_area_mm2
        flags.append(QualityFlag(QualityCode.UNREADABLE_AREA, text, area_mm2, part))
    if tiles.num_limited:
        text = (
            f"{tiles.num_limited} of {tiles.num_tiles} tiles have {MAX_CELLS_PER_MM2:,} detections "
            "per mm², more than cells can lie there: only the best were kept"
        )
        part = tiles.num_limited / tiles.num_tiles
        flags.append(QualityFlag(QualityCode.DENSITY_LIMIT, text, fraction=part))
    return flags
