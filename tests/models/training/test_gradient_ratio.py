"""The recorded gradient ratio is what its definition says, and survives an interruption."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from models.network.losses.grad_libra import GradLibraLoss
from models.training.gradient_ratio import GradientRatio


def watched(num_classes: int) -> tuple[nn.Module, GradientRatio]:
    loss, ratio = GradLibraLoss(), GradientRatio(num_classes)
    ratio.watch(loss)
    return loss, ratio


@given(st.lists(st.tuples(st.floats(-9, 9), st.integers(-1, 2)), min_size=1, max_size=8))
def test_sums_are_those_of_cross_entropys_gradient(rows: list[tuple[float, int]]) -> None:
    loss, ratio = watched(2)
    logits = torch.tensor([[z, -z] for z, _ in rows])
    labels = torch.tensor([label for _, label in rows])
    loss(logits, labels)
    positive, negative = np.zeros(2), np.zeros(2)
    for z, label in rows:
        for column, logit in enumerate((z, -z)):
            p = 1 / (1 + np.exp(-logit))
            if label == column:
                positive[column] += (1 - p) / len(rows)
            elif label >= 0:
                negative[column] += p / len(rows)
    np.testing.assert_allclose(ratio.positive, positive, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(ratio.negative, negative, rtol=1e-4, atol=1e-6)


def test_calls_add_up_and_an_epoch_notes_the_ratio_since_the_beginning() -> None:
    loss, ratio = watched(2)
    logits, labels = torch.zeros(4, 2), torch.tensor([0, 2, 2, 1])
    loss(logits, labels)
    ratio.end_epoch()
    loss(logits, labels)
    loss(logits, target=labels)
    ratio.end_epoch()
    np.testing.assert_allclose(ratio.positive, [3 * 0.5 / 4] * 2)
    np.testing.assert_allclose(ratio.ratio_by_epoch, [[1 / 3] * 2] * 2)


def test_places_of_weight_0_are_left_out() -> None:
    loss, ratio = watched(2)
    logits, labels = torch.zeros(4, 2), torch.tensor([0, 2, 2, 1])
    loss(logits, labels, torch.tensor([1.0, 0.0, 1.0, 1.0]))
    np.testing.assert_allclose(ratio.positive, [0.5 / 4] * 2)
    np.testing.assert_allclose(ratio.negative, [2 * 0.5 / 4] * 2)


def test_recording_changes_no_gradient() -> None:
    logits = torch.randn(6, 2, requires_grad=True)
    labels = torch.tensor([0, 1, 2, 2, -1, 0])

    def gradient(loss: nn.Module) -> Tensor:
        return torch.autograd.grad(loss(logits, labels), logits)[0]

    torch.testing.assert_close(gradient(watched(2)[0]), gradient(GradLibraLoss()), rtol=0, atol=0)


def test_no_proposal_adds_nothing() -> None:
    loss, ratio = watched(2)
    loss(torch.zeros(0, 2), torch.zeros(0, dtype=torch.long))
    assert ratio.positive.tolist() == [0, 0]


def test_restored_it_goes_on_where_it_was() -> None:
    loss, ratio = watched(2)
    loss(torch.ones(3, 2), torch.tensor([0, 1, 2]))
    ratio.end_epoch()
    restored = GradientRatio(2)
    restored.restore(ratio.checkpoint())
    restored.end_epoch()
    assert len(ratio.ratio_by_epoch) == 1
    assert restored.ratio_by_epoch == [ratio.ratio_by_epoch[0]] * 2
