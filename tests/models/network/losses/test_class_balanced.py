"""Class-balanced loss: weights by the sum that the effective number is, and its limits."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.network.losses.class_balanced import ClassBalancedLoss, weigh_classes
from models.network.losses.cross_entropy import SigmoidCrossEntropyLoss
from models.network.losses.focal import DenseFocalLoss
from tests.models.network.losses.loss_cases import COUNTS, draw

many_counts = st.lists(st.integers(1, 3000), min_size=1, max_size=8)


@given(many_counts, st.floats(0, 0.9999))
@settings(deadline=None, max_examples=50)
def test_weight_is_inverse_to_the_sum_of_the_powers_of_beta(counts: list[int], beta: float) -> None:
    # The n-th cell of a class adds β^(n-1) to its effective number.
    effective = np.array([np.sum(beta ** np.arange(count)) for count in counts])
    expected = 1 / effective
    np.testing.assert_allclose(weigh_classes(counts, beta), expected / expected.mean(), rtol=1e-9)


@given(many_counts, st.floats(0, 0.999999))
@settings(deadline=None, max_examples=50)
def test_weights_average_one_and_rarer_classes_weigh_no_less(
    counts: list[int], beta: float
) -> None:
    weight = weigh_classes(counts, beta)
    assert np.mean(weight) == pytest.approx(1)
    by_count = np.array(weight)[np.argsort(counts, kind="stable")]
    assert (np.diff(by_count) <= 1e-9).all()


def test_beta_near_one_weighs_by_the_inverse_count() -> None:
    weight = np.array(weigh_classes(COUNTS, 1 - 1e-12))
    np.testing.assert_allclose(weight * COUNTS, weight[0] * COUNTS[0], rtol=1e-6)


@pytest.mark.parametrize("gamma", [None, 2.0])
def test_beta_zero_is_the_loss_without_weights(gamma: float | None) -> None:
    z, labels = draw(0)
    plain = SigmoidCrossEntropyLoss() if gamma is None else DenseFocalLoss(gamma)
    value = ClassBalancedLoss(COUNTS, 0.0, gamma)(z, labels)
    torch.testing.assert_close(value, plain(z, labels))


@pytest.mark.parametrize("gamma", [None, 0.5])
def test_all_terms_of_a_proposal_take_its_classes_weight_and_background_one(
    gamma: float | None,
) -> None:
    z, labels = draw(1)
    weight = [*weigh_classes(COUNTS, 0.999), 1.0]
    terms = ClassBalancedLoss(COUNTS, 0.999, gamma, reduction="none")(z, labels)
    plain = DenseFocalLoss(gamma or 0.0, reduction="none")(z, labels)
    for row, label in enumerate(labels.tolist()):
        torch.testing.assert_close(terms[row], plain[row] * weight[label])
