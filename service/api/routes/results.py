"""What was found in a slide: report, annotations, thumbnail."""

from contextlib import closing
from dataclasses import astuple
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse

from service.api.annotations import AnnotationsQuery, compress, is_gzip_accepted, stream_annotations
from service.api.dependencies import Context, ContextDep, SlideDep
from service.api.documentation import CONTENT_RANGE, VALIDATORS, http_problems, media, problems
from service.api.parameters import AnnotationFormat, Bbox, CoordinateOrigin, Labels, MinScore
from service.api.representations import (
    check_conditions,
    entity_tag,
    is_range_requested,
    send_bytes,
    send_range,
    spool,
    validators,
)
from service.api.schemas import EXAMPLE_REPORT
from service.api.version import SLIDES_PATH
from service.errors import (
    InvalidRequestError,
    NoSpaceError,
    SlideNotDoneError,
    SlideNotFoundError,
    SlideUnreadableError,
)
from service.exports.formats import Format
from service.pipeline.report.build import report_to_json
from service.pipeline.report.model import SlideReport
from service.pipeline.report.stored import read_report
from service.pipeline.thumbnail import draw_thumbnail
from service.pipeline.types import CellClass
from service.storage import blobs as keys
from service.storage.detections import DetectionsFile
from service.storage.tables import Slide, Status

router = APIRouter(prefix=f"{SLIDES_PATH}/{{slide_id}}", tags=["results"])

PART = "The requested byte range."
NOT_MODIFIED: dict[str, Any] = {
    "description": "The result still has the entity tag in `If-None-Match`.",
    "headers": VALIDATORS,
}


@router.get(
    "/report",
    summary="Get the report",
    response_model=SlideReport,
    responses={
        200: {
            "description": "What was counted, what it supports, what to review, what limits it.",
            "content": {"application/json": {"example": EXAMPLE_REPORT}},
            "headers": VALIDATORS,
        },
        304: NOT_MODIFIED,
        **problems(SlideNotFoundError, SlideNotDoneError),
        **http_problems(412),
    },
)
def get_report(request: Request, context: ContextDep, slide: SlideDep) -> Response:
    """Counts per class, abnormality score, category, adequacy, suspicious cells, provenance."""
    check_done(slide)
    tag = entity_tag(*result_identity(slide), "report")
    headers = validators(tag)
    unchanged = check_conditions(request, headers, tag)
    if unchanged is not None:
        return unchanged

    def read_classes() -> tuple[CellClass, ...]:
        with closing(context.blobs.open(keys.detections_key(slide.id))) as source:
            file = DetectionsFile(source, slide.sha256, slide.detector_digest)
            return file.facts.classes

    report = read_report(slide.report or {}, read_classes)
    return JSONResponse(report_to_json(report), headers=headers)


@router.get(
    "/annotations",
    summary="Get every cell",
    response_class=Response,
    responses={
        200: media(
            "Streamed, compressed if the request accepts gzip.",
            headers=VALIDATORS,
            application__geo_plus_json={"type": "FeatureCollection", "features": []},
            application__x_ndjson='{"type": "Feature", ...}\n',
            application__json={"images": [], "annotations": [], "categories": []},
            text__csv="x1,y1,x2,y2,class,score,label,id,score_NILM,score_HSIL,...\n",
        ),
        206: {"description": PART, "headers": {**VALIDATORS, **CONTENT_RANGE}},
        304: NOT_MODIFIED,
        **problems(InvalidRequestError, SlideNotFoundError, SlideNotDoneError, NoSpaceError),
        **http_problems(412, 416),
    },
)
def get_annotations(
    request: Request,
    context: ContextDep,
    slide: SlideDep,
    format: AnnotationFormat = Format.GEOJSON,
    label: Labels = None,
    min_score: MinScore = None,
    bbox: Bbox = None,
    origin: CoordinateOrigin = "slide",
) -> Response:
    """All cells that pass the filters, as a stream.

    Every cell has an id (the same in every format, run and export), box, class, score and the
    score of every class. Cells are sorted along a Hilbert curve, not by score, so that neighbours
    on the slide are near each other in the stream. Without compression, `Range` returns a part, so
    that an interrupted download can be resumed.
    """
    check_done(slide)
    query = AnnotationsQuery(format, tuple(label or ()), min_score, bbox, origin)
    is_gzip = is_gzip_accepted(request.headers.getlist("accept-encoding"))
    tag = entity_tag(*result_identity(slide), "annotations", astuple(query), is_gzip)
    headers = {**validators(tag), "Vary": "Accept-Encoding"}
    if (unchanged := check_conditions(request, headers, tag)) is not None:
        return unchanged
    headers["Content-Disposition"] = f'attachment; filename="{slide.id}.{format.suffix}"'
    source = context.blobs.open(keys.detections_key(slide.id))
    pieces = stream_annotations(source, slide, query)
    if is_gzip:
        headers |= {"Content-Encoding": "gzip", "Accept-Ranges": "none"}
        return StreamingResponse(compress(pieces), headers=headers, media_type=format.media_type)
    if is_range_requested(request, tag):
        file = spool(pieces, context.data_dir.uploads, context.settings.min_free_bytes)
        return send_range(request, file, headers, format.media_type)
    headers["Accept-Ranges"] = "bytes"
    return StreamingResponse(pieces, headers=headers, media_type=format.media_type)


@router.get(
    "/thumbnail.jpg",
    summary="See the slide",
    response_class=Response,
    responses={
        200: {
            "description": "A JPEG of the whole slide.",
            "content": {"image/jpeg": {}},
            "headers": VALIDATORS,
        },
        206: {
            "description": PART,
            "content": {"image/jpeg": {}},
            "headers": {**VALIDATORS, **CONTENT_RANGE},
        },
        304: NOT_MODIFIED,
        **problems(SlideNotFoundError, SlideUnreadableError),
        **http_problems(412, 416),
    },
)
def get_thumbnail(request: Request, context: ContextDep, slide: SlideDep) -> Response:
    """At most 1,024 px on the longer side; available as soon as the slide is accepted."""
    tag = entity_tag(slide.id, slide.sha256, slide.mpp, "thumbnail")
    headers = validators(tag)
    unchanged = check_conditions(request, headers, tag)
    return unchanged or send_bytes(
        request, _read_thumbnail(context, slide), headers, tag, "image/jpeg"
    )


def result_identity(slide: Slide) -> tuple[Any, ...]:
    """The values that determine the results of a done slide."""
    return slide.id, slide.run, slide.sha256, slide.detector_digest, slide.finished_at


def _read_thumbnail(context: Context, slide: Slide) -> bytes:
    """The thumbnail as JPEG; drawn and stored at the first request."""
    key = keys.thumbnail_key(slide.id)
    try:
        return context.blobs.get(key)
    except FileNotFoundError:
        picture = draw_thumbnail(context.data_dir.slides / slide.stored_name, slide.mpp)
        context.blobs.put(key, picture)
    return picture


def check_done(slide: Slide) -> None:
    """Checks that a slide has results.

    Raises:
        SlideNotDoneError: the slide is not done.
    """
    if slide.status != Status.DONE:
        remedy = "wait until its status is done"
        if Status(slide.status).is_final:
            remedy = "send it again to repeat the analysis"
        raise SlideNotDoneError(f"slide {slide.id} is {slide.status}; {remedy}")
