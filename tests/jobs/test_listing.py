"""Jobs in pages: every job on exactly one page, newest first, and nobody else's among them."""

import pytest

from keeping import Books, link, request
from safelight import jobs
from safelight.accounts import Caller
from safelight.errors import NotFound
from safelight.jobs import Job, State, listing
from safelight.jobs.listing import Filter


@pytest.fixture
def caller(books: Books) -> Caller:
    return books.customer(100)


def by_number(books: Books, wanted: Filter, size: int) -> list[str]:
    """Ids of all pages, one after another."""
    found, total = [], 1
    while len(found) < total:
        at = len(found)
        page, total = books.read(
            lambda tx, at=at: listing.page(tx, wanted, link, offset=at, limit=size)
        )
        assert 0 < len(page) <= size
        found += [job.id for job in page]
    return found


def by_cursor(books: Books, wanted: Filter, size: int) -> list[str]:
    found: list[str] = []
    at = (2**62, 2**62)
    while page := books.read(
        lambda tx, at=at: listing.before(
            tx, wanted, link, created_ms=at[0], seq=at[1], limit=size
        )
    ):  # fmt: skip
        found += [job.id for job in page]
        at = (page[-1].created_at_ms, page[-1].seq)
    return found


@pytest.mark.parametrize("pages", [by_number, by_cursor])
def test_pages_hold_every_job_once_newest_first(books: Books, caller: Caller, pages):
    made = []
    for number in range(13):
        made.append(books.submit(caller).id)
        if number % 3 == 0:  # most of them in one and the same millisecond
            books.clock.forward(seconds=0.001)
    wanted = Filter(account_id=caller.account_id, dialect="evolink")
    assert pages(books, wanted, size=4) == made[::-1]


def test_jobs_that_arrive_meanwhile_do_not_move_a_cursor(books: Books, caller: Caller):
    made = [books.submit(caller) for _ in range(4)]
    wanted = Filter(account_id=caller.account_id, dialect="evolink")
    last = made[2]
    books.submit(caller)
    older = books.read(
        lambda tx: listing.before(
            tx, wanted, link, created_ms=last.created_at_ms, seq=last.seq, limit=10
        )
    )  # fmt: skip
    assert [job.id for job in older] == [made[1].id, made[0].id]


def filtered(books: Books, caller: Caller, **wanted: object) -> list[Job]:
    found, total = books.read(
        lambda tx: listing.page(
            tx, Filter(account_id=caller.account_id, dialect="evolink", **wanted), link,
            offset=0, limit=100,
        )
    )  # fmt: skip
    assert total == len(found)
    return found


def test_filters_by_state_and_model(books: Books, caller: Caller):
    first, second, third = (books.submit(caller) for _ in range(3))
    claimed = books.claim()
    assert claimed is not None
    books.complete(claimed)
    books.cancel(second)
    assert [job.id for job in filtered(books, caller, states=[State.COMPLETED])] == [first.id]
    several = filtered(books, caller, states=[State.CANCELLED, State.QUEUED])
    assert [job.id for job in several] == [third.id, second.id]
    assert len(filtered(books, caller, models=["krea-2-turbo"])) == 3
    assert filtered(books, caller, models=["krea-2"]) == []  # a name within a name
    assert filtered(books, caller, states=[]) == []


def test_a_listed_job_has_its_pictures(books: Books, caller: Caller):
    books.submit(caller, request=request(count=1))
    claimed = books.claim()
    assert claimed is not None
    books.complete(claimed)
    [job] = filtered(books, caller)
    assert len(job.pictures) == 1


def test_other_accounts_and_other_doors_have_other_jobs(books: Books, caller: Caller):
    stranger = books.customer(1, name="agency")
    own, krea = books.submit(caller), books.submit(caller, dialect="krea", new_id=lambda *_: "k")
    theirs = books.submit(stranger)
    assert [job.id for job in filtered(books, caller)] == [own.id]
    assert [job.id for job in filtered(books, stranger)] == [theirs.id]
    wanted = Filter(account_id=caller.account_id, dialect="evolink")
    asked = [theirs.id, own.id, krea.id, "task-unknown"]
    found = books.read(lambda tx: listing.by_ids(tx, wanted, asked, link))
    assert [job.id for job in found] == [own.id]


@pytest.mark.parametrize(
    ("account", "dialect"), [("stranger", "evolink"), ("own", "krea"), ("nobody", "evolink")]
)
def test_a_job_looks_unknown_to_everyone_else(
    books: Books, caller: Caller, account: str, dialect: str
):
    stranger = books.customer(1, name="agency")
    account_id = {"own": caller.account_id, "stranger": stranger.account_id}.get(account, "acc_x")
    job = books.submit(caller)
    with pytest.raises(NotFound):
        books.read(lambda tx: jobs.get(tx, job.id, link, account_id=account_id, dialect=dialect))


def test_several_are_read_in_the_order_asked_for(books: Books, caller: Caller):
    made = [books.submit(caller).id for _ in range(3)]
    wanted = Filter(account_id=caller.account_id, dialect="evolink")
    asked = [made[1], made[2], made[0]]
    found = books.read(lambda tx: listing.by_ids(tx, wanted, asked, link))
    assert [job.id for job in found] == asked
