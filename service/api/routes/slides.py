"""Slides: sending, listing, status, cancelling and deleting."""

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from service.api.cursor import read_cursor, write_cursor
from service.api.dependencies import Context, ContextDep, SlideDep
from service.api.digests import DigestsDep
from service.api.documentation import LOCATION, problems
from service.api.idempotency import KeyHold, holding_key
from service.api.links import RootDep, move_under, page_link
from service.api.parameters import Cursor, Key, Limit, OnlyStatus
from service.api.query_fields import QueryFieldsDep
from service.api.schemas import SlideList, SlideStatus, slide_list, slide_status
from service.api.upload import receiving
from service.api.upload_description import describe_upload
from service.api.version import SLIDES_PATH
from service.errors import (
    BundleError,
    DigestMismatchError,
    DimensionsImplausibleError,
    EmptyUploadError,
    FieldConflictError,
    FocusStackError,
    IdempotencyConflictError,
    IdempotencyInFlightError,
    InvalidRequestError,
    MppImplausibleError,
    MppMissingError,
    NoSpaceError,
    NotASlideError,
    PartOfSlideError,
    PixelsNotSquareError,
    QueueFullError,
    ServerStoppingError,
    SlideBusyError,
    SlideNotFoundError,
    SlideTooLargeError,
    SlideUnreadableError,
    UnknownDetectorError,
    UnknownFieldError,
    UploadInterruptedError,
)
from service.intake.accept import Intake, SlideRequest, accept, request_digest
from service.intake.fields import SlideFields
from service.intake.receive import ReceivedFile, ReceiveLimits
from service.storage import blobs as keys
from service.storage.idempotency import FirstAnswer
from service.storage.tables import Status

router = APIRouter(prefix=SLIDES_PATH, tags=["slides"])

REFUSALS = (
    InvalidRequestError,
    UnknownFieldError,
    DigestMismatchError,
    EmptyUploadError,
    UploadInterruptedError,
    IdempotencyInFlightError,
    SlideTooLargeError,
    NotASlideError,
    SlideUnreadableError,
    PartOfSlideError,
    FocusStackError,
    MppMissingError,
    MppImplausibleError,
    PixelsNotSquareError,
    DimensionsImplausibleError,
    UnknownDetectorError,
    FieldConflictError,
    IdempotencyConflictError,
    BundleError,
    QueueFullError,
    ServerStoppingError,
    NoSpaceError,
)


@router.post(
    "",
    summary="Send a slide",
    status_code=202,
    response_model=SlideStatus,
    responses={
        200: {
            "model": SlideStatus,
            "description": "The slide is known; its current status.",
            "headers": LOCATION,
        },
        202: {
            "description": "Accepted and queued; `Location` is its URL.",
            "headers": LOCATION,
        },
        **problems(*REFUSALS, instance=SLIDES_PATH),
    },
    openapi_extra=describe_upload(),
)
async def post_slide(
    request: Request,
    context: ContextDep,
    root: RootDep,
    fields: QueryFieldsDep,
    digests: DigestsDep,
    idempotency_key: Key = None,
) -> Response:
    """Streams a whole-slide image to disk, checks that it can be opened, and queues it.

    Content, detector digest, `mpp` and `accession` identify a slide. Sending a known slide returns
    200 and its status; a failed or cancelled slide is queued again, as is one with a report of
    an earlier version (`earlier-report`). A refused slide is not stored. Fields may be in the query
    or in the form; unknown fields are refused, as are two different values for a field.
    """
    limits = ReceiveLimits(context.settings.max_upload_bytes, context.settings.min_free_bytes)
    async with (
        holding_key(context.keys, idempotency_key) as hold,
        receiving(request, context.data_dir.uploads, limits, fields, digests) as file,
    ):
        context.metrics.uploaded.inc(file.size_bytes)
        stored = await run_in_threadpool(_accept_or_repeat, context, hold, file, fields.gather())
    answer = move_under(root, stored.answer)
    location = {"Location": answer["links"]["self"]}
    return JSONResponse(answer, stored.status_code, headers=location)


@router.get(
    "",
    summary="List slides",
    responses=problems(InvalidRequestError, instance=SLIDES_PATH),
)
def list_slides(
    context: ContextDep,
    root: RootDep,
    status: OnlyStatus = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> SlideList:
    """Newest first, a page at a time: follow `links.next` until it is null.

    Slides that are sent or deleted while paging never hide or repeat another slide.
    """
    after = None if cursor is None else read_cursor(cursor)
    page = context.slides.page(status, after, limit)
    next_page = None
    if page.end is not None:
        next_page = page_link(root, limit=limit, cursor=write_cursor(page.end), status=status)
    return slide_list(page, root, next_page)


@router.get(
    "/{slide_id}", summary="Get the status of a slide", responses=problems(SlideNotFoundError)
)
def get_slide_status(context: ContextDep, slide: SlideDep, root: RootDep) -> SlideStatus:
    """Status, progress, position in the queue, and the error of a failed slide."""
    return slide_status(slide, context.slides, root)


@router.post(
    "/{slide_id}/cancel",
    summary="Cancel a slide",
    status_code=202,
    responses={
        202: {"description": "A queued slide is cancelled; a running slide will stop soon."},
        **problems(SlideNotFoundError),
    },
)
def cancel_slide(context: ContextDep, slide: SlideDep, root: RootDep) -> SlideStatus:
    """A running slide stops after the current batch of tiles. An ended slide is unchanged."""
    cancelled = context.slides.cancel(slide.id)
    if cancelled.status == Status.CANCELLED:
        context.jobs.remove(cancelled)
    return slide_status(cancelled, context.slides, root)


@router.delete(
    "/{slide_id}",
    summary="Delete a slide",
    status_code=204,
    responses=problems(SlideNotFoundError, SlideBusyError),
)
def delete_slide(context: ContextDep, slide: SlideDep) -> None:
    """Deletes the slide and its results. A running slide must be cancelled first."""
    removed = context.slides.delete(slide.id)
    context.jobs.forget(removed)
    context.blobs.delete_all(keys.slide_prefix(slide.id))
    (context.data_dir.slides / removed.stored_name).unlink(missing_ok=True)


def _accept_or_repeat(
    context: Context, hold: KeyHold, file: ReceivedFile, fields: SlideFields
) -> FirstAnswer:
    """The response to an upload: stored from an earlier equal request, or new and then stored."""
    detector = context.catalogue.find(fields.detector)
    slide_request = SlideRequest(detector, fields.mpp, fields.accession)
    digest = request_digest(file, slide_request)
    first = hold.repeat(digest)
    if first is not None:
        return first
    accepted = accept(_intake(context), file, slide_request)
    status = slide_status(accepted.slide, context.slides).model_dump(mode="json")
    answer = FirstAnswer(digest, 202 if accepted.is_queued_now else 200, status)
    hold.store(answer)
    return answer


def _intake(context: Context) -> Intake:
    return Intake(
        slides=context.slides,
        jobs=context.jobs,
        folder=context.data_dir.slides,
        check=context.check,
        max_queue_length=context.settings.max_queue_length,
    )
