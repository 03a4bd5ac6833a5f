"""Class-Libra: Grad-Libra for balanced classes, more for those that are drowned."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models.network.losses.class_libra import ClassLibraLoss, class_libra_loss, lead_alphas
from models.network.losses.grad_libra import GradLibraLoss, grad_libra_loss

ratios = st.floats(0, 1)
alphas = st.floats(0, 1)
logits = st.floats(-30, 30)


def term_of(z: float, y: int, ratio: float, alpha: float = 0.8) -> float:
    alpha_pos, alpha_neg = lead_alphas(torch.tensor([ratio], dtype=torch.float64), alpha, alpha)
    logit = torch.tensor([[z]], dtype=torch.float64)
    return float(class_libra_loss(logit, torch.tensor([[y]]), alpha_pos, alpha_neg))


@given(logits, st.sampled_from([0, 1]), ratios, alphas)
def test_a_term_is_what_its_definition_says(z: float, y: int, ratio: float, alpha: float) -> None:
    g = 1 / (1 + math.exp(z)) if y else 1 / (1 + math.exp(-z))
    led = alpha * ratio if y else 1 - (1 - alpha) * ratio
    expected = (g - led * math.sin(g)) * math.log1p(math.exp(-z if y else z))
    assert term_of(z, y, ratio, alpha) == pytest.approx(expected, rel=1e-6, abs=1e-9)


@given(logits, st.sampled_from([0, 1]), alphas)
def test_a_balanced_class_has_grad_libras_loss(z: float, y: int, alpha: float) -> None:
    logit, target = torch.tensor([[z]], dtype=torch.float64), torch.tensor([[y]])
    expected = float(grad_libra_loss(logit, target, alpha, alpha))
    assert term_of(z, y, 1.0, alpha) == pytest.approx(expected, abs=1e-12)


@given(logits, ratios, ratios)
def test_the_more_a_class_is_drowned_the_more_its_own_cells_count(
    z: float, first: float, second: float
) -> None:
    low, high = sorted((first, second))
    assert term_of(z, 1, low) >= term_of(z, 1, high) - 1e-12
    assert term_of(z, 0, low) <= term_of(z, 0, high) + 1e-12


@given(st.floats(-8, 8), st.sampled_from([0, 1]), ratios, alphas)
def test_its_gradient_is_the_derived_one(z: float, y: int, ratio: float, alpha: float) -> None:
    pair = lead_alphas(torch.tensor([ratio], dtype=torch.float64), alpha, alpha)
    logit = torch.tensor([[z]], dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(class_libra_loss(logit, torch.tensor([[y]]), *pair).sum(), logit)
    g = 1 / (1 + math.exp(z)) if y else 1 / (1 + math.exp(-z))
    led = float(pair[1 - y])
    weight = g - led * math.sin(g)
    expected = g * weight - g * (1 - g) * (1 - led * math.cos(g)) * math.log1p(-g)
    assert abs(float(slope)) == pytest.approx(expected, rel=1e-6, abs=1e-9)
    assert float(slope) * (2 * y - 1) <= 0


def test_it_begins_as_grad_libra_and_then_follows_the_gradients() -> None:
    torch.manual_seed(0)
    loss, plain = ClassLibraLoss(num_classes=2), GradLibraLoss()
    logit = torch.randn(40, 2)
    labels = torch.tensor([0] * 20 + [1] + [2] * 19)
    assert float(loss(logit, labels)) == pytest.approx(float(plain(logit, labels)))
    common, rare = loss.tally.compute_ratio().tolist()
    assert rare < 0.2 < common
    g = torch.sigmoid(logit.double())
    y = torch.nn.functional.one_hot(labels, 3)[:, :2].double()
    torch.testing.assert_close(loss.tally.pos_grad, (y * (1 - g)).sum(0), rtol=1e-5, atol=0)
    torch.testing.assert_close(loss.tally.neg_grad, ((1 - y) * g).sum(0), rtol=1e-5, atol=0)


def test_outside_training_nothing_is_summed() -> None:
    loss = ClassLibraLoss(num_classes=2).eval()
    loss(torch.randn(5, 2), torch.tensor([0, 1, 2, 2, 2]))
    assert float(loss.tally.neg_grad.sum()) == 0


@pytest.mark.parametrize("wrong", [{"alpha_pos": 1.5}, {"alpha_neg": -0.1}, {"num_classes": 0}])
def test_arguments_out_of_range_are_named(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        ClassLibraLoss(**({"num_classes": 2} | wrong))  # type: ignore[arg-type]
