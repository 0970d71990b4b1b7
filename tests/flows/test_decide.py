"""What waits for a person's eye, and what their word does."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from keeping import Books
from safelight import audit, reviews
from safelight.audit import Origin
from safelight.catalog.request import ImageRequest
from safelight.db import Row, Transaction
from safelight.engines import Picture, Step
from safelight.engines.fake import FakeEngine
from safelight.errors import NotFound
from safelight.flows.decide import decide, report
from safelight.jobs import Job
from safelight.moderation import Category, Moderator, NsfwClassifier, Verdict
from safelight.reviews import Decision
from working import Studio

PEPPER = b"sixteen characters"
ADA = Origin(actor="operator:ada")
NEAR = Verdict(None, 0.6, "doubtful", near=Category.SEXUAL)
REFUSED = Verdict(Category.GORE, 0.9, "doubtful")


class Doubtful:
    """Refuses "bad", and is in doubt about "odd"."""

    name = "doubtful"

    def load(self) -> None: ...

    def judge(self, text: str, *, strict: bool) -> Verdict:
        return {"bad": REFUSED, "odd": NEAR}.get(text, Verdict())

    def speaks_of_minors(self, text: str) -> bool:
        return False


@pytest.fixture
def studio(books: Books, tmp_path: Path) -> Studio:
    studio = Studio(books, tmp_path / "pictures")
    studio.moderator = Moderator([Doubtful()], [NsfwClassifier()], [Doubtful()])
    return studio


def queue(studio: Studio, *, decided: bool = False) -> list[Row]:
    async def read(tx: Transaction) -> list[Row]:
        return await reviews.newest(tx, 10, decided=decided)

    return studio.books.run(studio.books.db.read(read))


def say(studio: Studio, decision: Decision) -> int:
    [row] = queue(studio)
    db = studio.books.db
    return studio.books.run(decide(db, studio.store, row["id"], decision, PEPPER, ADA))


def complain(studio: Studio, what: str) -> str | None:
    return studio.books.run(
        report(studio.books.db, what, "it shows me", keep_prompt=False, origin=ADA)
    )


def drawn(studio: Studio, prompt: str = "a cat", **fields: int) -> Job:
    order = studio.order(prompt, **{"width": 512, "height": 512, "seed": 5} | fields)
    [job] = studio.work(FakeEngine(), order)
    return job


def test_a_refusal_waits_for_review_by_hash_and_without_its_words(studio: Studio):
    job = drawn(studio, "bad")
    assert job.state == "failed"
    [row] = queue(studio)
    assert (row["kind"], row["category"], row["job_id"]) == ("refused", "gore", job.id)
    assert row["score"] == pytest.approx(0.9)
    assert row["prompt"] is None
    assert len(row["prompt_sha256"]) == 64


def test_the_words_are_kept_where_the_operator_wants_them(studio: Studio):
    studio.keep_prompts = True
    drawn(studio, "bad")
    [row] = queue(studio)
    assert row["prompt"] == "bad"


def test_what_was_nearly_refused_is_drawn_and_waits_for_review(studio: Studio):
    job = drawn(studio, "odd")
    assert job.state == "completed"
    [row] = queue(studio)
    assert (row["kind"], row["category"]) == ("near", "sexual")


def test_what_is_harmless_does_not_wait(studio: Studio):
    drawn(studio)
    assert queue(studio) == []


def test_what_is_blocked_is_gone_at_once_and_refused_when_it_comes_again(studio: Studio):
    job = drawn(studio)
    [name] = studio.names(job, "final")
    complain(studio, f"http://here/pictures/{name}?expires=1&signature=2")
    assert say(studio, Decision.BLOCK) >= 1
    assert studio.files() == set()
    again = drawn(studio)
    assert (again.state, again.error_code) == ("failed", "content_policy_violation")
    assert studio.names(again, "final") == []
    assert drawn(studio, "something else", seed=9).state == "completed"


def test_a_block_that_is_taken_back_blocks_no_more(studio: Studio):
    job = drawn(studio)
    complain(studio, job.id)
    say(studio, Decision.BLOCK)
    [row] = queue(studio, decided=True)
    db = studio.books.db
    studio.books.run(decide(db, studio.store, row["id"], Decision.RELEASE, PEPPER, ADA))
    assert drawn(studio).state == "completed"


def test_every_decision_is_in_the_audit_log(studio: Studio):
    drawn(studio, "bad")
    say(studio, Decision.RELEASE)

    async def read(tx: Transaction) -> list[Row]:
        return await audit.newest(tx, 10, audit.Action.REVIEW_DECIDED, None)

    [row] = studio.books.run(studio.books.db.read(read))
    assert row["actor"] == "operator:ada"
    assert '"release"' in row["details"]


def test_a_job_is_reported_once(studio: Studio):
    job = drawn(studio)
    assert complain(studio, job.id) is not None
    assert complain(studio, job.id) is None
    with pytest.raises(NotFound):
        complain(studio, "nothing")


def test_nobody_decides_on_what_is_not_there(studio: Studio):
    deciding = decide(studio.books.db, studio.store, "review-0", Decision.BLOCK, PEPPER, ADA)
    with pytest.raises(NotFound):
        studio.books.run(deciding)


def test_what_two_were_blocked_for_stays_blocked_when_one_is_taken_back(studio: Studio):
    """One picture, made twice, before anybody had looked."""
    one, other = drawn(studio), drawn(studio)
    complain(studio, one.id)
    say(studio, Decision.BLOCK)
    [first] = queue(studio, decided=True)
    complain(studio, other.id)
    say(studio, Decision.BLOCK)
    db = studio.books.db
    studio.books.run(decide(db, studio.store, first["id"], Decision.RELEASE, PEPPER, ADA))
    assert drawn(studio).error_code == "content_policy_violation"


def test_a_job_that_is_blocked_before_its_end_shows_nothing(studio: Studio):
    order = studio.order(width=512, height=512)
    complain(studio, order.id)
    say(studio, Decision.BLOCK)
    [job] = studio.work(FakeEngine(seconds=0.2), order)
    assert (job.state, job.error_code) == ("failed", "content_policy_violation")
    assert studio.files() == set()
    studio.assert_nothing_was_charged()


class EarlySight(FakeEngine):
    """Its previews are nearly what the picture will be."""

    def generate(self, request: ImageRequest) -> Iterator[Step | Picture]:
        *_, picture = super().generate(request)
        assert isinstance(picture, Picture)
        yield Step(1, 2, picture.pixels)
        yield Step(2, 2)
        yield picture


def test_previews_that_look_like_what_is_blocked_are_not_shown(studio: Studio):
    complain(studio, drawn(studio).id)
    say(studio, Decision.BLOCK)
    [again] = studio.work(EarlySight(), studio.order(width=512, height=512, seed=5))
    assert again.error_code == "content_policy_violation"
    assert studio.names(again, "preview") == []
