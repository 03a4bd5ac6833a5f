"""A slide's status changes only along the allowed transitions."""

from collections.abc import Callable

import pytest
from sqlalchemy import Engine

from service.errors import QueueFullError, SlideBusyError, SlideNotFoundError
from service.storage.new_slide import NewSlide
from service.storage.results import Slides
from service.storage.tables import Status
from service.storage.tallies import Tallies

Make = Callable[..., NewSlide]


def test_same_identity_is_the_same_slide(slides: Slides, new_slide: Make) -> None:
    first, is_new = slides.add(new_slide())
    again, is_new_again = slides.add(new_slide())
    assert (is_new, is_new_again) == (True, False)
    assert again.id == first.id


def test_different_mpp_makes_a_different_slide(slides: Slides, new_slide: Make) -> None:
    first, _ = slides.add(new_slide())
    second, is_new = slides.add(new_slide(mpp=0.25))
    assert is_new
    assert second.id != first.id


def test_times_are_returned_in_utc(slides: Slides, new_slide: Make) -> None:
    slide, _ = slides.add(new_slide())
    assert slides.get(slide.id).created_at == slide.created_at


def test_unknown_slide_is_named(slides: Slides) -> None:
    with pytest.raises(SlideNotFoundError, match="nowhere"):
        slides.get("nowhere")


def test_queue_is_first_come_first_served(slides: Slides, new_slide: Make) -> None:
    first, _ = slides.add(new_slide("a" * 64))
    second, _ = slides.add(new_slide("b" * 64))
    assert slides.queue_position(first) == 1
    assert slides.queue_position(second) == 2
    slides.start(first.id, 1)
    assert slides.queue_position(slides.get(first.id)) is None
    assert slides.queue_position(second) == 1


def test_full_queue_is_refused(slides: Slides, new_slide: Make) -> None:
    slides.check_queue(1)
    slides.add(new_slide())
    with pytest.raises(QueueFullError):
        slides.check_queue(1)


def test_finished_slide_keeps_its_report(slides: Slides, new_slide: Make) -> None:
    slide, _ = slides.add(new_slide())
    slides.start(slide.id, 1)
    assert slides.note_progress(slide.id, 3, 10)
    assert slides.finish(slide.id, {"counts": {"NILM": 2}}, 2)
    finished = slides.get(slide.id)
    assert (finished.status, finished.tiles_done, finished.report) == (
        "done",
        10,
        {"counts": {"NILM": 2}},
    )
    assert not slides.fail(slide.id, "InternalError", "too late")
    assert slides.start(slide.id, 1) is None


def test_waiting_slide_is_cancelled_at_once(slides: Slides, new_slide: Make) -> None:
    slide, _ = slides.add(new_slide())
    assert slides.cancel(slide.id).status == Status.CANCELLED
    assert slides.start(slide.id, 1) is None


def test_running_slide_is_asked_to_stop(slides: Slides, new_slide: Make) -> None:
    slide, _ = slides.add(new_slide())
    slides.start(slide.id, 1)
    assert slides.cancel(slide.id).cancel_requested
    assert not slides.note_progress(slide.id, 1, 2)
    assert slides.stop(slide.id)
    assert slides.get(slide.id).status == Status.CANCELLED


def test_job_of_an_earlier_run_is_ignored(slides: Slides, new_slide: Make) -> None:
    slide, _ = slides.add(new_slide())
    cancelled = slides.cancel(slide.id)
    assert slides.requeue(cancelled)
    assert not slides.requeue(cancelled)
    assert slides.start(slide.id, 1) is None
    started = slides.start(slide.id, 2)
    assert started is not None
    assert started.status == Status.RUNNING


def test_slide_is_queued_again_once_for_what_was_read_of_it(
    slides: Slides, new_slide: Make
) -> None:
    slide, _ = slides.add(new_slide())
    assert not slides.requeue(slide)
    slides.start(slide.id, 1)
    slides.finish(slide.id, {}, 0)
    assert slides.requeue(slide)
    slides.start(slide.id, 2)
    slides.finish(slide.id, {}, 0)
    assert not slides.requeue(slide)
    assert slides.get(slide.id).status == Status.DONE


def test_starts_are_counted_until_a_group_is_finished(slides: Slides, new_slide: Make) -> None:
    slide, _ = slides.add(new_slide())
    for _ in range(3):
        slides.start(slide.id, 1)
    assert slides.get(slide.id).stalled_starts == 3
    slides.forgive_start(slide.id)
    assert slides.get(slide.id).stalled_starts == 2
    slides.note_group_done(slide.id)
    slides.forgive_start(slide.id)
    assert slides.get(slide.id).stalled_starts == 0


def test_running_slide_is_not_deleted(slides: Slides, new_slide: Make) -> None:
    slide, _ = slides.add(new_slide())
    slides.start(slide.id, 1)
    with pytest.raises(SlideBusyError, match="cancel"):
        slides.delete(slide.id)
    slides.fail(slide.id, "InternalError", "no")
    slides.delete(slide.id)
    with pytest.raises(SlideNotFoundError):
        slides.delete(slide.id)


def test_tallies_outlive_their_slides(engine: Engine, slides: Slides, new_slide: Make) -> None:
    slide, _ = slides.add(new_slide())
    slides.start(slide.id, 1)
    slides.note_progress(slide.id, 5, 5)
    slides.finish(slide.id, {}, 7)
    slides.delete(slide.id)
    (tally,) = Tallies(engine).all([0.0, 60.0])
    assert (tally.outcome, tally.analyses, tally.tiles, tally.cells) == (Status.DONE, 1, 5, 7)
    assert tally.within == (0, 1)
