"""What limits a result: the flags of a report, made of what the steps before say of themselves."""

from models.inference.cell_limit import MAX_CELLS_PER_MM2
from service.pipeline.types import QualityCode, QualityFlag, SlideInfo


def list_flags(
    info: SlideInfo,
    num_tiles: int,
    num_unreadable: int,
    unreadable_area_mm2: float,
    num_limited: int,
) -> list[QualityFlag]:
    """Flags of the slide and of its tiles.

    Args:
        info: of the slide.
        num_tiles: planned.
        num_unreadable: of them, that cannot be read.
        unreadable_area_mm2: of these.
        num_limited: of them, with as many detections as a tile may have.
    """
    flags = []
    if info.mpp_source == "objective-power":
        text = (
            f"{info.mpp:g} µm per px is taken from the objective's power, not stated by the slide"
        )
        flags.append(QualityFlag(QualityCode.MPP_FROM_OBJECTIVE_POWER, text))
    if info.focal_plane is not None:
        text = f"of a focus stack one plane is read: {info.focal_plane}"
        flags.append(QualityFlag(QualityCode.FOCUS_PLANE, text))
    if num_unreadable:
        text = f"{num_unreadable} of {num_tiles} tiles cannot be read: damaged in the file"
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
