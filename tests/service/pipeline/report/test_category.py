"""The category needs evidence; without it nothing is called negative."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.classes import BETHESDA
from service.pipeline.report.category import name_category
from tests.fake_detector import SLIDE_SCORE


@pytest.mark.parametrize(
    ("count", "text"),
    [
        ([0, 0, 0, 0, 0, 0], "no cells seen"),
        ([100, 0, 0, 0, 0, 0], "no abnormal category supported"),
        ([100, 1, 0, 0, 0, 0], "no abnormal category supported"),
        ([100, 2, 0, 0, 0, 0], "ASC-US"),
        ([100, 5, 2, 0, 0, 0], "LSIL"),
        ([100, 5, 2, 0, 1, 1], "HSIL"),
        ([100, 5, 2, 0, 0, 2], "SCC"),
        ([100_000, 0, 0, 0, 50, 0], "no abnormal category supported"),
        ([100_000, 0, 0, 0, 150, 0], "HSIL"),
    ],
)
def test_the_category_is_the_worst_with_enough_evidence(count: list[int], text: str) -> None:
    assert name_category(np.array(count), BETHESDA, SLIDE_SCORE).text == text


@given(st.lists(st.integers(0, 100_000), min_size=6, max_size=6))
def test_no_counts_are_called_nilm(count: list[int]) -> None:
    category = name_category(np.array(count), BETHESDA, SLIDE_SCORE)
    assert category.text != "NILM"
    assert (category.severity > 0) == (category.code == "abnormal")
    assert (category.code == "no-cells") == (sum(count) == 0)
