"""Means, spreads and tests of a study, against numbers worked out by hand."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.measure.metrics import Rates
from models.study.result import RunFigures, RunHardware, RunResult
from models.study.spec import StudySpec
from models.study.tables import sign_flip_test, summarise_study, write_markdown


def make_study(baseline: str | None = "CE") -> StudySpec:
    axes = [
        {"name": "detector", "options": [{"name": "FCOS"}]},
        {"name": "loss", "options": [{"name": "CE"}, {"name": "Libra"}]},
    ]
    content = {"title": "Losses", "config": "fcos_lite0", "baseline": baseline, "axes": axes}
    return StudySpec.model_validate(content | {"repeats": [{"fold": 0, "seed": 0}]})


def make_result(loss: str, fold: int, ap50: dict[str, float]) -> RunResult:
    rates = Rates(precision=1.0, recall=0.5, f1=2 / 3)
    figures = RunFigures(
        map50=sum(ap50.values()) / len(ap50),
        ap50=ap50,
        any_cell_ap50=0.8,
        abnormal_ap50=None,
        by_centre_distance_10um={},
        any_cell=rates,
        normal_vs_abnormal=rates,
        confusion_matrix={},
        num_images=1,
        num_cells=1,
        score_thresholds=(0.5,) * len(ap50),
    )
    hardware = RunHardware(
        device="cpu", threads=1, train_s=10.0 + fold, torch="", code_version="", finished=""
    )
    return RunResult(
        run=f"{loss}{fold}",
        options={"detector": "FCOS", "loss": loss},
        fold=fold,
        seed=0,
        unused_folds=(),
        config="fcos_lite0",
        config_digest="",
        labels_sha256="",
        epochs=1,
        frequency_groups={"NILM": "frequent", "HSIL": "common", "SCC": "rare"},
        figures=figures,
        precision_at_recall={},
        gradient_ratio_by_epoch={},
        classifier_weight_norm={},
        num_parameters=1,
        hardware=hardware,
    )


RESULTS = [
    make_result("CE", 0, {"NILM": 0.8, "HSIL": 0.4, "SCC": 0.0}),
    make_result("CE", 1, {"NILM": 0.6, "HSIL": 0.3}),
    make_result("Libra", 0, {"NILM": 0.9, "HSIL": 0.4, "SCC": 0.2}),
    make_result("Libra", 1, {"NILM": 0.7, "HSIL": 0.3}),
    make_result("Libra", 2, {"NILM": 0.7, "HSIL": 0.3}),
]


def test_cells_have_mean_and_spread_over_their_runs() -> None:
    first = summarise_study(make_study(), RESULTS)["cells"][0]
    assert first["options"] == {"detector": "FCOS", "loss": "CE"}
    assert first["num_runs"] == 2
    assert first["train_s"] == 10.5
    assert first["figures"]["map50"]["mean"] == pytest.approx((0.4 + 0.45) / 2)
    assert first["figures"]["map50"]["sd"] == pytest.approx(0.05 / math.sqrt(2))
    assert first["ap50"]["NILM"]["mean"] == pytest.approx(0.7)


def test_cells_stand_in_the_studys_order_whichever_was_finished_first() -> None:
    for results in (RESULTS, RESULTS[::-1]):
        cells = summarise_study(make_study(), results)["cells"]
        assert [cell["options"]["loss"] for cell in cells] == ["CE", "Libra"]


def test_means_over_unequal_runs_are_marked() -> None:
    study = make_study()
    assert "over other folds" in write_markdown(study, summarise_study(study, RESULTS))
    assert "over other folds" not in write_markdown(study, summarise_study(study, RESULTS[:4]))


def test_a_class_that_a_fold_lacks_counts_where_it_is() -> None:
    first = summarise_study(make_study(), RESULTS)["cells"][0]
    assert first["ap50"]["SCC"] == {"mean": 0.0, "sd": None}
    assert first["figures"]["rare"] == {"mean": 0.0, "sd": None}
    assert "abnormal_ap50" not in first["figures"]


def test_differences_are_taken_between_runs_of_one_fold_and_seed() -> None:
    (test,) = summarise_study(make_study(), RESULTS)["tests"]
    assert test["options"]["loss"] == "Libra"
    assert test["num_pairs"] == 2
    assert test["figures"]["frequent"]["mean"] == pytest.approx(0.1)
    assert test["figures"]["frequent"]["p"] == 0.5
    assert test["figures"]["rare"]["mean"] == pytest.approx(0.2)


def test_without_a_baseline_nothing_is_tested() -> None:
    assert summarise_study(make_study(None), RESULTS)["tests"] == []


def test_markdown_shows_every_cell_and_test() -> None:
    study = make_study()
    text = write_markdown(study, summarise_study(study, RESULTS))
    assert "| FCOS | CE | 2 | 42.5 ± 3.5 | 80.0 ± 0.0 | - |" in text
    assert "| FCOS | Libra | 2 | " in text.split("Paired differences to CE")[1]
    assert "+10.0 (p 0.50)" in text


@given(st.lists(st.floats(0.001, 1), min_size=1, max_size=8))
def test_differences_of_one_sign_have_the_least_p(differences: list[float]) -> None:
    assert sign_flip_test(differences) == pytest.approx(2 / 2 ** len(differences))


@given(st.lists(st.floats(-1, 1), max_size=7))
def test_p_is_a_probability_that_ignores_sign_order_and_scale(differences: list[float]) -> None:
    p = sign_flip_test(differences)
    assert 0 < p <= 1
    assert sign_flip_test([-value for value in reversed(differences)]) == p
    assert sign_flip_test([4 * value for value in differences]) == p


def test_no_difference_is_no_evidence() -> None:
    assert sign_flip_test([]) == sign_flip_test([0.0, 0.0]) == sign_flip_test([1.0, -1.0]) == 1.0


def test_too_many_pairs_for_an_exact_test_are_refused() -> None:
    with pytest.raises(ValueError, match="17 pairs"):
        sign_flip_test([1.0] * 17)


def test_a_papers_figure_stands_beside_ours() -> None:
    published = [{"when": {"loss": "CE"}, "map50": 0.453}]
    study = StudySpec.model_validate(make_study().model_dump() | {"published": published})
    rows = write_markdown(study, summarise_study(study, RESULTS)).splitlines()
    assert rows[2].endswith("| paper's mAP |")
    assert [row.rsplit("|", 2)[1].strip() for row in rows[4:6]] == ["45.3", "-"]
