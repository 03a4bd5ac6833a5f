"""Whether a slide shows enough cells, with the reason: a number alone never stands for "fine"."""

from service.pipeline.report.category import Category
from service.pipeline.report.model import Adequacy, AdequacyReason

#: Bethesda 2014, liquid-based preparations.
MIN_SQUAMOUS_CELLS = 5000
#: Bethesda 2014: a specimen is unsatisfactory if more than so much of it is obscured.
MAX_NOT_READ_FRACTION = 0.75


def judge_adequacy(
    num_cells: int,
    category: Category,
    num_suspicious: int,
    tissue_area_mm2: float,
    unreadable_area_mm2: float,
) -> Adequacy:
    """Adequate with an abnormal category, else with enough cells on a slide that was mostly read.

    Args:
        num_cells: of any class.
        category: of the slide.
        num_suspicious: cells listed as suspicious.
        tissue_area_mm2: where cells were looked for.
        unreadable_area_mm2: of it, what cannot be read or is not in the file.
    """
    not_read = unreadable_area_mm2 / tissue_area_mm2 if tissue_area_mm2 else 0
    reason = _find_reason(num_cells, category, num_suspicious, not_read)
    return Adequacy(
        num_squamous_cells=num_cells,
        minimum=MIN_SQUAMOUS_CELLS,
        adequate=reason in ("abnormal-category", "enough-cells", "enough-cells-suspicious"),
        reason=reason,
        reason_text=_explain(reason, num_cells, category, num_suspicious, not_read),
        tissue_area_mm2=tissue_area_mm2,
        unreadable_area_mm2=unreadable_area_mm2,
    )


def _find_reason(
    num_cells: int, category: Category, num_suspicious: int, not_read: float
) -> AdequacyReason:
    if category.code == "no-cells":
        return "no-cells"
    # Bethesda 2014: a specimen with abnormal cells is satisfactory whatever their number.
    if category.code == "abnormal":
        return "abnormal-category"
    if not_read > MAX_NOT_READ_FRACTION:
        return "mostly-not-read"
    if num_cells >= MIN_SQUAMOUS_CELLS:
        return "enough-cells-suspicious" if num_suspicious else "enough-cells"
    return "too-few-cells-suspicious" if num_suspicious else "too-few-cells"


def _explain(
    reason: AdequacyReason,
    num_cells: int,
    category: Category,
    num_suspicious: int,
    not_read: float,
) -> str:
    counted = f"{num_cells:,} squamous cells counted, {MIN_SQUAMOUS_CELLS:,} asked for"
    review = f"suspicious cells to review: {num_suspicious:,}"
    texts: dict[AdequacyReason, str] = {
        "no-cells": "no cell was seen",
        "abnormal-category": f"cells of {category.text} are present; {counted}",
        "mostly-not-read": f"{not_read:.0%} of the tissue could not be read; {counted}",
        "enough-cells": counted,
        "enough-cells-suspicious": f"{counted}; {review}",
        "too-few-cells": f"too few cells: {counted}",
        "too-few-cells-suspicious": f"too few cells: {counted}; {review}; one that is confirmed "
        "makes the slide satisfactory",
    }
    return texts[reason]
