"""The tables in the summaries and in results.md are those of the committed runs."""

from pathlib import Path

import pytest

from models.study.schedule import StudyFolders, read_results
from models.study.spec import find_study, list_runs, read_study
from models.study.tables import summarise_study, write_markdown

DOCS = Path(__file__).parents[2] / "docs"
STUDIES = sorted(path.name for path in (DOCS / "studies").iterdir())


@pytest.mark.parametrize("name", STUDIES)
def test_the_summary_is_that_of_the_runs(name: str) -> None:
    study = read_study(find_study(name))
    runs = list_runs(study)
    folders = StudyFolders(DOCS, DOCS, DOCS / "studies" / name / "runs")
    results = read_results(runs, folders)
    committed = {path.stem for path in folders.results_dir.iterdir()}
    assert committed == {run.run for run in results}
    text = write_markdown(study, summarise_study(study, results))
    assert (DOCS / "studies" / name / "summary.md").read_text() == text


@pytest.mark.parametrize("name", STUDIES)
def test_every_row_of_the_main_table_stands_in_the_results(name: str) -> None:
    summary = (DOCS / "studies" / name / "summary.md").read_text()
    shown = (DOCS / "results.md").read_text().splitlines()
    rows = summary.split("AP50 by class:")[0].splitlines()
    assert [row for row in rows if row.startswith("|") and row not in shown] == []
