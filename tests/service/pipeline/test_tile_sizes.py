"""A slide's cells do not depend on the tiles it is read in, crowded or sparse."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
from scipy.spatial import cKDTree

from service.pipeline import analyse_slide
from service.pipeline.types import Analysis
from tests.models.nucleus_filter import draw_nuclei, make_nucleus_detector, scatter_nuclei

SIDE_PX = 2176
TILE_SIZES_PX = (512, 1024, 2048)
#: Packed: 12,000 nuclei per mm², ten times the densest field known; and scattered.
SPACING_PX = {"crowded": 18, "sparse": 150}


@pytest.mark.parametrize("kind", ["crowded", "sparse"])
def test_tiles_of_every_size_give_the_same_cells(tmp_path: Path, kind: str) -> None:
    centre_xy, label = scatter_nuclei(2, (SIDE_PX, SIDE_PX), SPACING_PX[kind])
    path = tmp_path / "slide.svs"
    pixels = draw_nuclei((SIDE_PX, SIDE_PX), centre_xy, label)
    tifffile.imwrite(
        path,
        pixels,
        tile=(256, 256),
        photometric="rgb",
        compression="jpeg",
        compressionargs={"level": 95},
        description="Aperio Image Library v0\r\n1x1|MPP = 0.5",
        metadata=None,
    )
    first, *others = [analyse_slide(path, make_nucleus_detector(side)) for side in TILE_SIZES_PX]
    middle = (first.detections.bbox_xyxy[:, :2] + first.detections.bbox_xyxy[:, 2:]) / 2
    distance_px, nucleus = cKDTree(centre_xy).query(middle)
    assert sorted(nucleus) == list(range(len(centre_xy)))
    assert distance_px.max() < 2
    np.testing.assert_array_equal(first.detections.label, label[nucleus])
    for other in others:
        assert_same_cells(first, other)


def assert_same_cells(first: Analysis, other: Analysis) -> None:
    """Up to the rounding of float32 in tiles that begin elsewhere."""
    left, right = (
        analysis.detections.take(np.lexsort(analysis.detections.bbox_xyxy.round(1).T))
        for analysis in (first, other)
    )
    assert len(left) == len(right)
    np.testing.assert_allclose(left.bbox_xyxy, right.bbox_xyxy, atol=0.05)
    np.testing.assert_array_equal(left.label, right.label)
    np.testing.assert_allclose(left.class_scores, right.class_scores, atol=1e-4)
