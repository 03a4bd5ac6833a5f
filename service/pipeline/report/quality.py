"""What limits a result: the flags of a report, made of what the steps before say of themselves."""

from models.inference.cell_limit import MAX_CELLS_PER_MM2
from service.pipeline.report.model import AreaNotInFile
from service.pipeline.types import QualityCode, QualityFlag, SlideInfo

#: What is given and what the slide states may differ by rounding.
MAX_MPP_DIFFERENCE = 0.02


def flag_slide(info: SlideInfo, not_in_file: AreaNotInFile) -> list[QualityFlag]:
    """Flags of the slide itself.

    Args:
        info: of the slide.
        not_in_file: what its file does not hold.
    """
    flags = []
    if info.mpp_source == "objective-power":
        text = (
            f"{info.mpp:g} µm per px is taken from the objective's power, not stated by the slide"
        )
        flags.append(QualityFlag(QualityCode.MPP_FROM_OBJECTIVE_POWER, text))
    if _differs_from_stated(info):
        text = f"mpp {info.mpp:g} was given, the slide states {info.stated_mpp:g} µm per px"
        flags.append(QualityFlag(QualityCode.MPP_DIFFERS_FROM_SLIDE, text))
    if info.focal_plane is not None:
        text = f"of a focus stack one plane is read: {info.focal_plane}"
        flags.append(QualityFlag(QualityCode.FOCUS_PLANE, text))
    if info.left_out_levels:
        text = "; ".join(info.left_out_levels)
        flags.append(QualityFlag(QualityCode.LEVELS_LEFT_OUT, text))
    if not_in_file.area_mm2:
        text = (
            f"{not_in_file.area_mm2:.2f} mm² are not in the file, of which "
            f"{not_in_file.with_tissue_area_mm2:.2f} mm² show tissue at another level"
        )
        flags.append(QualityFlag(QualityCode.AREA_NOT_IN_FILE, text, not_in_file.area_mm2))
    return flags


def _differs_from_stated(info: SlideInfo) -> bool:
    if info.mpp_source != "request" or info.stated_mpp is None:
        return False
    return abs(info.mpp - info.stated_mpp) > MAX_MPP_DIFFERENCE * abs(info.stated_mpp)


def flag_tiles(
    num_tiles: int, num_unreadable: int, unreadable_area_mm2: float, num_limited: int
) -> list[QualityFlag]:
    """Flags of a slide's tiles.

    Args:
        num_tiles: planned.
        num_unreadable: of them, that cannot be read.
        unreadable_area_mm2: of these.
        num_limited: of them, with as many detections as a tile may have.
    """
    flags = []
    if num_unreadable:
        text = f"{num_unreadable} of {num_tiles} tiles cannot be read: damaged or not in the file"
        part = num_unreadable / num_tiles
        flags.append(QualityFlag(QualityCode.UNREADABLE_AREA, text, unreadable_area_mm2, part))
    if num_limited:
        text = (
            f"{num_limited} of {num_tiles} tiles have {MAX_CELLS_PER_MM2:,} detections per mm² or "
            "more, more than cells can lie there: the best were kept"
        )
        part = num_limited / num_tiles
        flags.append(QualityFlag(QualityCode.DENSITY_LIMIT, text, fraction=part))
    return flags
