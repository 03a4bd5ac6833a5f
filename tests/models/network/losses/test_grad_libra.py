"""Grad-Libra held to every property its paper and its derivation give."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from models.network.losses.grad_libra import GradLibraLoss, grad_libra_loss, weigh_hardness

logits = st.lists(st.floats(-30, 30), min_size=1, max_size=12)
alphas = st.floats(0, 1)


def bce(z: Tensor, y: Tensor) -> Tensor:
    return functional.binary_cross_entropy_with_logits(z, y, reduction="none")


@given(logits, st.integers(0, 1))
@settings(deadline=None, max_examples=50)
def test_without_alpha_it_is_sigmoid_cross_entropy(values: list[float], y: int) -> None:
    z = torch.tensor(values, dtype=torch.float64)[None]
    target = torch.full_like(z, y)
    torch.testing.assert_close(grad_libra_loss(z, target, None, None), bce(z, target))


@given(logits, st.integers(0, 1))
@settings(deadline=None, max_examples=50)
def test_alpha_zero_is_twice_focal_loss_of_gamma_one(values: list[float], y: int) -> None:
    z = torch.tensor(values, dtype=torch.float64)[None]
    target = torch.full_like(z, y)
    p = torch.sigmoid(z)
    hardness = target * (1 - p) + (1 - target) * p
    focal = 0.5 * hardness * bce(z, target)
    torch.testing.assert_close(grad_libra_loss(z, target, 0.0, 0.0), 2 * focal)


@pytest.mark.parametrize(
    ("alpha", "at_one"), [(0.2, 0.832), (0.6, 0.495), (0.8, 0.327), (1, 0.159)]
)
def test_hardness_weight_ends_at_the_published_values(alpha: float, at_one: float) -> None:
    weight = weigh_hardness(torch.ones(1, dtype=torch.float64), alpha)
    assert float(weight) == pytest.approx(1 - alpha * math.sin(1), abs=1e-12)
    assert float(weight) == pytest.approx(at_one, abs=5e-4)


@given(alphas)
@settings(deadline=None, max_examples=50)
def test_hardness_weight_is_increasing_convex_and_bounded(alpha: float) -> None:
    g = torch.linspace(0, 1, 2001, dtype=torch.float64)
    weight = weigh_hardness(g, alpha)
    step = weight.diff()
    assert (step >= -1e-15).all()
    assert (step.diff() >= -1e-10).all()
    assert float(weight[0]) == 0
    assert float(weight[-1]) == pytest.approx(1 - alpha * math.sin(1))


def test_hardness_weight_of_alpha_one_nears_a_sixth_of_the_cube() -> None:
    g = torch.logspace(-4, -1, 50)
    torch.testing.assert_close(weigh_hardness(g, 1.0), g**3 / 6, rtol=6e-4, atol=0)


@given(st.floats(1e-6, 1), alphas)
@settings(deadline=None, max_examples=200)
def test_float32_weight_keeps_its_digits_near_zero(g: float, alpha: float) -> None:
    exact = weigh_hardness(torch.tensor(g, dtype=torch.float64), alpha)
    single = weigh_hardness(torch.tensor(g, dtype=torch.float32), alpha)
    assert float(single) == pytest.approx(float(exact), rel=2e-5)


def test_series_agrees_with_the_direct_form_where_they_meet() -> None:
    g = torch.linspace(0.3, 0.4, 1001, dtype=torch.float64)
    torch.testing.assert_close(weigh_hardness(g, 1.0), g - torch.sin(g), rtol=1e-8, atol=0)


@given(st.floats(-12, 12), alphas, st.integers(0, 1), st.booleans())
@settings(deadline=None, max_examples=200)
def test_gradient_is_the_derived_one(value: float, alpha: float, y: int, detach: bool) -> None:
    z = torch.tensor([[value]], dtype=torch.float64, requires_grad=True)
    grad_libra_loss(z, torch.full_like(z, y), alpha, alpha, detach_weight=detach).sum().backward()
    p = 1 / (1 + math.exp(-value))
    g = 1 - p if y else p
    weight = g - alpha * math.sin(g)
    expected = g * weight
    if not detach:
        expected -= g * (1 - g) * (1 - alpha * math.cos(g)) * math.log1p(-g)
    assert z.grad is not None
    sign = -1 if y else 1
    assert float(z.grad) == pytest.approx(sign * expected, rel=1e-5, abs=1e-12)


@pytest.mark.parametrize("alpha", [None, 0.0, 0.5, 0.8, 1.0])
def test_gradient_passes_finite_differences(alpha: float | None) -> None:
    torch.manual_seed(0)
    z = (torch.randn(6, 4, dtype=torch.float64) * 3).requires_grad_()
    y = torch.randint(0, 2, (6, 4)).double()
    assert torch.autograd.gradcheck(lambda x: grad_libra_loss(x, y, alpha, alpha), (z,))


@given(logits, alphas)
@settings(deadline=None, max_examples=50)
def test_positive_at_z_mirrors_negative_at_minus_z(values: list[float], alpha: float) -> None:
    z = torch.tensor(values, dtype=torch.float64)[None]
    positive = grad_libra_loss(z, torch.ones_like(z), alpha, alpha)
    negative = grad_libra_loss(-z, torch.zeros_like(z), alpha, alpha)
    torch.testing.assert_close(positive, negative)


def test_permuting_classes_permutes_the_gradient() -> None:
    torch.manual_seed(1)
    z, y = torch.randn(5, 6, dtype=torch.float64), torch.randint(0, 2, (5, 6)).double()
    order = torch.randperm(6)
    straight, permuted = z.clone().requires_grad_(), z[:, order].clone().requires_grad_()
    grad_libra_loss(straight, y).sum().backward()
    grad_libra_loss(permuted, y[:, order]).sum().backward()
    assert straight.grad is not None
    assert permuted.grad is not None
    torch.testing.assert_close(straight.grad[:, order], permuted.grad)


def test_worked_example_of_figure_two() -> None:
    z = torch.tensor([[1.06, -3.62, -1.46]], dtype=torch.float64, requires_grad=True)
    y = torch.tensor([[0.0, 0.0, 1.0]], dtype=torch.float64)
    bce(z, y).sum().backward()
    assert z.grad is not None
    np.testing.assert_allclose(z.grad.abs().numpy()[0], [0.74, 0.03, 0.81], atol=0.005)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize("value", [-90.0, 90.0])
def test_far_logits_give_finite_loss_and_gradient(dtype: torch.dtype, value: float) -> None:
    for y in (0.0, 1.0):
        z = torch.full((1, 1), value, dtype=dtype, requires_grad=True)
        loss = grad_libra_loss(z, torch.full((1, 1), y), 1.0, 1.0)
        loss.sum().backward()
        assert z.grad is not None
        assert loss.dtype == torch.float32
        assert torch.isfinite(loss).all()
        assert torch.isfinite(z.grad).all()


def test_alphas_of_both_signs_act_on_their_own_terms() -> None:
    z = torch.zeros(1, 2)
    y = torch.tensor([[1.0, 0.0]])
    loss = grad_libra_loss(z, y, alpha_pos=0.2, alpha_neg=0.6)
    expected = [(0.5 - a * math.sin(0.5)) * math.log(2) for a in (0.2, 0.6)]
    np.testing.assert_allclose(loss.numpy()[0], expected, rtol=1e-6)


def test_labels_background_and_ignored_rows_equal_their_one_hot_form() -> None:
    torch.manual_seed(2)
    pred = torch.randn(5, 3)
    labels = torch.tensor([0, 2, 3, -1, 1])
    one_hot = torch.tensor([[1, 0, 0], [0, 0, 1], [0, 0, 0], [-1, -1, -1], [0, 1, 0]])
    loss = GradLibraLoss(reduction="none")
    torch.testing.assert_close(loss(pred, labels), loss(pred, one_hot))
    assert (loss(pred, labels)[3] == 0).all()


def test_an_ignored_row_cannot_poison_the_loss() -> None:
    pred = torch.tensor([[float("inf"), 0.0], [0.0, 0.0]])
    assert torch.isfinite(GradLibraLoss()(pred, torch.tensor([-1, 0])))


@pytest.mark.parametrize("shape", ["row", "full", "flat"])
def test_weights_of_every_shape_mmdet_passes_agree(shape: str) -> None:
    torch.manual_seed(3)
    pred, target, row = torch.randn(4, 3), torch.tensor([0, 1, 3, 2]), torch.rand(4)
    full = row[:, None].expand(4, 3)
    weight = {"row": row, "full": full, "flat": full.reshape(-1)}[shape]
    terms = GradLibraLoss(reduction="none")(pred, target)
    loss = GradLibraLoss(loss_weight=2.0)(pred, target, weight, avg_factor=7.0)
    torch.testing.assert_close(loss, 2.0 * (terms * full).sum() / 7.0, rtol=1e-5, atol=1e-7)


def test_reductions_follow_module_and_override() -> None:
    pred, target = torch.randn(4, 3), torch.tensor([0, 1, 3, 2])
    terms = GradLibraLoss(reduction="none")(pred, target)
    torch.testing.assert_close(GradLibraLoss(reduction="sum")(pred, target), terms.sum())
    torch.testing.assert_close(GradLibraLoss()(pred, target), terms.mean())
    torch.testing.assert_close(GradLibraLoss()(pred, target, reduction_override="none"), terms)


def test_no_proposals_give_zero_loss() -> None:
    loss = GradLibraLoss(reduction="sum")(torch.zeros(0, 3), torch.zeros(0, dtype=torch.long))
    assert float(loss) == 0


@pytest.mark.parametrize(
    "wrong",
    [{"use_sigmoid": False}, {"alpha_pos": 1.5}, {"alpha_neg": -0.1}, {"reduction": "median"}],
)
def test_wrong_settings_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"must|use_sigmoid"):
        GradLibraLoss(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("target", [torch.zeros(3, dtype=torch.long), torch.full((4,), 9)])
def test_targets_that_do_not_fit_are_refused(target: Tensor) -> None:
    with pytest.raises(ValueError, match="target"):
        GradLibraLoss()(torch.zeros(4, 3), target)


def test_weights_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="weight has shape"):
        GradLibraLoss()(torch.zeros(4, 3), torch.zeros(4, dtype=torch.long), torch.ones(5))
