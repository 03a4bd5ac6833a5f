"""Logit-adjusted loss against its formula, its limits, and its counts."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import log_softmax

from models.network.losses.logit_adjusted import LogitAdjustedLoss


@given(
    logits=st.lists(st.floats(-20, 20), min_size=3, max_size=3),
    label=st.integers(0, 2),
    tau=st.floats(0, 2),
)
def test_it_is_the_softmax_of_shifted_logits(logits: list[float], label: int, tau: float) -> None:
    loss = LogitAdjustedLoss(num_classes=3, tau=tau).eval()
    loss.seen.copy_(torch.tensor([80.0, 15.0, 5.0]))
    value = loss(torch.tensor([logits], dtype=torch.float64), torch.tensor([label]))
    shifted = np.array(logits) + tau * np.log([0.8, 0.15, 0.05])
    assert float(value) == pytest.approx(-log_softmax(shifted)[label], rel=1e-9, abs=1e-12)


def test_without_adjustment_it_is_cross_entropy() -> None:
    logit, label = torch.randn(20, 4), torch.randint(4, (20,))
    value = LogitAdjustedLoss(num_classes=4, tau=0.0)(logit, label)
    torch.testing.assert_close(value, torch.nn.functional.cross_entropy(logit, label))


def test_the_same_mistake_on_a_rare_class_costs_more() -> None:
    loss = LogitAdjustedLoss(num_classes=2).eval()
    loss.seen.copy_(torch.tensor([99.0, 1.0]))
    even = torch.zeros(1, 2)
    assert float(loss(even, torch.tensor([1]))) > float(loss(even, torch.tensor([0])))


def test_classes_are_counted_while_training_only() -> None:
    loss = LogitAdjustedLoss(num_classes=3)
    loss(torch.zeros(4, 3), torch.tensor([0, 0, 2, 2]))
    assert loss.seen.tolist() == [3.0, 1.0, 3.0]
    loss.eval()(torch.zeros(1, 3), torch.tensor([1]))
    assert loss.seen.tolist() == [3.0, 1.0, 3.0]


def test_no_proposal_costs_nothing_and_still_has_a_gradient() -> None:
    logit = torch.zeros(0, 3, requires_grad=True)
    loss = LogitAdjustedLoss(num_classes=3)(logit, torch.zeros(0, dtype=torch.int64))
    loss.backward()
    assert loss.item() == 0


def test_gradient_is_that_of_finite_differences() -> None:
    loss = LogitAdjustedLoss(num_classes=3).eval()
    loss.seen.copy_(torch.tensor([5.0, 3.0, 1.0]))
    logit = torch.randn(5, 3, dtype=torch.float64, requires_grad=True)
    label, weight = torch.tensor([0, 1, 2, 2, 0]), torch.rand(5, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda z: loss(z, label, weight=weight, avg_factor=2.0), logit)


@pytest.mark.parametrize("arguments", [{"num_classes": 0}, {"num_classes": 2, "tau": -1.0}])
def test_arguments_out_of_range_are_refused(arguments: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must be"):
        LogitAdjustedLoss(**arguments)
