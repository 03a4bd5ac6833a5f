"""Sigmoid focal loss against its formula, through mmcv's own wrapper."""

import torch
from mmcv.ops import sigmoid_focal_loss


def test_it_is_the_formula_of_its_paper() -> None:
    torch.manual_seed(0)
    logit = torch.randn(6, 3, dtype=torch.float64)
    target = torch.tensor([0, 1, 2, 3, 3, 0])
    loss = sigmoid_focal_loss(logit, target, 2.0, 0.25, None, "none")
    for row, label in enumerate(target.tolist()):
        for column in range(3):
            p = 1 / (1 + torch.exp(-logit[row, column]))
            if column == label:
                expected = -0.25 * (1 - p) ** 2 * torch.log(p)
            else:
                expected = -0.75 * p**2 * torch.log(1 - p)
            torch.testing.assert_close(loss[row, column], expected)


def test_its_gradient_passes_finite_differences() -> None:
    torch.manual_seed(1)
    logit = torch.randn(5, 4, dtype=torch.float64, requires_grad=True)
    target = torch.tensor([0, 1, 2, 3, 4])
    assert torch.autograd.gradcheck(
        lambda x: sigmoid_focal_loss(x, target, 2.0, 0.25, None, "sum"), (logit,)
    )


def test_class_weights_scale_rows_of_their_class() -> None:
    logit, target = torch.randn(3, 2), torch.tensor([0, 1, 1])
    plain = sigmoid_focal_loss(logit, target, 2.0, 0.25, None, "none")
    weighted = sigmoid_focal_loss(logit, target, 2.0, 0.25, torch.tensor([2.0, 0.5]), "none")
    torch.testing.assert_close(weighted, plain * torch.tensor([[2.0], [0.5], [0.5]]))
