"""A report in a few lines for a terminal; `analyse` and the demo show the same."""

from service.pipeline.report.model import SlideReport
from service.pipeline.types import QualityFlag


def describe(report: SlideReport) -> list[tuple[str, str]]:
    """Names and texts, in the order in which they are read."""
    adequacy, score = report.adequacy, report.abnormality_score
    lines = [
        ("abnormality score", "none: no cell was seen" if score is None else _in_words(score)),
        ("category", report.category),
    ]
    lines += [
        ("suspicious", f"{each.count:,} {each.class_name}, for review; worse than the category")
        for each in report.suspicious
    ]
    judged = "adequate" if adequacy.adequate else "not adequate"
    lines.append(("adequacy", f"{judged}: {adequacy.reason_text}"))
    lines += [("limits", _describe_flag(flag)) for flag in report.quality]
    return lines


def _in_words(score: float) -> str:
    return f"{score:.3f} (0 to 1, higher is more abnormal)"


def _describe_flag(flag: QualityFlag) -> str:
    return flag.text if flag.area_mm2 is None else f"{flag.text} ({flag.area_mm2:.3f} mm²)"
