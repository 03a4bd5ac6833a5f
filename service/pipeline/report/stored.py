"""Reads reports that were kept, also those of earlier versions, as reports of today.

Rows are not rewritten: an earlier report is understood anew whenever it is read, so that no
migration can lose one.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from service.pipeline.report.adequacy import judge_adequacy
from service.pipeline.report.category import NO_CELLS, NONE_SUPPORTED, Category
from service.pipeline.report.model import REPORT_FORMAT, SlideReport, SuspiciousClass
from service.pipeline.types import CellClass, QualityCode, QualityFlag

EARLIER = QualityFlag(
    QualityCode.EARLIER_REPORT,
    "made by an earlier version, which kept no places of suspicious cells and no quality flags; "
    "send the slide again, which analyses it again, to have them",
)


def is_current(stored: Mapping[str, Any]) -> bool:
    """Whether this version made the kept report; others lack what only a new analysis gives."""
    return stored.get("format") == REPORT_FORMAT


def read_report(
    stored: Mapping[str, Any], read_classes: Callable[[], Sequence[CellClass]]
) -> SlideReport:
    """The report that was kept as these plain values.

    Args:
        stored: what `report_to_json` gave, in this version or an earlier one.
        read_classes: gives the detector's classes; called for reports of the first form alone,
            which named classes without their severity.

    Raises:
        pydantic.ValidationError: the values are no report.
    """
    if "format" in stored:
        return SlideReport.model_validate(stored)
    return SlideReport.model_validate(_translate_first_form(stored, read_classes()))


def _translate_first_form(
    stored: Mapping[str, Any], classes: Sequence[CellClass]
) -> dict[str, Any]:
    """The first form named NILM from silence and gave slides without cells the score 0."""
    counts, num_cells = stored["counts"], stored["num_cells"]
    severity = {each.name: each.severity for each in classes}
    category = _category_of(stored["category"], num_cells, severity)
    worse = sorted(
        (name for name in counts if counts[name] and severity[name] > category.severity),
        key=lambda name: -severity[name],
    )
    suspicious = [SuspiciousClass(class_name=name, count=counts[name], cells=()) for name in worse]
    adequacy = judge_adequacy(
        num_cells=num_cells,
        category=category,
        num_suspicious=sum(each.count for each in suspicious),
        tissue_area_mm2=stored["adequacy"]["tissue_area_mm2"],
        unreadable_area_mm2=stored["adequacy"]["unreadable_area_mm2"],
    )
    return {
        **stored,
        "abnormality_score": stored["abnormality_score"] if num_cells else None,
        "category": category.text,
        "category_code": category.code,
        "adequacy": adequacy,
        "suspicious": suspicious,
        "quality": [EARLIER],
    }


def _category_of(text: str, num_cells: int, severity: Mapping[str, int]) -> Category:
    if not num_cells:
        return Category("no-cells", NO_CELLS, 0)
    if severity[text] == 0:
        return Category("none-supported", NONE_SUPPORTED, 0)
    return Category("abnormal", text, severity[text])
