"""Slides: sending one, seeing how it stands, cancelling and deleting it."""

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from service.api.accept import SlideRequest, accept, request_digest
from service.api.dependencies import Context, ContextDep, SlideDep
from service.api.documentation import UPLOAD_BODY, problems
from service.api.parameters import (
    Accession,
    DetectorName,
    FileName,
    Key,
    Limit,
    Mpp,
    Offset,
    OnlyStatus,
)
from service.api.schemas import SlideList, SlideStatus, slide_status
from service.api.upload import Upload, receiving
from service.api.upload_sinks import UploadLimits
from service.errors import (
    BundleError,
    EmptyUploadError,
    IdempotencyConflictError,
    IdempotencyInFlightError,
    InvalidRequestError,
    MppMissingError,
    NoSpaceError,
    NotASlideError,
    QueueFullError,
    SlideBusyError,
    SlideNotFoundError,
    SlideTooLargeError,
    SlideUnreadableError,
    UnknownDetectorError,
    UploadInterruptedError,
)
from service.storage import blobs as keys
from service.storage.idempotency import FirstAnswer
from service.storage.tables import Status

router = APIRouter(prefix="/v1/slides", tags=["slides"])

REFUSALS = (
    InvalidRequestError,
    EmptyUploadError,
    UploadInterruptedError,
    IdempotencyInFlightError,
    SlideTooLargeError,
    NotASlideError,
    SlideUnreadableError,
    MppMissingError,
    UnknownDetectorError,
    IdempotencyConflictError,
    BundleError,
    QueueFullError,
    NoSpaceError,
)


@router.post(
    "",
    summary="Send a slide",
    status_code=202,
    response_model=SlideStatus,
    responses={
        200: {"model": SlideStatus, "description": "This slide is known; here is how it stands."},
        202: {"description": "Accepted and queued; `Location` says where to look."},
        **problems(*REFUSALS, instance="/v1/slides"),
    },
    openapi_extra=UPLOAD_BODY,
)
async def post_slide(
    request: Request,
    context: ContextDep,
    detector: DetectorName = "default",
    mpp: Mpp = None,
    accession: Accession = None,
    filename: FileName = None,
    idempotency_key: Key = None,
) -> Response:
    """Streams a whole-slide image to disk, checks that it can be opened, and queues it.

    A slide's identity is its content, the detector's weights, `mpp` and `accession`. Sending the
    same again gives 200 and the slide that is there; one that failed or was cancelled is queued
    anew. A refused slide leaves nothing behind.
    """
    info = await run_in_threadpool(context.catalogue.find, detector)
    wanted = SlideRequest(info, mpp, accession)
    limits = UploadLimits(context.settings.max_upload_bytes, context.settings.min_free_bytes)
    async with (
        KeyHold(context, idempotency_key) as hold,
        receiving(request, context.data_dir.uploads, limits, filename) as upload,
    ):
        context.metrics.uploaded.inc(upload.size_bytes)
        first = await run_in_threadpool(hold.repeat, upload, wanted)
        if first is None:
            first = await run_in_threadpool(_accept, context, upload, wanted)
            await run_in_threadpool(hold.keep, first)
    location = {"Location": first.answer["links"]["self"]}
    return JSONResponse(first.answer, first.status_code, headers=location)


@router.get(
    "",
    summary="List slides",
    responses=problems(InvalidRequestError, instance="/v1/slides"),
)
def list_slides(
    context: ContextDep,
    status: OnlyStatus = None,
    offset: Offset = 0,
    limit: Limit = 50,
) -> SlideList:
    """Newest first, a page at a time."""
    page = context.slides.page(status, offset, limit)
    following = None
    if offset + limit < page.total:
        following = f"/v1/slides?offset={offset + limit}&limit={limit}"
        following += f"&status={status}" if status is not None else ""
    shown = [slide_status(slide, context.slides) for slide in page.slides]
    return SlideList(slides=shown, total=page.total, links={"next": following})


@router.get("/{slide_id}", summary="See how a slide stands", responses=problems(SlideNotFoundError))
def get_slide_status(context: ContextDep, slide: SlideDep) -> SlideStatus:
    """Status, progress, place in the queue, and why it failed if it did."""
    return slide_status(slide, context.slides)


@router.post(
    "/{slide_id}/cancel",
    summary="Cancel a slide",
    status_code=202,
    responses={
        202: {"description": "A waiting slide is cancelled; a running one is asked to stop."},
        **problems(SlideNotFoundError),
    },
)
def cancel_slide(context: ContextDep, slide: SlideDep) -> SlideStatus:
    """A running slide stops within a batch of tiles. One that has ended stays as it is."""
    cancelled = context.slides.cancel(slide.id)
    if cancelled.status == Status.CANCELLED:
        context.jobs.remove(cancelled)
    return slide_status(cancelled, context.slides)


@router.delete(
    "/{slide_id}",
    summary="Delete a slide",
    status_code=204,
    responses=problems(SlideNotFoundError, SlideBusyError),
)
def delete_slide(context: ContextDep, slide: SlideDep) -> None:
    """Removes the slide and all that was found in it. A running one must be cancelled first."""
    removed = context.slides.delete(slide.id)
    context.jobs.forget(removed)
    context.blobs.delete_all(keys.slide_prefix(slide.id))
    (context.data_dir.slides / removed.stored_name).unlink(missing_ok=True)


class KeyHold:
    """Holds a request's Idempotency-Key, and lets go of it if the request is refused.

    Args:
        key: None for a request without one, for which this does nothing.
    """

    def __init__(self, context: Context, key: str | None) -> None:
        self._keys = context.keys
        self._key = key
        self._first: FirstAnswer | None = None
        self._digest = ""

    async def __aenter__(self) -> "KeyHold":
        if self._key is not None:
            self._first = await run_in_threadpool(self._keys.claim, self._key)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        # Not in a thread: a request that is being torn down cannot wait for one any more.
        if kind is not None and self._key is not None and self._first is None:
            self._keys.release(self._key)

    def repeat(self, upload: Upload, wanted: SlideRequest) -> FirstAnswer | None:
        """The first answer to this same request, if this is a repetition.

        Raises:
            IdempotencyConflictError: the first was another request.
        """
        self._digest = request_digest(upload, wanted)
        if self._first is not None and self._key is not None:
            self._first.check(self._key, self._digest)
        return self._first

    def keep(self, first: FirstAnswer) -> None:
        """Keeps the answer for repetitions."""
        if self._key is not None:
            answer = FirstAnswer(self._digest, first.status_code, first.answer)
            self._keys.answer(self._key, answer)


def _accept(context: Context, upload: Upload, wanted: SlideRequest) -> FirstAnswer:
    accepted = accept(context, upload, wanted)
    shown = slide_status(accepted.slide, context.slides).model_dump(mode="json")
    return FirstAnswer("", 202 if accepted.is_queued_now else 200, shown)
