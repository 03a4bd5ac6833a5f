"""Every error has one status and one stable type."""

import inspect

import pytest

from service import errors
from service.api.error_status import INTERNAL, KINDS, kind_of, kind_of_name, problem

#: These never reach a client: they end a command, or a slide without a word.
ELSEWHERE = {
    errors.CytolibraError,
    errors.AnalysisCancelledError,
    errors.ConfigError,
    errors.DataDirectoryBusyError,
    errors.DatasetError,
    errors.PhantomError,
    errors.PortInUseError,
    errors.TrainingError,
}


def test_every_error_has_a_kind() -> None:
    classes = {item for _, item in inspect.getmembers(errors, inspect.isclass)}
    assert classes - ELSEWHERE == set(KINDS)


def test_types_are_unique() -> None:
    assert len({kind.name for kind in KINDS.values()}) == len(KINDS)


@pytest.mark.parametrize("status", [400, 404, 409, 413, 415, 422, 500, 503, 507])
def test_status_occurs(status: int) -> None:
    assert status in {kind.status for kind in KINDS.values()}


def test_most_specific_class_counts() -> None:
    class OwnError(errors.TooMuchUnreadableError):
        pass

    assert kind_of(OwnError).name == "too-much-unreadable"
    assert kind_of(ValueError) is INTERNAL


def test_error_that_was_written_down_is_found_again() -> None:
    assert kind_of_name("MppMissingError").status == 422
    assert kind_of_name("NoSuchError") is INTERNAL


def test_problem_has_the_members_of_the_standard() -> None:
    members = problem(INTERNAL, "detail", "/v1/slides", errors=[])
    assert set(members) == {"type", "title", "status", "detail", "instance", "errors"}
