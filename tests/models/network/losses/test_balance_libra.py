"""Balance-Libra: Grad-Libra's hardness times equalization loss v2's balance of classes."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models.network.losses.balance_libra import BalanceLibraLoss, grad_libra_gradient
from models.network.losses.eqlv2 import EqlV2Loss
from models.network.losses.grad_libra import GradLibraLoss, grad_libra_loss

alphas = st.none() | st.floats(0, 1)


def tallied(loss: BalanceLibraLoss | EqlV2Loss, positive: float, negative: float) -> None:
    loss.tally.pos_grad.fill_(positive)
    loss.tally.neg_grad.fill_(negative)


@given(st.floats(-15, 15), st.sampled_from([0, 1]), alphas)
def test_the_gradient_that_is_summed_is_autograds(z: float, y: int, alpha: float | None) -> None:
    logit = torch.tensor([[z]], dtype=torch.float64, requires_grad=True)
    target = torch.tensor([[y]], dtype=torch.float64)
    (slope,) = torch.autograd.grad(grad_libra_loss(logit, target, alpha, alpha).sum(), logit)
    magnitude = float(grad_libra_gradient(logit.detach(), target, alpha))
    assert magnitude == pytest.approx(abs(float(slope)), rel=1e-6, abs=1e-12)


@given(st.floats(-20, 20), st.sampled_from([0, 1]), st.floats(0, 1), st.floats(0, 3))
def test_a_term_is_what_its_definition_says(z: float, y: int, alpha: float, ratio: float) -> None:
    loss = BalanceLibraLoss(num_classes=1, alpha=alpha, reduction="sum")
    tallied(loss, ratio, 1.0)
    g = 1 / (1 + math.exp(z)) if y else 1 / (1 + math.exp(-z))
    balance = 1 / (1 + math.exp(-12 * (ratio - 0.8)))
    side = 1 + 4 * (1 - balance) if y else balance
    expected = side * (g - alpha * math.sin(g)) * math.log1p(math.exp(-z if y else z))
    term = float(loss(torch.tensor([[z]], dtype=torch.float64), torch.tensor([1 - y])))
    assert term == pytest.approx(expected, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_without_alpha_it_is_equalization_loss_v2_through_a_training(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    balance_libra, eqlv2 = BalanceLibraLoss(num_classes=3, alpha=None), EqlV2Loss(num_classes=3)
    for _ in range(3):
        logit = torch.randn(30, 3, generator=generator)
        label = torch.randint(0, 4, (30,), generator=generator)
        torch.testing.assert_close(balance_libra(logit, label), eqlv2(logit, label))
    torch.testing.assert_close(balance_libra.tally.neg_grad, eqlv2.tally.neg_grad)


def test_it_begins_as_grad_libra_and_is_it_again_in_balance() -> None:
    torch.manual_seed(0)
    loss, plain = BalanceLibraLoss(num_classes=2), GradLibraLoss()
    logit, labels = torch.randn(40, 2), torch.tensor([0] * 20 + [1] + [2] * 19)
    expected = float(plain(logit, labels))
    assert float(loss(logit, labels)) == pytest.approx(expected)
    tallied(loss, 5.0, 1.0)
    assert float(loss(logit, labels)) == pytest.approx(expected, rel=1e-5)


def test_a_drowned_class_is_pulled_harder_and_pushed_less() -> None:
    loss = BalanceLibraLoss(num_classes=2, reduction="none")
    loss.tally.pos_grad.copy_(torch.tensor([2.0, 0.1]))
    loss.tally.neg_grad.copy_(torch.tensor([1.0, 1.0]))
    term = loss.eval()(torch.zeros(3, 2), torch.tensor([0, 1, 2]))
    assert float(term[1, 1]) > 4 * float(term[0, 0])
    assert float(term[2, 1]) < 0.01 * float(term[2, 0])


def test_what_it_sums_is_its_own_weighted_gradient() -> None:
    torch.manual_seed(1)
    loss = BalanceLibraLoss(num_classes=2, reduction="sum").double()
    tallied(loss, 0.5, 1.0)
    logit = torch.randn(20, 2, dtype=torch.float64, requires_grad=True)
    labels = torch.randint(0, 3, (20,))
    (slope,) = torch.autograd.grad(loss(logit, labels), logit)
    y = torch.nn.functional.one_hot(labels, 3)[:, :2]
    torch.testing.assert_close(loss.tally.pos_grad - 0.5, (slope.abs() * y).sum(0))
    torch.testing.assert_close(loss.tally.neg_grad - 1.0, (slope.abs() * (1 - y)).sum(0))


def test_outside_training_nothing_is_summed() -> None:
    loss = BalanceLibraLoss(num_classes=2).eval()
    loss(torch.randn(5, 2), torch.tensor([0, 1, 2, 2, 2]))
    assert float(loss.tally.neg_grad.sum()) == 0


@pytest.mark.parametrize("wrong", [{"alpha": 1.5}, {"gamma": 0.0}, {"mu": -1.0}, {"boost": -1.0}])
def test_arguments_out_of_range_are_named(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        BalanceLibraLoss(num_classes=2, **wrong)
