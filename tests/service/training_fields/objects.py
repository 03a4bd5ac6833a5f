"""GeoJSON objects as QuPath writes them, and slides without pixels."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.pipeline.types import SlideInfo
from service.training_fields.types import Annotations, LabelledSlide, Source

Object = dict[str, Any]


def make_info(
    width: int = 4000,
    height: int = 3000,
    mpp: float = 0.25,
    bounds: tuple[int, int, int, int] | None = None,
) -> SlideInfo:
    return SlideInfo("x", width, height, (1.0, 4.0), mpp, "slide", bounds, (255, 255, 255))


def ring(x1: float, y1: float, x2: float, y2: float) -> list[list[list[float]]]:
    return [[[x1, y1], [x2, y1], [x2, y2], [x1, y2], [x1, y1]]]


def make_object(
    box: tuple[float, float, float, float] = (100, 100, 180, 180),
    classification: Any = "NILM",
    kind: str = "annotation",
    **changes: Any,
) -> Object:
    """A rectangle; `changes` replace members of the Feature."""
    feature: Object = {
        "type": "Feature",
        "id": "7b1f3a52-0000-4000-8000-000000000001",
        "geometry": {"type": "Polygon", "coordinates": ring(*box)},
        "properties": {"objectType": kind, "classification": classification},
    }
    return feature | changes


def write_objects(path: Path, *objects: Object, **members: Any) -> Path:
    content = {"type": "FeatureCollection", "features": list(objects)} | members
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def make_slide(
    bbox_xyxy: Any,
    info: SlideInfo | None = None,
    names: tuple[str, ...] | None = None,
    regions: tuple[Any, ...] = (),
) -> LabelledSlide:
    """A slide with these cells, of class NILM unless `names` are given."""
    bbox: NDArray[np.float64] = np.asarray(bbox_xyxy, np.float64).reshape(-1, 4)
    centre = (bbox[:, :2] + bbox[:, 2:]) / 2
    class_names = names or ("NILM",) * len(bbox)
    annotations = Annotations(bbox, centre, class_names, regions, {}, frozenset(class_names))
    source = Source(Path("a.svs"), Path("a.geojson"))
    return LabelledSlide(source, "a", info or make_info(), annotations)
