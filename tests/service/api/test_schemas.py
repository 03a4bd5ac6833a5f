"""Examples of the OpenAPI page are what the API could answer."""

from service.api.schemas import EXAMPLE_REPORT
from service.pipeline.report.model import SlideReport


def test_the_example_of_a_report_is_a_whole_report() -> None:
    report = SlideReport.model_validate(EXAMPLE_REPORT)
    assert set(EXAMPLE_REPORT) == set(SlideReport.model_fields)
    assert sum(report.counts.values()) == report.num_cells
    worse = sum(each.count for each in report.suspicious)
    assert f"suspicious cells to review: {worse}" in report.adequacy.reason_text
