"""What the passing of time does: leases, pictures, old jobs and forgotten files."""

import os
import time
from pathlib import Path

import pytest

from keeping import Books, link
from safelight import jobs
from safelight.errors import NotFound
from safelight.flows import sweep
from safelight.images import ImageStore
from safelight.jobs import ATTEMPTS_MAX, LEASE_SECONDS, Job
from safelight.ledger import MICROCREDITS

DAY_HOURS = 24


@pytest.fixture
def store(tmp_path: Path) -> ImageStore:
    return ImageStore(tmp_path / "pictures", b"sixteen characters", "http://here")


def on_disk(store: ImageStore) -> set[str]:
    return {path.name for path in store.root.glob("*/*")}


def completed_with_a_picture(books: Books, store: ImageStore, life_hours: int = DAY_HOURS) -> Job:
    """A job whose one picture is a file in the store."""
    books.submit(books.customer(1))
    job = books.claim()
    assert job is not None
    assert books.complete(job)
    file = store.put(b"png", width=1, height=1, attempt=1, position="0")
    books.write(
        lambda tx: tx.execute(
            "update pictures set name = $1, expires_at_ms = created_at_ms + $2 where job_id = $3",
            file.name, life_hours * 3_600_000, job.id,
        )
    )  # fmt: skip
    return job


def swept(books: Books, store: ImageStore, keep_days: int = 90) -> sweep.Swept:
    return books.run(
        sweep.sweep(books.db, store, books.defaults, keep_days=keep_days, registry_days=365)
    )


def test_a_job_whose_lease_is_over_goes_back_to_its_old_place(books: Books):
    caller = books.customer(10)
    first, second = books.submit(caller), books.submit(caller)
    lost = books.claim("dead")
    assert lost is not None
    books.clock.forward(seconds=LEASE_SECONDS)
    assert books.recover() == (0, 0)  # its last millisecond is its worker's
    books.clock.forward(seconds=0.001)
    assert books.recover() == (1, 0)
    taken = [books.claim(), books.claim()]
    assert [job and (job.id, job.attempt) for job in taken] == [(first.id, 2), (second.id, 1)]


def test_a_renewed_lease_is_not_taken_away(books: Books):
    books.submit(books.customer(1))
    job = books.claim()
    assert job is not None
    for _ in range(10):
        books.clock.forward(seconds=LEASE_SECONDS - 1)
        assert books.write(lambda tx: jobs.renew_lease(tx, job))
        assert books.recover() == (0, 0)
    assert books.complete(job)


def test_the_jobs_of_a_worker_that_is_known_to_be_dead_are_freed_at_once(books: Books):
    caller = books.customer(10)
    for worker in ("dead", "alive"):
        books.submit(caller)
        books.claim(worker)
    assert books.recover(dead_worker="dead") == (1, 0)
    assert books.states() == ["queued", "running"]


def test_a_job_that_lost_its_last_attempt_fails_is_not_charged_and_says_so(books: Books):
    caller = books.customer(1)
    job = books.submit(caller)
    for attempt in range(1, ATTEMPTS_MAX + 1):
        assert books.claim(f"w{attempt}") is not None
        requeued = int(attempt < ATTEMPTS_MAX)
        assert books.recover(dead_worker=f"w{attempt}") == (requeued, 1 - requeued)
    failed = books.job(job.id)
    assert (failed.state, failed.error_code) == ("failed", "service_error")
    assert "not charged" in (failed.error_message or "")
    assert books.balance(caller).available == MICROCREDITS
    assert books.claim() is None


def test_a_step_of_the_clock_within_a_lease_takes_no_job_twice(books: Books):
    books.submit(books.customer(1))
    job = books.claim("w1")
    assert job is not None
    for hours in (-1, 25):  # back: the lease only lasts longer; forth: the fence holds
        books.clock.forward(hours=hours)
        books.recover()
    again = books.claim("w2")
    assert again is not None
    assert not books.complete(job)
    assert books.complete(again)
    assert books.verify().problems == ()


def test_pictures_live_a_day_and_their_rows_stay(books: Books, store: ImageStore):
    job = completed_with_a_picture(books, store)
    books.clock.forward(hours=DAY_HOURS, seconds=-0.001)
    assert swept(books, store).pictures == 0
    assert len(on_disk(store)) == 1
    books.clock.forward(seconds=0.001)
    assert swept(books, store).pictures == 1
    assert on_disk(store) == set()
    assert swept(books, store).pictures == 0
    [row] = books.rows("select removed_at_ms from pictures where job_id = $1", job.id)
    assert row["removed_at_ms"] == books.clock.now_ms
    assert books.job(job.id).state == "completed"
    assert books.verify().problems == ()


def test_a_sweep_that_died_between_file_and_row_is_done_again(books: Books, store: ImageStore):
    completed_with_a_picture(books, store)
    books.clock.forward(hours=DAY_HOURS)
    [name] = on_disk(store)
    store.remove(name)
    assert swept(books, store).pictures == 1
    assert books.rows("select 1 from pictures where removed_at_ms is null") == []


def test_old_jobs_are_forgotten_with_their_prompts_and_the_ledger_keeps_its_entries(
    books: Books, store: ImageStore
):
    job = completed_with_a_picture(books, store)
    running = books.submit(books.customer(1))
    entries = books.rows("select * from ledger")
    books.clock.forward(hours=3 * DAY_HOURS)
    assert swept(books, store, keep_days=4).jobs == 0
    books.clock.forward(hours=DAY_HOURS, seconds=1)
    assert swept(books, store, keep_days=4).jobs == 1
    with pytest.raises(NotFound):
        books.job(job.id)
    assert books.rows("select 1 from pictures") == []
    assert books.rows("select * from ledger") == entries
    assert books.job(running.id).state == "queued"  # what has not ended is never old
    assert books.verify().problems == ()


def test_a_job_is_kept_while_one_of_its_pictures_is_on_disk(books: Books, store: ImageStore):
    job = completed_with_a_picture(books, store, life_hours=10 * DAY_HOURS)
    books.clock.forward(hours=5 * DAY_HOURS)
    assert swept(books, store, keep_days=1).jobs == 0
    assert books.job(job.id).pictures[0].url == link(
        next(iter(on_disk(store))), books.clock.now_ms + 5 * DAY_HOURS * 3_600_000
    )


def test_an_idempotency_key_is_remembered_for_two_days(books: Books, store: ImageStore):
    caller = books.customer(10)
    first = books.submit(caller, idempotency_key="remember me")
    books.clock.forward(hours=2 * DAY_HOURS)
    swept(books, store)
    assert books.submit(caller, idempotency_key="remember me").id == first.id
    books.clock.forward(seconds=1)
    swept(books, store)
    assert books.submit(caller, idempotency_key="remember me").id != first.id


def test_an_idempotency_key_is_forgotten_no_later_than_its_job(books: Books, store: ImageStore):
    caller = books.customer(10)
    first = books.submit(caller, idempotency_key="remember me")
    books.cancel(first)
    books.clock.forward(hours=DAY_HOURS, seconds=1)
    assert swept(books, store, keep_days=1).jobs == 1
    assert books.submit(caller, idempotency_key="remember me").id != first.id


def test_old_files_that_no_row_knows_are_litter(books: Books, store: ImageStore):
    completed_with_a_picture(books, store)
    known = on_disk(store)
    lost = store.put(b"png", width=1, height=1, attempt=2, position="0").name
    unfinished = store.root / lost[:2] / f"{lost}.tmp"
    unfinished.write_bytes(b"half a picture")
    age(store, sweep.LITTER_SECONDS + 60)
    young = store.put(b"png", width=1, height=1, attempt=3, position="0").name
    assert books.run(sweep.remove_litter(books.db, store)) == 2
    assert on_disk(store) == known | {young}


def age(store: ImageStore, seconds: float) -> None:
    then = time.time() - seconds
    for path in store.root.glob("*/*"):
        os.utime(path, (then, then))
