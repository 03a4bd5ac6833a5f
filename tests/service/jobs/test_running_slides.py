"""The ids of running slides can be read while other threads change them."""

import sys
import threading

from service.jobs.running_slides import RunningSlides


def test_running_slides_have_begun_and_not_ended() -> None:
    running = RunningSlides()
    running.add("a")
    running.add("b")
    running.remove("a")
    running.remove("never begun")
    assert running.ids() == ("b",)


def test_ids_can_be_iterated_while_other_threads_change_them() -> None:
    running = RunningSlides()
    stop = threading.Event()

    def change() -> None:
        while not stop.is_set():
            for number in range(50):
                running.add(str(number))
            for number in range(50):
                running.remove(str(number))

    interval_s = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    threads = [threading.Thread(target=change) for _ in range(2)]
    try:
        for thread in threads:
            thread.start()
        for _ in range(2_000):
            assert all(slide_id.isdigit() for slide_id in running.ids())
    finally:
        stop.set()
        sys.setswitchinterval(interval_s)
        for thread in threads:
            thread.join()
