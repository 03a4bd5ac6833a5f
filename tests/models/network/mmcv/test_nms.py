"""Non-maximum suppression against its definition."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.network.mmcv.nms import nms

boxes = st.lists(
    st.tuples(*[st.integers(0, 40)] * 2, *[st.integers(1, 20)] * 2, st.floats(0, 1, width=32)),
    max_size=25,
)


@given(boxes, st.sampled_from([0.0, 0.3, 0.5, 0.9]), st.integers(0, 1))
@settings(deadline=None, max_examples=150)
def test_it_keeps_what_the_definition_keeps(
    rows: list[tuple[int, int, int, int, float]], threshold: float, offset: int
) -> None:
    box = torch.tensor([[x, y, x + w, y + h] for x, y, w, h, _ in rows]).float().reshape(-1, 4)
    score = torch.tensor([row[4] for row in rows], dtype=torch.float32)
    expected: list[int] = []
    for index in sorted(range(len(rows)), key=lambda i: (-float(score[i]), i)):
        if all(_iou(box[index], box[better], offset) <= threshold for better in expected):
            expected.append(index)
    assert nms(box, score, threshold, offset).tolist() == expected


def _iou(a: torch.Tensor, b: torch.Tensor, offset: int) -> float:
    width = float(torch.minimum(a[2], b[2]) - torch.maximum(a[0], b[0])) + offset
    height = float(torch.minimum(a[3], b[3]) - torch.maximum(a[1], b[1])) + offset
    shared = max(width, 0.0) * max(height, 0.0)
    areas = [float((c[2] - c[0] + offset) * (c[3] - c[1] + offset)) for c in (a, b)]
    return shared / (sum(areas) - shared)


def test_mmcv_calls_it() -> None:
    from mmcv.ops import nms as mmcv_nms

    box = torch.tensor([[0.0, 0, 10, 10], [1, 1, 11, 11], [20, 20, 30, 30]])
    dets, index = mmcv_nms(box, torch.tensor([0.5, 0.9, 0.7]), 0.5)
    assert index.tolist() == [1, 2]
    assert dets.shape == (2, 5)
