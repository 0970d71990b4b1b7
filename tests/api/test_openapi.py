"""The OpenAPI document says what the doors do, and what Krea's clients look for in it."""

import json
import re
from contextlib import suppress
from typing import Any

import jsonschema_rs
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from imagined import PICTURE, job, krea_job
from safelight import catalog, errors
from safelight.api import openapi
from safelight.dialects import evolink, krea
from safelight.errors import InvalidRequest, SafelightError
from safelight.jobs import State

CATALOG = catalog.load()
DOCUMENT = openapi.document(CATALOG, "1.2.3")
PATHS: dict[str, Any] = DOCUMENT["paths"]
GENERATE = {path: item["post"] for path, item in PATHS.items() if path.startswith("/generate/")}
OPERATIONS = {
    f"{method} {path}": operation
    for path, item in PATHS.items()
    for method, operation in item.items()
}


def body_schema(path: str) -> dict[str, Any]:
    found: dict[str, Any] = PATHS[path]["post"]["requestBody"]["content"]["application/json"]
    return found["schema"]


def holds(name: str, value: Any) -> None:
    """The value satisfies a schema of the document, with nothing left over."""
    schema = {"$ref": f"#/components/schemas/{name}", "components": DOCUMENT["components"]}
    jsonschema_rs.Draft202012Validator(schema, validate_formats=True).validate(value)


def test_the_document_can_be_sent_and_is_of_version_3_1():
    assert DOCUMENT["openapi"] == "3.1.0"
    assert DOCUMENT["info"]["version"] == "1.2.3"
    assert json.loads(json.dumps(DOCUMENT)) == DOCUMENT


def test_each_model_has_a_literal_path():
    routes = {model.krea.name for model in CATALOG.models.values() if model.krea is not None}
    assert {path.removeprefix("/generate/image/") for path in GENERATE} == routes
    assert not any("{" in path for path in GENERATE)


@pytest.mark.parametrize("path", GENERATE)
def test_clients_find_the_parameters_and_the_price_where_they_look(path: str):
    assert "prompt" in body_schema(path)["properties"]
    assert body_schema(path)["additionalProperties"] is False
    assert re.search(r"\| ~(\d+) \|", GENERATE[path]["description"])
    assert "Compute Units" in GENERATE[path]["description"]


def test_the_prices_are_those_of_the_catalog():
    described = GENERATE["/generate/image/google/nano-banana-pro"]["description"]
    assert "| Resolution | Compute Units | Credits | Average Completion Time |" in described
    assert "| 4K | ~163 | 20.4 | ~45 seconds |" in described
    assert "| any other | ~82 | 10.2 | ~45 seconds |" in described


def test_outdated_names_are_listed_but_not_shown_among_the_parameters():
    operation = GENERATE["/generate/image/bfl/flux-1-dev"]
    aliases = {alias["from"]: alias["to"] for alias in operation["x-krea-deprecated-field-aliases"]}
    assert aliases["presetStyles"] == "styles"
    assert aliases.keys().isdisjoint(body_schema("/generate/image/bfl/flux-1-dev")["properties"])


@pytest.mark.parametrize("path", [*GENERATE, "/v1/images/generations"])
def test_the_examples_are_valid_and_understood(path: str):
    content = PATHS[path]["post"]["requestBody"]["content"]["application/json"]
    jsonschema_rs.Draft202012Validator(content["schema"]).validate(content["example"])
    raw = json.dumps(content["example"]).encode()
    if path in GENERATE:
        assert krea.parse_submission(path.removeprefix("/generate/image/"), raw, {}, CATALOG)
    else:
        assert evolink.parse_submission(raw, CATALOG)


def test_every_operation_has_a_name_of_its_own_a_tag_and_its_refusals():
    names = [operation["operationId"] for operation in OPERATIONS.values()]
    assert len(names) == len(set(names))
    tags = {tag["name"] for tag in DOCUMENT["tags"]}
    for name, operation in OPERATIONS.items():
        assert set(operation["tags"]) <= tags, name
        is_open = operation.get("security") == []
        assert is_open or {"401", "429", "500"} <= operation["responses"].keys(), name


def test_every_reference_leads_somewhere():
    names = set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(DOCUMENT)))
    assert names == set(DOCUMENT["components"]["schemas"])


@pytest.mark.parametrize("state", State)
def test_what_the_doors_answer_is_what_the_document_says(state: State):
    query = evolink.parse_list_query({})
    holds("SubmittedTask", evolink.render_submitted(job(state), CATALOG))
    holds("Task", evolink.render(job(state), CATALOG))
    holds("TaskList", evolink.render_list([job(state)], 1, query, CATALOG))
    holds("TaskBatch", evolink.render_batch([job(state)], CATALOG))
    holds("SubmittedJob", krea.render_submitted(krea_job(state), CATALOG))
    holds("Job", krea.render(krea_job(state), CATALOG))
    page = krea.parse_list_query({"limit": "1"})
    holds("JobList", krea.render_list([krea_job(state)] * 2, page, CATALOG))


def test_a_preview_is_described():
    running = krea_job(State.RUNNING, has_preview=True, pictures=(PICTURE,))
    holds("Job", krea.render(running, CATALOG))


def test_credits_and_models_are_described():
    balance = evolink.Balance(
        user_remaining=-5, user_used=1, token_remaining=2, token_used=3, unlimited=True
    )
    holds("Credits", evolink.render_credits(balance))
    holds("ModelList", evolink.render_models(CATALOG.models.values(), 0))


@pytest.mark.parametrize(
    "error",
    [
        errors.InvalidRequest("odd", parameter="size"),
        errors.MalformedBody(),
        errors.InvalidIdentifier(parameter="task_id"),
        errors.Unauthenticated(),
        errors.InsufficientCredits(price_microcredits=5, available_microcredits=1),
        errors.InsufficientCredits(scope="key", price_microcredits=5, available_microcredits=1),
        errors.TooManyRequests(),
        errors.InternalError(),
        errors.Unavailable(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_refusals_are_described(error: SafelightError):
    holds("TaskError", evolink.render_error(error, "req_1")[1])
    status, body, _ = krea.render_error(error, "req_1")
    holds("InvalidJobRequest" if status == 400 else "JobError", body)


SCHEMA = schemathesis.openapi.from_dict(DOCUMENT)
SUBMISSIONS = [*GENERATE, "/v1/images/generations"]
BRIEFLY = settings(
    max_examples=5,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
    deadline=None,
    database=None,
)


def submit(path: str, body: Any, headers: Any) -> None:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    if path in GENERATE:
        route = path.removeprefix("/generate/image/")
        krea.parse_submission(route, raw, dict(headers or {}), CATALOG)
    else:
        evolink.parse_submission(raw, CATALOG)


@pytest.mark.parametrize("path", SUBMISSIONS)
def test_what_the_document_allows_is_taken(path: str):
    @BRIEFLY
    @given(SCHEMA[path]["POST"].as_strategy())
    def check(case: schemathesis.Case) -> None:
        if "\\u0000" not in json.dumps(case.body):  # nobody stores it; the document cannot say so
            submit(path, case.body, case.headers)

    check()


ANYTHING = st.none() | st.booleans() | st.integers() | st.text(max_size=9) | st.lists(st.none())


@pytest.mark.parametrize("path", GENERATE)
def test_what_is_taken_is_what_the_document_allows(path: str):
    schema = body_schema(path)
    validator = jsonschema_rs.Draft202012Validator(schema)
    example = PATHS[path]["post"]["requestBody"]["content"]["application/json"]["example"]

    @BRIEFLY
    @given(st.dictionaries(st.sampled_from([*schema["properties"], "other"]), ANYTHING, max_size=3))
    def check(changes: dict[str, Any]) -> None:
        with suppress(InvalidRequest):
            submit(path, example | changes, {})
            validator.validate(example | changes)

    check()
