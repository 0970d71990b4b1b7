"""No bytes from strangers make a 5xx, a reply in the wrong form, or a server that is worse for it.

FUZZ_CASES=20000 sends more, FUZZ_SEED repeats a run; `make fuzz` sends a hundred thousand.
"""

import json
import os
import random
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from fuzzing.cases import Case, make
from fuzzing.corpus import HEADERS
from fuzzing.ground import Prey
from fuzzing.judging import Judge
from fuzzing.running_them import Run
from fuzzing.shrinking import smallest
from fuzzing.talking import Reply
from routing import RealRoute, real_routes
from running import Server

CASES = int(os.environ.get("FUZZ_CASES", "1500"))
SEED = int(os.environ.get("FUZZ_SEED", random.SystemRandom().randrange(10**6)))
EXAMPLES = max(4, CASES // 200)  # that Hypothesis makes for each route

pytestmark = pytest.mark.xdist_group("hostile")


@pytest.fixture(scope="module")
def prey(strict: Server) -> Iterator[Prey]:
    prey = Prey(strict)
    yield prey
    assert prey.came_through() == []


def test_cases_without_end_are_all_answered_as_they_should_be(prey: Prey):
    tally = Run(prey.port, prey.ground, prey.judge).numbers(SEED, range(CASES))
    print(f"seed {SEED}: {dict(sorted(tally.statuses.items()))}")
    failed = [f"case {case.number}: {complaint}" for case, complaint in tally.failures]
    again = f"python -m fuzzing --seed {SEED} --cases {CASES} (in tests/) makes them small"
    assert failed == [], f"{failed}\n{again}"
    assert {200, 400, 401, 402, 404, 405} <= tally.statuses.keys()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)
BODIES = st.binary(max_size=300) | JSON.map(lambda body: json.dumps(body).encode())
TEXT = st.text(st.characters(codec="latin-1", exclude_characters="\r\n\0"), max_size=40)
PARTS = st.text(max_size=30).map(lambda text: "".join(f"%{byte:02x}" for byte in text.encode()))
HEADER_NAMES = st.sampled_from(
    [name for name, _ in HEADERS if name not in ("Connection", "Expect")]
)


@pytest.mark.parametrize("route", real_routes(), ids=lambda route: route.path)
def test_what_hypothesis_thinks_of_is_answered_too(prey: Prey, route: RealRoute):
    run = Run(prey.port, prey.ground, prey.judge)

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(
        method=st.sampled_from([*route.methods, "HEAD", "OPTIONS"]),
        parts=st.lists(PARTS, min_size=4, max_size=4),
        query=PARTS | st.none(),
        headers=st.dictionaries(HEADER_NAMES, TEXT, max_size=3),
        body=BODIES,
    )
    def ask(
        method: str, parts: list[str], query: str | None, headers: dict[str, str], body: bytes
    ) -> None:
        values: dict[str, Any] = dict(zip(route.parameters, parts, strict=False))
        target = route.at(**values) + ("" if query is None else f"?{query}")
        lines = [f"{method} {target} HTTP/1.1", "Host: localhost"]
        lines += [f"Authorization: Bearer {prey.poor.key}", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        raw = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body
        assert run.complaint(Case(number=0, raw=raw, method=method, target=target)) is None

    ask()


GOOD = Reply(
    status=404,
    headers={
        "content-type": "application/json", "x-request-id": "req_1",
        "referrer-policy": "no-referrer", "x-content-type-options": "nosniff",
        "content-security-policy": "default-src 'none'",
    },
    body=b'{"error": {"code": "a", "message": "b", "type": "c"}}',
)  # fmt: skip
ASKED = Case(number=0, raw=b"GET /v1/x HTTP/1.1\r\n\r\n", method="GET", target="/v1/x")


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"status": 500}, "status 500"),
        ({"status": 502}, "status 502"),
        ({"status": 503}, "503 without Retry-After"),
        ({"status": 405}, "405 without Allow"),
        ({"seconds": 9.0}, "took"),
        ({"body": b"<html>"}, "not JSON"),
        ({"body": b'{"error": "in Krea\'s words"}'}, "EvoLink's form"),
        ({"body": b'{"detail": "Not Found"}'}, "EvoLink's form"),
        ({"body": GOOD.body.replace(b"b", b'File \\"a.py\\", line 3, in f')}, "inside"),
        ({"body": GOOD.body.replace(b'"b"', b'"sqlite3.OperationalError"')}, "inside"),
        ({"body": GOOD.body.replace(b'"b"', b'"their secret"')}, "another account's"),
        ({"headers": GOOD.headers | {"server": "any"}}, "server"),
        ({"headers": GOOD.headers | {"x-injected": "1"}}, "injected"),
        ({"headers": GOOD.headers | {"access-control-allow-origin": "*"}}, "origins"),
        ({"headers": GOOD.headers | {"content-type": "text/plain"}}, "text/plain"),
        ({"headers": {k: v for k, v in GOOD.headers.items() if k != "x-request-id"}}, "request id"),
        (
            {"headers": {k: v for k, v in GOOD.headers.items() if k != "referrer-policy"}},
            "referrer",
        ),
    ],
)
def test_the_judge_sees_what_is_wrong(change: dict[str, Any], complaint: str):
    judge = Judge(["their secret"])
    assert judge.complaint(ASKED, GOOD) is None
    assert complaint in (judge.complaint(ASKED, replace(GOOD, **change)) or "nothing")


def test_the_judge_wants_each_doors_own_form():
    theirs = replace(ASKED, target="/jobs/1")
    assert "Krea's form" in (Judge([]).complaint(theirs, GOOD) or "nothing")
    assert Judge([]).complaint(theirs, replace(GOOD, body=b'{"error": "unknown"}')) is None


def test_a_case_is_the_same_whenever_it_is_made(prey: Prey):
    assert [make(prey.ground, 7, number) for number in range(50)] == [
        make(prey.ground, 7, number) for number in range(50)
    ]


def test_a_failure_is_made_small():
    raw = (
        b"POST /v1/x HTTP/1.1\r\nA: 1\r\nB: 2\r\nContent-Length: 40\r\n\r\n"
        + b"a" * 20
        + b"!"
        + b"b" * 19
    )
    small = smallest(replace(ASKED, raw=raw), lambda case: b"!" in case.raw and b"B: 2" in case.raw)
    assert small.raw == b"POST /v1/x HTTP/1.1\r\nB: 2\r\n\r\n!"
