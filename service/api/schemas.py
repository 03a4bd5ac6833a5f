"""What the API answers with, as pydantic models, each with an example for the OpenAPI page.

Owns names and units of the JSON; a report is `service.pipeline.report.model.SlideReport` itself.
"""

from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from service.api.cursor import write_cursor
from service.api.error_status import kind_of_name, problem
from service.api.links import page_link, slide_links, slide_path
from service.pipeline.report.model import DISCLAIMER
from service.pipeline.types import DetectorInfo
from service.storage.results import Slides
from service.storage.slide_list import PagePlace, SlidePage
from service.storage.tables import Slide, Status

EXAMPLE_ID = "7f0c1c0e-5a52-4a8e-9d6d-6b2f6d0b1a11"
EXAMPLE_LINKS = slide_links(EXAMPLE_ID)
EXAMPLE_CURSOR = write_cursor(PagePlace(datetime(2026, 11, 24, 10, tzinfo=UTC), EXAMPLE_ID))
EXAMPLE_PROBLEM: dict[str, Any] = {
    "type": "urn:cytolibra:problem:slide-not-done",
    "title": "The slide has no result",
    "status": 409,
    "detail": f"slide {EXAMPLE_ID} is running; wait until its status is done",
    "instance": EXAMPLE_LINKS["report"],
}
EXAMPLE_SLIDE: dict[str, Any] = {
    "id": EXAMPLE_ID,
    "status": "running",
    "progress": 0.42,
    "tiles_done": 420,
    "tiles_total": 1000,
    "queue_position": None,
    "cancel_requested": False,
    "error": None,
    "detector": "default",
    "detector_digest": "sha256:2a97516c354b68848cdbd8f54a226a0a55b21ed138e207ad6c5cbb9c00aa5aea",
    "sha256": "ed92d5a9f2e86df67640d6f92ce3e231419ce127131697fbbce42ad5e002c8a7",
    "size_bytes": 1938955,
    "mpp": None,
    "accession": "C26-01234",
    "filename": "slide.svs",
    "created_at": "2026-11-24T10:00:00Z",
    "started_at": "2026-11-24T10:00:01Z",
    "finished_at": None,
    "links": EXAMPLE_LINKS,
}
EXAMPLE_REPORT: dict[str, Any] = {
    "format": "cytolibra-report-2",
    "counts": {"NILM": 6143, "ASC-US": 0, "LSIL": 0, "ASC-H": 0, "HSIL": 0, "SCC": 1},
    "num_cells": 6144,
    "abnormality_score": 0.31,
    "category": "no abnormal category supported",
    "category_code": "none-supported",
    "adequacy": {
        "num_squamous_cells": 6144,
        "minimum": 5000,
        "adequate": True,
        "reason": "enough-cells-suspicious",
        "reason_text": "6,144 squamous cells counted, 5,000 asked for; suspicious cells to review: "
        "1",
        "tissue_area_mm2": 121.4,
        "unreadable_area_mm2": 0.6,
    },
    "suspicious": [
        {
            "class_name": "SCC",
            "count": 1,
            "cells": [
                {
                    "id": "0f5a2a0c-6ac2-5c26-a5a5-2d2f0a1f5a11",
                    "bbox_xyxy": [18211.0, 9034.5, 18293.0, 9116.5],
                    "class_name": "SCC",
                    "score": 0.62,
                    "class_scores": None,
                }
            ],
        }
    ],
    "quality": [
        {
            "code": "unreadable-area",
            "text": "2 of 380 tiles cannot be read: damaged in the file",
            "area_mm2": 0.6,
            "fraction": 0.005,
        }
    ],
    "disclaimer": DISCLAIMER,
    "provenance": {
        "detector": {
            "name": "default",
            "digest": EXAMPLE_SLIDE["detector_digest"],
            "engine": "openvino",
            "score_thresholds": [0.36, 0.24, 0.24, 0.24, 0.24, 0.24],
            "merge_iou": 0.55,
        },
        "code_version": "0.2.0",
        "settings": {
            "mpp": None,
            "batch_size": 8,
            "group_size": 128,
            "num_readers": 2,
            "max_unreadable_fraction": 0.2,
            "merge_iou": None,
        },
        "slide": {
            "vendor": "aperio",
            "width": 46000,
            "height": 32914,
            "level_downsamples": [1.0, 4.0, 16.0],
            "mpp": 0.25,
            "mpp_source": "slide",
            "bounds_xywh": None,
            "background_rgb": [255, 255, 255],
        },
        "tile_plan": {
            "num_tiles": 380,
            "tile_size_px": 512,
            "overlap_px": 128,
            "mpp": 0.33,
            "read_mpp": 0.33,
            "level": 0,
            "downsample": 1.32,
        },
        "unreadable": {"num_tiles": 2, "fraction": 0.005},
        "times_s": {"plan": 1.2, "detect": 61.0, "merge": 0.1},
    },
}


class Problem(BaseModel):
    """An error, as RFC 9457 has it; `type` is stable for each cause."""

    model_config = ConfigDict(extra="allow", json_schema_extra={"examples": [EXAMPLE_PROBLEM]})

    type: str
    title: str
    status: int
    detail: str
    instance: str


class SlideStatus(BaseModel):
    """Where a slide stands."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE_SLIDE]})

    id: str
    status: Status
    progress: float = Field(ge=0, le=1, description="Fraction of the tiles that are done.")
    tiles_done: int
    tiles_total: int = Field(description="0 until the slide's tissue has been found.")
    queue_position: int | None = Field(description="1 is next; null unless queued.")
    cancel_requested: bool = Field(description="The worker has been asked to stop.")
    error: Problem | None = Field(description="Why it failed; null unless it did.")
    detector: str
    detector_digest: str
    sha256: str
    size_bytes: int
    mpp: float | None = Field(description="µm per level-0 px as the request stated it.")
    accession: str | None
    filename: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    links: dict[str, str]


class SlideList(BaseModel):
    """A page of slides, newest first."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "slides": [EXAMPLE_SLIDE],
                    "total": 51,
                    "links": {"next": page_link("", limit=50, cursor=EXAMPLE_CURSOR)},
                }
            ]
        }
    )

    slides: list[SlideStatus]
    total: int = Field(description="Slides on all pages.")
    links: dict[str, str | None] = Field(
        description="`next`: the page after this one, null on the last."
    )


class DetectorClass(BaseModel):
    """A class of cells that a detector tells apart."""

    name: str
    color: tuple[int, int, int]
    abnormal: bool


class DetectorSummary(BaseModel):
    """A detector that slides can be analysed with."""

    name: str
    digest: str
    mpp: float = Field(description="µm per px that it was trained at.")
    classes: list[DetectorClass]


class DetectorList(BaseModel):
    """The detectors of this server."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "detectors": [
                        {
                            "name": "default",
                            "digest": EXAMPLE_SLIDE["detector_digest"],
                            "mpp": 0.5,
                            "classes": [
                                {"name": "NILM", "color": [46, 125, 50], "abnormal": False}
                            ],
                        }
                    ]
                }
            ]
        }
    )

    detectors: list[DetectorSummary]


class Health(BaseModel):
    """Whether the server lives."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"status": "ok"}]})

    status: str


class Readiness(BaseModel):
    """Whether slides can be taken and worked on, and if not, what is in the way."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"ready": True, "database": True, "worker": True, "disk_space": True}]
        }
    )

    ready: bool
    database: bool
    worker: bool
    disk_space: bool


def slide_status(slide: Slide, slides: Slides, root: str = "") -> SlideStatus:
    """The status of a slide, as it is shown under the prefix `root`."""
    return _slide_status(slide, slides.queue_position(slide), root)


def slide_list(page: SlidePage, root: str, next_page: str | None) -> SlideList:
    """A page of the list, as it is shown under the prefix `root`."""
    statuses = [
        _slide_status(slide, page.queue_positions.get(slide.id), root) for slide in page.slides
    ]
    return SlideList(slides=statuses, total=page.total, links={"next": next_page})


def _slide_status(slide: Slide, queue_position: int | None, root: str) -> SlideStatus:
    path = slide_path(slide.id, root)
    error = None
    if slide.error_name is not None:
        kind = kind_of_name(slide.error_name)
        error = Problem(**problem(kind, slide.error_detail or kind.title, path))
    return SlideStatus(
        id=slide.id,
        status=Status(slide.status),
        progress=_progress(slide),
        tiles_done=slide.tiles_done,
        tiles_total=slide.tiles_total,
        queue_position=queue_position,
        cancel_requested=slide.cancel_requested,
        error=error,
        detector=slide.detector,
        detector_digest=slide.detector_digest,
        sha256=slide.sha256,
        size_bytes=slide.size_bytes,
        mpp=slide.mpp,
        accession=slide.accession,
        filename=slide.filename,
        created_at=slide.created_at,
        started_at=slide.started_at,
        finished_at=slide.finished_at,
        links=slide_links(slide.id, root),
    )


def detector_summary(info: DetectorInfo) -> DetectorSummary:
    """A detector, as it is listed."""
    classes = [
        DetectorClass(name=each.name, color=each.color, abnormal=each.is_abnormal)
        for each in info.classes
    ]
    return DetectorSummary(name=info.name, digest=info.digest, mpp=info.input.mpp, classes=classes)


def _progress(slide: Slide) -> float:
    if slide.status == Status.DONE:
        return 1.0
    return min(1.0, slide.tiles_done / slide.tiles_total) if slide.tiles_total else 0.0
