"""The tally of gradients against sums in a loop."""

import pytest
import torch

from models.network.losses.gradient_tally import GradientTally


def test_ratio_is_of_the_sums_over_all_calls() -> None:
    tally = GradientTally(2)
    pos, neg = [0.0, 0.0], [0.0, 0.0]
    generator = torch.Generator().manual_seed(0)
    for _ in range(3):
        magnitude = torch.rand(5, 2, generator=generator)
        target = torch.randint(0, 2, (5, 2), generator=generator)
        counted = torch.rand(5, 2, generator=generator) > 0.3
        tally.add(magnitude, target, counted)
        for row in range(5):
            for label in range(2):
                if counted[row, label]:
                    side = pos if target[row, label] else neg
                    side[label] += float(magnitude[row, label])
    expected = [positive / negative for positive, negative in zip(pos, neg, strict=True)]
    assert tally.compute_ratio().tolist() == pytest.approx(expected)


def test_ratio_is_endless_before_any_negative_gradient_and_zero_before_any_positive() -> None:
    tally = GradientTally(2)
    assert tally.compute_ratio().tolist() == [float("inf")] * 2
    counted = torch.ones(1, 2, dtype=torch.bool)
    tally.add(torch.ones(1, 2), torch.tensor([[1, 0]]), counted)
    assert tally.compute_ratio().tolist() == [float("inf"), 0.0]


def test_small_gradients_still_add_up_late_in_a_training() -> None:
    tally = GradientTally(1)
    tally.pos_grad += 1e9
    before = float(tally.pos_grad)
    tally.add(torch.full((1, 1), 0.01), torch.ones(1, 1), torch.ones(1, 1, dtype=torch.bool))
    assert float(tally.pos_grad) - before == pytest.approx(0.01, rel=1e-4)
