"""Every state, failure and error has its word in both wires: tested, not remembered."""

import json

import pytest

from imagined import job, krea_job
from safelight import catalog, errors
from safelight.dialects import DIALECTS, evolink, krea
from safelight.dialects.evolink import refusals as evolink_refusals
from safelight.dialects.evolink import rendering as evolink_rendering
from safelight.dialects.krea import refusals as krea_refusals
from safelight.dialects.krea import rendering as krea_rendering
from safelight.dialects.krea.words import STATUSES
from safelight.errors import JobErrorCode, SafelightError
from safelight.jobs import State

CATALOG = catalog.load()


def every_error() -> list[type[SafelightError]]:
    found = [SafelightError]
    for kind in found:
        found.extend(kind.__subclasses__())
    return [kind for kind in found if kind.__module__ == errors.__name__]


def an(kind: type[SafelightError]) -> SafelightError:
    if kind in (errors.ModelNotAllowed, errors.ModelUnavailable):
        return kind("krea-2-turbo")  # type: ignore[arg-type]
    if kind is errors.ModelSunset:
        return errors.ModelSunset("image/a/b", "2026-05-13", "image/a/c")
    return kind()


@pytest.mark.parametrize("kind", every_error(), ids=lambda kind: kind.__name__)
def test_every_error_has_a_row_of_its_own_in_both_wires(kind: type[SafelightError]):
    assert kind in evolink_refusals.ROWS
    assert kind in krea_refusals.STATUS


@pytest.mark.parametrize("reading", [True, False])
@pytest.mark.parametrize("name", DIALECTS)
@pytest.mark.parametrize("kind", every_error(), ids=lambda kind: kind.__name__)
def test_every_error_can_be_told(kind: type[SafelightError], name: str, reading: bool):
    status, body, headers = DIALECTS[name].render_error(an(kind), "req_1", reading=reading)
    assert 400 <= status < 600
    assert body["error"]
    json.dumps(body)
    assert ("Retry-After" in headers) == (status in (429, 503))


def test_a_new_kind_of_error_is_told_as_its_parent():
    class Odd(errors.InvalidRequest):
        """Odd"""

    assert evolink.render_error(Odd(), "r")[0] == krea.render_error(Odd(), "r")[0] == 400


@pytest.mark.parametrize("state", State)
def test_every_state_has_a_word_in_both_wires(state: State):
    shown = evolink.render(job(state), CATALOG)
    assert shown["status"] in ("pending", "processing", "completed", "failed")
    assert krea.render(krea_job(state), CATALOG)["status"] in STATUSES


@pytest.mark.parametrize("code", JobErrorCode)
def test_every_failure_has_a_message_in_both_wires(code: JobErrorCode):
    failed = job(State.FAILED, error_code=str(code))
    told = evolink.render(failed, CATALOG)["error"]
    assert told["code"] == code
    assert told["message"] == evolink_rendering.FAILURE_MESSAGE[code]
    told = krea.render(failed, CATALOG)
    assert told["error"] == {"code": code, "message": krea_rendering.FAILURE_MESSAGE[code]}
    assert told["result"] == {"error": krea_rendering.FAILURE_MESSAGE[code]}


def test_a_failure_of_an_unknown_kind_is_still_told():
    odd = job(State.FAILED, error_code="odd", error_message="it broke")
    assert evolink.render(odd, CATALOG)["error"] == {
        "code": "unknown_error",
        "message": "Unknown error.\nit broke",
        "type": "task_error",
    }
    assert krea.render(odd, CATALOG)["error"] == {"code": "unknown_error", "message": "it broke"}


def test_a_job_whose_model_has_left_the_catalog_can_still_be_read():
    empty = catalog.Catalog(models={})
    assert evolink.render(job(), empty)["model"] == "krea-2-turbo"
    assert krea.render(krea_job(), empty)["type"] == "externalImage"


def test_dialects_are_found_by_the_name_that_jobs_carry():
    assert {name: dialect.NAME for name, dialect in DIALECTS.items()} == {
        "evolink": "evolink",
        "krea": "krea",
    }


def test_a_job_that_lost_its_worker_does_not_go_back_to_the_first_word():
    waiting = {"state": State.QUEUED, "started_at_ms": 1751280001000}
    again = job(**waiting)
    assert evolink.render(again, CATALOG)["status"] == "processing"
    assert krea.render(krea_job(**waiting), CATALOG)["status"] == "scheduled"


def test_kreas_caller_is_told_at_once_that_the_job_waits_in_the_backlog():
    assert krea.render_submitted(krea_job(State.BACKLOGGED), CATALOG)["status"] == "backlogged"
    assert krea.render_submitted(krea_job(State.QUEUED), CATALOG)["status"] == "queued"
