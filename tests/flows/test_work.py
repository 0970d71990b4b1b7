"""A worker at its work: what engines do, what callers change, and what is left on disk."""

import asyncio
from pathlib import Path
from threading import Event

import pytest
from PIL import Image

from keeping import PRICE, Books
from safelight.engines import Engine
from safelight.engines.fake import FakeEngine
from safelight.errors import EngineError
from safelight.flows.work import Stuck, Worker
from safelight.jobs import Job, ending
from working import Crowd, EndsLast, HangingAside, Pausing, Raising, Repeating, Studio

NOBODY = "nobody"  # an engine that this worker does not have


@pytest.fixture
def studio(books: Books, tmp_path: Path) -> Studio:
    return Studio(books, tmp_path / "pictures")


def test_a_job_becomes_its_pictures_in_order_and_is_charged_once(studio: Studio):
    [job] = studio.work(FakeEngine(), studio.order(count=3))
    assert (job.state, job.progress, job.attempt) == ("completed", 100, 1)
    names = studio.names(job, "final")
    assert [name.rpartition("-")[2] for name in names] == ["0.png", "1.png", "2.png"]
    assert {*names, *studio.names(job, "preview")} == studio.files()
    assert studio.books.balance(studio.caller).spent == PRICE


@pytest.mark.parametrize(
    ("engine", "prompt", "code", "attempts"),
    [
        (FakeEngine(), "explode", "service_error", 1),
        (FakeEngine(), "empty", "generation_failed_no_content", 1),
        (Raising(MemoryError()), "a cat", "resource_exhausted", 1),
        (Raising(EngineError("busy", retryable=True)), "a cat", "service_error", 3),
        (Raising(ZeroDivisionError()), "a cat", "service_error", 3),
    ],
)
def test_what_an_engine_cannot_make_fails_with_its_reason_and_is_not_charged(
    studio: Studio, engine: Engine, prompt: str, code: str, attempts: int
):
    [job] = studio.work(engine, studio.order(prompt))
    assert (job.state, job.error_code, job.attempt) == ("failed", code, attempts)
    assert not studio.names(job, "final")
    studio.assert_nothing_was_charged()


def test_a_job_for_an_engine_that_is_not_here_fails_as_unavailable(studio: Studio):
    [job] = studio.work(FakeEngine(), studio.order(engine=NOBODY))
    assert (job.state, job.error_code) == ("failed", "service_unavailable")
    studio.assert_nothing_was_charged()


def test_an_engine_that_fails_does_not_stop_the_jobs_behind(studio: Studio):
    ordered = [studio.order("explode"), studio.order("a cat"), studio.order("empty")]
    ended = studio.work(FakeEngine(), *ordered)
    assert [job.state for job in ended] == ["failed", "completed", "failed"]


def test_a_second_attempt_makes_the_same_picture(studio: Studio):
    twins = [studio.order(seed=5), studio.order(seed=5)]
    studio.books.claim("dead")
    studio.books.recover("dead")
    first, second = studio.work(FakeEngine(), *twins)
    assert (first.attempt, second.attempt) == (2, 1)
    pixels = [
        Image.open(studio.store.root / name[:2] / name).tobytes()
        for job in (first, second)
        for name in studio.names(job, "final")
    ]
    assert pixels[0] == pixels[1]


def test_progress_and_a_preview_are_seen_while_the_engine_works(studio: Studio):
    engine, job = Pausing(before_step=6), studio.order()

    async def watch() -> Job:
        worker = studio.worker(engine)
        running = asyncio.create_task(worker.run())
        seen = await studio.until(job, lambda now: now.has_preview and now.step == 5)
        engine.go.set()
        worker.drain()
        await running
        return seen

    seen = studio.books.run(watch())
    assert (seen.state, seen.progress) == ("running", 95 * 5 // 8)
    [preview] = seen.pictures
    assert "-1-p" in preview.url


def test_a_step_that_is_done_again_has_its_previews_too(studio: Studio):
    """As when a picture was spoiled, and is made once more another way."""
    [job] = studio.work(Repeating(), studio.order())
    assert (job.state, job.attempt) == ("completed", 1)
    assert len(studio.names(job, "preview")) > 1


def test_a_job_handed_back_keeps_its_attempts_and_is_finished_by_the_next_worker(studio: Studio):
    first, second, job = Pausing(before_step=6), Pausing(before_step=6), studio.order()

    async def shift(engine: Pausing, name: str, previews: int) -> Worker:
        worker = studio.worker(engine, name)
        running = asyncio.create_task(worker.run())
        count = "select count(*) as n from pictures where kind = 'preview'"
        async with asyncio.timeout(20):
            while (await studio.books.db.read(lambda tx: tx.fetch_one(count)))["n"] < previews:
                assert not running.done(), running.exception()
                await asyncio.sleep(0.001)
        worker.drain()
        if engine is first:
            await worker.hand_back()
        engine.go.set()
        await running
        return worker

    studio.books.run(shift(first, "first", 1))
    handed = studio.books.job(job.id)
    assert (handed.state, handed.attempt) == ("queued", 0)
    studio.books.run(shift(second, "second", 2))
    done = studio.books.job(job.id)
    assert (done.state, done.attempt, done.progress) == ("completed", 1, 100)
    assert studio.books.verify().problems == ()


def test_a_draining_worker_ends_its_job_and_begins_no_other(studio: Studio):
    engine, ordered = Pausing(before_step=2), [studio.order(), studio.order()]

    async def shift() -> None:
        worker = studio.worker(engine, jobs_max=1)
        running = asyncio.create_task(worker.run())
        await studio.until(ordered[0], lambda now: now.state == "running")
        worker.drain()
        engine.go.set()
        await running

    studio.books.run(shift())
    assert studio.books.states() == ["completed", "queued"]


def test_an_announced_cancellation_stops_the_engine_between_two_steps(studio: Studio):
    engine, job = Pausing(before_step=3), studio.order()

    async def change_of_mind() -> None:
        worker = studio.worker(engine)
        running = asyncio.create_task(worker.run())
        await studio.until(job, lambda now: now.step == 2)
        await studio.books.db.write(
            lambda tx: ending.withdraw(tx, job, "no", studio.books.defaults)
        )
        studio.books.db.announce(f"stop:{job.id}")
        await asyncio.sleep(0)  # the bell rings when this turn ends
        engine.go.set()
        worker.drain()
        await running

    studio.books.run(change_of_mind())
    assert studio.files() == set()
    assert studio.books.job(job.id).step == 2
    studio.assert_nothing_was_charged()


def test_pictures_of_a_job_that_was_cancelled_unheard_are_thrown_away(studio: Studio):
    engine, job = Pausing(before_step=3), studio.order()

    async def unheard() -> None:
        worker = studio.worker(engine)
        running = asyncio.create_task(worker.run())
        await studio.until(job, lambda now: now.state == "running")
        await studio.books.db.write(
            lambda tx: ending.withdraw(tx, job, "no", studio.books.defaults)
        )
        engine.go.set()
        worker.drain()
        await running

    studio.books.run(unheard())
    assert studio.files() == set()
    assert studio.books.job(job.id).state == "cancelled"
    studio.assert_nothing_was_charged()


def test_an_engine_that_hangs_costs_the_worker_and_one_attempt(studio: Studio):
    unhang, job = Event(), studio.order("hang")
    worker = studio.worker(FakeEngine(unhang=unhang), timeout_seconds=0.02)
    with pytest.raises(Stuck, match=job.id):
        studio.books.run(worker.run())
    unhang.set()
    now = studio.books.job(job.id)
    assert (now.state, now.attempt) == ("queued", 1)
    [done] = studio.work(FakeEngine(unhang=unhang), job, name="w2")
    assert (done.state, done.attempt) == ("completed", 2)


def test_an_aside_that_hangs_costs_the_worker_too(studio: Studio):
    """Its thread is lost: a worker that went on would soon have none left."""
    engine, job = HangingAside(), studio.order()
    worker = studio.worker(engine, timeout_seconds=0.02)

    async def life() -> None:
        async with asyncio.timeout(20):
            await worker.run()

    try:
        with pytest.raises(Stuck, match=job.id):
            studio.books.run(life())
    finally:
        engine.go.set()
    now = studio.books.job(job.id)
    assert (now.state, now.attempt) == ("queued", 1)


def test_a_worker_that_an_engine_hangs_hands_its_other_jobs_back(studio: Studio):
    unhang, hung, other = Event(), studio.order("hang"), studio.order()
    worker = studio.worker(FakeEngine(unhang=unhang), timeout_seconds=0.02)
    with pytest.raises(Stuck, match=hung.id):
        studio.books.run(worker.run())
    unhang.set()
    now = studio.books.job(other.id)
    assert (now.state, now.attempt) == ("queued", 0)


def test_a_job_that_was_lost_before_is_worked_on_alone(studio: Studio):
    """Should it kill its worker again, it must not use up the attempts of others."""
    lost, *others = (studio.order(prompt) for prompt in ("lost", "second", "third"))
    studio.books.claim("dead")
    studio.books.recover("dead")
    engine = Crowd()
    studio.work(engine, lost, *others)
    assert engine.company["lost"] == {"lost"}
    assert engine.company["second"] == {"second", "third"}


def test_a_short_job_passes_a_long_one(studio: Studio):
    long, short = studio.order(width=2048, height=2048), studio.order()
    ended = studio.work(EndsLast(long), long, short)
    assert [job.state for job in ended] == ["completed", "completed"]


def test_time_spent_waiting_for_others_does_not_count_against_a_job(studio: Studio):
    ordered = [studio.order() for _ in range(4)]
    ended = studio.work(FakeEngine(seconds=0.16), *ordered, timeout_seconds=0.4)
    assert [job.state for job in ended] == ["completed"] * 4


def test_an_engine_that_is_late_fails_the_job_for_good(studio: Studio):
    engine = FakeEngine(steps=80, seconds=80 * 0.002)  # stops between two steps, in good time
    [job] = studio.work(engine, studio.order(), timeout_seconds=0.03)
    assert (job.state, job.error_code, job.attempt) == ("failed", "generation_timeout", 1)
    studio.assert_nothing_was_charged()
