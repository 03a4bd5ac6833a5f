"""The ground truth of a phantom: a 20.4 µm square on every nucleus, as GeoJSON beside the slide."""

import json
import uuid
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.classes import BETHESDA, CellClass
from models.errors import PhantomError
from models.phantom.layout import LABEL_OF, PhantomObject

BOX_UM = 20.4
NAMESPACE = uuid.UUID("0bd2f6b4-5f57-4c02-9a8f-6f0c5a5c7f11")


def cell_boxes(
    objects: list[PhantomObject], mpp: float
) -> tuple[NDArray[np.float32], NDArray[np.int16]]:
    """Boxes (N, 4) float32 xyxy px at `mpp` and labels (N,) int16 of the Bethesda cells."""
    cells = [phantom_object for phantom_object in objects if phantom_object.kind in LABEL_OF]
    centre = np.array([(cell.x_um, cell.y_um) for cell in cells]).reshape(-1, 2)
    bbox = np.hstack([centre - BOX_UM / 2, centre + BOX_UM / 2]) / mpp
    label = np.array([LABEL_OF[cell.kind] for cell in cells], np.int16)
    return bbox.astype(np.float32), label


def truth_path(slide: Path) -> Path:
    """Path of the truth of a slide: `slide.svs` -> `slide.truth.geojson`."""
    return slide.with_suffix(".truth.geojson")


def truth_to_geojson(objects: list[PhantomObject], mpp: float, seed: int) -> str:
    """A FeatureCollection of the cells, level-0 px."""
    bbox, label = cell_boxes(objects, mpp)
    return boxes_to_geojson(bbox, [BETHESDA[index] for index in label], str(seed))


def boxes_to_geojson(
    bbox_xyxy: NDArray[np.float32], classes: Sequence[CellClass], origin: str
) -> str:
    """A FeatureCollection of boxes, which QuPath opens as annotations.

    Args:
        bbox_xyxy: (N, 4) float32, level-0 px.
        classes: (N,) of each box.
        origin: of the boxes; the same origin gives the same ids.
    """
    features = []
    for index, (box, cell_class) in enumerate(zip(bbox_xyxy, classes, strict=True)):
        x1, y1, x2, y2 = (round(float(value), 2) for value in box)
        features.append(
            {
                "type": "Feature",
                "id": str(uuid.uuid5(NAMESPACE, f"{origin}/{index}")),
                "geometry": {
                    "type": "Polygon",
                    "coordinates": [[[x1, y1], [x2, y1], [x2, y2], [x1, y2], [x1, y1]]],
                },
                "properties": {
                    "objectType": "annotation",
                    "classification": {"name": cell_class.name, "color": list(cell_class.color)},
                },
            }
        )
    return json.dumps({"type": "FeatureCollection", "features": features})


def read_truth(path: Path) -> tuple[NDArray[np.float32], NDArray[np.int16]]:
    """Boxes (N, 4) float32 xyxy level-0 px and labels (N,) int16 of a truth file.

    Raises:
        PhantomError: it is not a truth file.
    """
    try:
        features = json.loads(path.read_text(encoding="utf-8"))["features"]
        rings = [feature["geometry"]["coordinates"][0] for feature in features]
        names = [feature["properties"]["classification"]["name"] for feature in features]
        bbox = np.array([[*ring[0], *ring[2]] for ring in rings], np.float32).reshape(-1, 4)
        return bbox, np.array([LABEL_OF[name] for name in names], np.int16)
    except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
        raise PhantomError(f"{path} is not the truth of a phantom: {error!r}") from error
