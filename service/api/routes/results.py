"""What was found in a slide: report, annotations, thumbnail."""

from contextlib import closing

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse

from service.api.annotations import AnnotationsQuery, compress, is_gzip_accepted, stream_annotations
from service.api.dependencies import ContextDep, SlideDep
from service.api.documentation import media, problems
from service.api.parameters import AnnotationFormat, Bbox, CoordinateOrigin, Labels, MinScore
from service.api.schemas import EXAMPLE_REPORT
from service.errors import (
    InvalidRequestError,
    SlideNotDoneError,
    SlideNotFoundError,
    SlideUnreadableError,
)
from service.exports.formats import Format
from service.pipeline.report.model import SlideReport
from service.pipeline.report.stored import read_report
from service.pipeline.thumbnail import draw_thumbnail
from service.pipeline.types import CellClass
from service.storage import blobs as keys
from service.storage.detections import DetectionsFile
from service.storage.tables import Slide, Status

router = APIRouter(prefix="/v1/slides/{slide_id}", tags=["results"])


@router.get(
    "/report",
    summary="Get the report",
    responses={
        200: {
            "description": "What was counted, what it supports, what to review, what limits it.",
            "content": {"application/json": {"example": EXAMPLE_REPORT}},
        },
        **problems(SlideNotFoundError, SlideNotDoneError),
    },
)
def get_report(context: ContextDep, slide: SlideDep) -> SlideReport:
    """Counts per class, abnormality score, category, adequacy, suspicious cells, provenance."""
    check_done(slide)

    def read_classes() -> tuple[CellClass, ...]:
        with closing(context.blobs.open(keys.detections_key(slide.id))) as source:
            return DetectionsFile(source).facts.classes

    return read_report(slide.report or {}, read_classes)


@router.get(
    "/annotations",
    summary="Get every cell",
    response_class=Response,
    responses={
        200: media(
            "Streamed, compressed if the request accepts gzip.",
            application__geo_plus_json='{"type": "FeatureCollection", "features": [...]}',
            application__x_ndjson='{"type": "Feature", ...}\n',
            application__json='{"images": [...], "annotations": [...], "categories": [...]}',
            text__csv="x1,y1,x2,y2,class,score,label\n",
        ),
        **problems(InvalidRequestError, SlideNotFoundError, SlideNotDoneError),
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
    """All detections, or those that the filters leave, streamed without holding them all."""
    check_done(slide)
    wanted = AnnotationsQuery(format, tuple(label or ()), min_score, bbox, origin)
    source = context.blobs.open(keys.detections_key(slide.id))
    pieces = stream_annotations(source, slide, wanted)
    headers = {
        "Content-Disposition": f'attachment; filename="{slide.id}.{format.suffix}"',
        "Vary": "Accept-Encoding",
    }
    if is_gzip_accepted(request.headers.get("accept-encoding", "")):
        pieces, headers["Content-Encoding"] = compress(pieces), "gzip"
    return StreamingResponse(pieces, headers=headers, media_type=format.media_type)


@router.get(
    "/thumbnail.jpg",
    summary="See the slide",
    response_class=Response,
    responses={
        200: {"description": "A JPEG of the whole slide.", "content": {"image/jpeg": {}}},
        **problems(SlideNotFoundError, SlideUnreadableError),
    },
)
def get_thumbnail(context: ContextDep, slide: SlideDep) -> Response:
    """At most 1,024 px on its longer side; there from the moment that the slide is accepted."""
    key = keys.thumbnail_key(slide.id)
    try:
        picture = context.blobs.get(key)
    except FileNotFoundError:
        picture = draw_thumbnail(context.data_dir.slides / slide.stored_name, slide.mpp)
        context.blobs.put(key, picture)
    return Response(picture, media_type="image/jpeg")


def check_done(slide: Slide) -> None:
    """Passes for a slide with a result.

    Raises:
        SlideNotDoneError: it has none.
    """
    if slide.status != Status.DONE:
        remedy = "wait until its status is done"
        if Status(slide.status).is_final:
            remedy = "send it again to have it analysed anew"
        raise SlideNotDoneError(f"slide {slide.id} is {slide.status}; {remedy}")
