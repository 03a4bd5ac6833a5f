"""How far from a tile's edge a detector says of a cell what it says far from any edge.

What the overlap of tiles must be: fields are read whole and cut at a line, and cells are compared
by their distance from it.

    python -m benchmarks.tile_edge DATA --fold 3 --detector BUNDLE
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.bundle.load import load_detector
from models.data.coco import read_coco
from models.data.resample import resample_field
from models.detector import Detections, Detector
from models.measure.evaluate import SIDE_MULTIPLE_PX, make_tile

#: Where a field is cut, tile px: a multiple of every stride, so that cells keep their phase.
CUT_PX = 320
#: Distances of a cell's centre from the cut, tile px.
DISTANCES_PX = (32, 48, 64, 96, 128, 192, np.inf)
#: A detection within this of another is in the same place, tile px.
SAME_PLACE_PX = 15.0


@dataclass(frozen=True)
class EdgeRow:
    """Cells whose centres lie at one range of distances from the cut.

    Attributes:
        low_px, high_px: the range.
        num_cells: found on whole fields.
        in_place, same_class: of these, found on the cut field too; of those, under the same class.
        mean_score_change: of those.
    """

    low_px: float
    high_px: float
    num_cells: int
    in_place: float
    same_class: float
    mean_score_change: float


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints one row by range of distances."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder with images/ and annotations.json (COCO)")
    parser.add_argument("--fold", type=int, required=True)
    parser.add_argument("--detector", required=True, help="a name or a bundle's folder")
    given = parser.parse_args(arguments)
    detector = load_detector(given.detector)
    fields = read_coco(given.data).only_fold(given.fold).fields
    mpp = detector.info.input.mpp
    for row in compare_edges(detector, [resample_field(field, mpp).pixels for field in fields]):
        print(
            f"{row.low_px:g} to {row.high_px:g} px: {row.num_cells} cells, "
            f"{row.in_place:.3f} in place, {row.same_class:.3f} of the same class, "
            f"score changed by {row.mean_score_change:.4f}"
        )


def compare_edges(detector: Detector, pictures: Sequence[NDArray[np.uint8]]) -> list[EdgeRow]:
    """Cells of whole pictures against those of the same pictures cut at `CUT_PX`.

    Args:
        detector: at its own thresholds.
        pictures: (H, W, 3) uint8 at its µm/px, wider than `CUT_PX`.
    """
    columns = [_compare(detector, pixels) for pixels in pictures]
    distance, place, label, score = (
        np.concatenate(column) for column in zip(*columns, strict=True)
    )
    rows = []
    for low, high in pairwise(DISTANCES_PX):
        chosen = (distance >= low) & (distance < high)
        there = chosen & place
        rows.append(
            EdgeRow(
                low_px=low,
                high_px=high,
                num_cells=int(chosen.sum()),
                in_place=float(place[chosen].mean()) if chosen.any() else np.nan,
                same_class=float(label[there].mean()) if there.any() else np.nan,
                mean_score_change=float(score[there].mean()) if there.any() else np.nan,
            )
        )
    return rows


def _compare(detector: Detector, pixels: NDArray[np.uint8]) -> tuple[NDArray[Any], ...]:
    """Of every cell right of the cut: distance, is in place, same class, change of score."""
    height, width = (side // SIDE_MULTIPLE_PX * SIDE_MULTIPLE_PX for side in pixels.shape[:2])
    pixels = pixels[:height, :width]
    whole = detector.detect(make_tile(pixels))
    cut = detector.detect(make_tile(np.ascontiguousarray(pixels[:, CUT_PX:])))
    centre = _centres(whole)
    right = np.flatnonzero(centre[:, 0] >= CUT_PX)
    whole, centre = whole.take(right), centre[right]
    if not len(cut) or not len(whole):
        none = np.zeros(len(whole))
        return centre[:, 0] - CUT_PX, none > 0, none > 0, none
    cut_centre = _centres(cut) + np.array([CUT_PX, 0.0])
    apart = np.linalg.norm(centre[:, None] - cut_centre[None], axis=2)
    nearest = apart.argmin(axis=1)
    return (
        centre[:, 0] - CUT_PX,
        apart.min(axis=1) < SAME_PLACE_PX,
        cut.label[nearest] == whole.label,
        np.abs(cut.score[nearest] - whole.score),
    )


def _centres(detections: Detections) -> NDArray[np.float64]:
    box = detections.bbox_xyxy.astype(np.float64)
    return (box[:, :2] + box[:, 2:]) / 2


if __name__ == "__main__":
    main()
