"""What EvoLink's callers are told, to the letter."""

import random
import re
from typing import Any

import pytest

from imagined import CREATED_MS, PICTURE, job
from safelight import catalog, errors
from safelight.catalog import ImageRequest
from safelight.dialects import evolink
from safelight.errors import InvalidIdentifier, NotFound, SafelightError
from safelight.jobs import State

CATALOG = catalog.load()
UNFINISHED = {
    "created": 1751280000,
    "id": "task-unified-1751280000-k2t9x8a3",
    "model": "krea-2-turbo",
    "object": "image.generation.task",
    "progress": 0,
    "status": "pending",
    "task_info": {"can_cancel": False, "estimated_time": 5},
    "type": "image",
    "usage": {"billing_rule": "per_call", "credits_reserved": 0.45, "user_group": "default"},
}


def in_order(value: Any) -> bool:
    if isinstance(value, dict):
        return list(value) == sorted(value) and all(map(in_order, value.values()))
    return all(map(in_order, value)) if isinstance(value, list) else True


def test_a_submission_is_answered_with_a_pending_task():
    assert evolink.render_submitted(job(), CATALOG) == UNFINISHED


@pytest.mark.parametrize("state", State)
def test_the_answer_to_a_submission_is_the_same_whatever_has_become_of_it(state: State):
    assert evolink.render_submitted(job(state), CATALOG) == UNFINISHED


def test_a_task_that_waits_is_pending():
    assert evolink.render(job(State.BACKLOGGED), CATALOG) == UNFINISHED
    assert evolink.render(job(State.QUEUED), CATALOG) == UNFINISHED


def test_a_task_at_work_tells_its_progress():
    assert evolink.render(job(State.RUNNING), CATALOG) == UNFINISHED | {
        "status": "processing",
        "progress": 37,
    }


def test_a_task_is_never_at_100_before_it_is_completed():
    assert evolink.render(job(State.RUNNING, progress=100), CATALOG)["progress"] == 99


def test_a_preview_is_not_taken_for_a_result():
    running = job(State.RUNNING, has_preview=True, pictures=(PICTURE,))
    assert "results" not in evolink.render(running, CATALOG)


def test_a_completed_task_has_links_in_both_forms_and_what_was_charged():
    done = job(State.COMPLETED, started_at_ms=CREATED_MS + 600)
    assert evolink.render(done, CATALOG) == {
        "created": 1751280000,
        "duration": 4,
        "id": "task-unified-1751280000-k2t9x8a3",
        "model": "krea-2-turbo",
        "object": "image.generation.task",
        "progress": 100,
        "result_data": [{"url": PICTURE.url}],
        "results": [PICTURE.url],
        "status": "completed",
        "task_info": {"can_cancel": False},
        "type": "image",
        "usage": {"credits_used": 0.45},
    }


def test_a_failed_task_says_why():
    failed = job(
        State.FAILED,
        progress=40,
        error_code="content_policy_violation",
        error_message="nudity detected",
    )
    assert evolink.render(failed, CATALOG) == {
        "created": 1751280000,
        "error": {
            "code": "content_policy_violation",
            "message": "Content policy violation.\nnudity detected",
            "type": "task_error",
        },
        "id": "task-unified-1751280000-k2t9x8a3",
        "model": "krea-2-turbo",
        "object": "image.generation.task",
        "progress": 40,
        "status": "failed",
        "task_info": {"can_cancel": False},
        "type": "image",
    }


def test_a_cancelled_task_is_a_failed_one_on_this_wire():
    shown = evolink.render(job(State.CANCELLED, error_code=None), CATALOG)
    assert (shown["status"], shown["error"]["code"]) == ("failed", "request_cancelled")


def test_a_stand_in_is_named_as_the_model_actually_used():
    standing_in = {"engine": "mini", "stand_in": "safelight-mini"}
    for state in State:
        assert evolink.render(job(state, **standing_in), CATALOG)["model"] == "safelight-mini"
    assert evolink.render_submitted(job(**standing_in), CATALOG)["model"] == "safelight-mini"


def test_a_model_has_the_name_of_this_wire():
    request = ImageRequest(model="nano-banana-pro", prompt="a lamp", width=1024, height=1024)
    assert evolink.render(job(request=request), CATALOG)["model"] == "gemini-3-pro-image-preview"


def test_a_list_tells_what_there_is_without_links():
    query = evolink.parse_list_query({"page": "2", "page_size": "1"})
    done = job(State.COMPLETED, started_at_ms=CREATED_MS + 600)
    assert evolink.render_list([done], 3, query, CATALOG) == {
        "object": "list",
        "total": 3,
        "page": 2,
        "page_size": 1,
        "data": [
            {
                "id": "task-unified-1751280000-k2t9x8a3",
                "model": "krea-2-turbo",
                "type": "image",
                "status": "completed",
                "progress": 100,
                "created_at": 1751280000,
                "duration": 4,
                "has_results": True,
                "result_count": 1,
                "has_error": False,
                "credits_used": 0.45,
            }
        ],
    }


def test_a_preview_does_not_count_as_a_result_in_a_list():
    query = evolink.parse_list_query({})
    running = job(State.RUNNING, has_preview=True, pictures=(PICTURE,))
    [shown] = evolink.render_list([running], 1, query, CATALOG)["data"]
    assert (shown["has_results"], shown["result_count"]) == (False, 0)


def test_a_batch_holds_whole_tasks():
    assert evolink.render_batch([job()], CATALOG) == {"code": 200, "data": [UNFINISHED]}


def test_credits_are_told_for_the_account_and_the_key():
    balance = evolink.Balance(
        user_remaining=1_095_399_600,
        user_used=135_904_800,
        token_remaining=99_416_442_900,
        token_used=583_557_100,
        unlimited=False,
    )
    assert evolink.render_credits(balance) == {
        "data": {
            "token": {
                "remaining_credits": 99416.4429,
                "unlimited_credits": False,
                "used_credits": 583.5571,
            },
            "user": {"remaining_credits": 1095.3996, "used_credits": 135.9048},
        },
        "message": "",
        "success": True,
    }


def test_models_are_listed_as_openai_lists_them_with_their_licence_and_only_this_doors():
    models = [CATALOG.find(name) for name in ("krea-2-turbo", "flux-1-dev", "flux-1-schnell")]
    found = evolink.render_models(models, CREATED_MS)
    krea, schnell = (row.pop("licence") for row in found["data"])
    assert found == {
        "object": "list",
        "data": [
            {"id": "krea-2-turbo", "object": "model", "created": 1751280000, "owned_by": "krea"},
            {"id": "flux-1-schnell", "object": "model", "created": 1751280000, "owned_by": "bfl"},
        ],
    }
    assert krea == {
        "name": "Krea 2 Community License Agreement",
        "url": "https://krea.ai/krea-2-licensing",
        "notice": "Krea 2 is licensed under the Krea 2 Community License Agreement. For more"
        " information, visit https://krea.ai/krea-2-licensing.",
    }
    assert schnell.keys() == {"name", "url"}


def test_keys_come_in_alphabetical_order():
    query = evolink.parse_list_query({})
    bodies = [evolink.render(job(state), CATALOG) for state in State]
    bodies += [
        evolink.render_list([job()], 1, query, CATALOG),
        evolink.render_models(CATALOG.models.values(), 0),
        evolink.render_error(errors.InsufficientCredits(price_microcredits=1), "r")[1],
    ]
    assert all(map(in_order, bodies))


def refusal(error: SafelightError, reading: bool = False) -> tuple[int, str, str, str]:
    status, body, _ = evolink.render_error(error, "req_1", reading=reading)
    told = body["error"]
    return status, told["code"], told["type"], told["message"]


INVALID = "invalid_request_error"


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (errors.InvalidRequest(), (400, "invalid_request", INVALID, "Invalid request parameters")),
        (errors.InvalidRequest("size is odd"), (400, "invalid_request", INVALID, "size is odd")),
        (
            errors.Unauthenticated(),
            (401, "unauthorized", "authentication_error", "Invalid or expired token"),
        ),
        (
            errors.InsufficientCredits(),
            (
                402,
                "insufficient_quota",
                "insufficient_quota",
                "Insufficient quota. Please top up your account.",
            ),
        ),
        (
            errors.ModelNotAllowed("krea-2-turbo"),
            (
                403,
                "model_access_denied",
                INVALID,
                "Token does not have access to model: krea-2-turbo",
            ),
        ),
        (
            errors.TooManyRequests(),
            (
                429,
                "rate_limit_exceeded",
                "rate_limit_error",
                "Too many requests, please try again later",
            ),
        ),
        (
            errors.InternalError("a secret path"),
            (500, "internal_error", "api_error", "Internal server error"),
        ),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, SafelightError) else "",
)
def test_refusals_of_a_submission_have_the_documented_words(
    error: SafelightError, told: tuple[int, str, str, str]
):
    assert refusal(error) == told


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (
            errors.Unauthenticated(),
            (401, "unauthorized", "authentication_error", "Authentication required"),
        ),
        (
            errors.NotFound(),
            (404, "task_not_found", INVALID, "The requested task could not be found"),
        ),
        (
            errors.TooManyRequests(),
            (429, "rate_limit_exceeded", "evo_api_error", "Rate limit exceeded"),
        ),
        (
            errors.InternalError(),
            (500, "internal_error", "api_error", "Failed to retrieve task status"),
        ),
        (errors.NotFound("no picture"), (404, "task_not_found", INVALID, "no picture")),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, SafelightError) else "",
)
def test_routes_that_read_tasks_have_words_of_their_own(
    error: SafelightError, told: tuple[int, str, str, str]
):
    assert refusal(error, reading=True) == told


def test_a_wrong_id_is_told_as_the_parameter_it_is():
    with pytest.raises(InvalidIdentifier) as caught:
        evolink.check_id("4d0e5f97-9721-4422-b88c-73a9032d7de1")
    status, body, _ = evolink.render_error(caught.value, "req_1", reading=True)
    assert (status, body) == (
        400,
        {
            "error": {
                "code": "invalid_task_id",
                "message": "Invalid task ID format, must start with 'task-unified-'",
                "param": "task_id",
                "type": "invalid_request_error",
            }
        },
    )


def test_a_refusal_over_money_shows_the_sums():
    error = errors.InsufficientCredits(
        scope="account", price_microcredits=6_400_000, available_microcredits=1_200_000
    )
    told = evolink.render_error(error, "req_q")[1]["error"]
    assert told["estimated_credits"] == 6.4
    assert told["account_balance_credits"] == 1.2
    assert told["request_id"] == "req_q"


@pytest.mark.parametrize(
    ("scope", "code"),
    [
        ("account", "insufficient_quota"),
        ("key", "key_quota_exhausted"),
        ("day", "key_daily_quota_exhausted"),
    ],
)
def test_a_refusal_over_money_says_whose_limit_it_was(scope: str, code: str):
    assert refusal(errors.InsufficientCredits(scope=scope))[:3] == (402, code, "insufficient_quota")


def test_too_many_requests_say_when_to_come_back():
    headers = evolink.render_error(errors.TooManyRequests(retry_after_seconds=7), "r")[2]
    assert headers == {"Retry-After": "7"}


def test_ids_have_the_second_of_submission_and_eight_characters():
    drawn = random.Random(1)
    made = {evolink.new_id(CREATED_MS, drawn) for _ in range(500)}
    assert len(made) == 500
    for task_id in made:
        assert re.fullmatch(r"task-unified-1751280000-[a-z0-9]{8}", task_id)
        evolink.check_id(task_id)


@pytest.mark.parametrize("text", ["", "x", "TASK-UNIFIED-1-aaaaaaaa", "task-unified"])
def test_an_id_without_the_prefix_is_malformed(text: str):
    with pytest.raises(InvalidIdentifier):
        evolink.check_id(text)


@pytest.mark.parametrize(
    "rest",
    ["", "1", "1751280000-", "1751280000-k2t9x8a3\n", "1-\x00", "1-" + "a" * 99, "١-aaaaaaaa"],
)
def test_an_id_that_only_begins_like_one_is_unknown(rest: str):
    with pytest.raises(NotFound):
        evolink.check_id(f"task-unified-{rest}")
