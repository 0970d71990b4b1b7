"""What a scrape reads: levels of the house, at most every few seconds, and a proof of the books."""

import asyncio
from pathlib import Path

import pytest
from prometheus_client import parser

from keeping import PRICE, Books
from safelight import workers
from safelight.db import Transaction
from safelight.flows.survey import FRESH_SECONDS, PROOF_SECONDS, Survey, read_levels
from safelight.limits import Defaults
from safelight.telemetry.meters import Levels, Meters


class Scraper:
    """A survey under a clock that tests move."""

    def __init__(self, books: Books, folder: Path):
        self.books = books
        self.seconds = 0.0
        self.survey = Survey(Meters("1"), books.db, folder / "none-yet", lambda: 7, self.clock)

    def clock(self) -> float:
        return self.seconds

    def scrape(self) -> dict[tuple[str, ...], float]:
        """Values by name and the values of their labels, once a proof that began has ended."""

        async def expose() -> bytes:
            await self.survey.expose("")
            while self.survey.proving is not None:
                await asyncio.sleep(0.001)
            return (await self.survey.expose(""))[0]

        families = parser.text_string_to_metric_families(self.books.run(expose()).decode())
        return {(s.name, *s.labels.values()): s.value for f in families for s in f.samples}


async def steal(tx: Transaction) -> None:
    await tx.execute(
        "update accounts set available_microcredits = available_microcredits - 1,"
        " spent_microcredits = spent_microcredits + 1"
    )


@pytest.fixture
def scraper(books: Books, tmp_path: Path) -> Scraper:
    return Scraper(books, tmp_path)


def test_the_levels_are_what_the_rows_say(books: Books):
    books.defaults = Defaults(None, concurrency_max=3, backlog_max=10)
    caller = books.customer(10)
    for _ in range(5):
        books.submit(caller)
    books.write(lambda tx: workers.say_hello(tx, "w1", "fake", ready=True))
    done, running = books.claim(), books.claim()
    assert done is not None
    assert running is not None
    books.clock.forward(seconds=90)
    books.complete(done)
    levels = books.read(read_levels)
    assert levels == Levels(
        jobs={"backlogged": 1, "queued": 2, "running": 1},
        oldest_queued_seconds=90,
        workers_ready=0,  # unheard of for 90 s
        granted_microcredits=10_000_000,
        available_microcredits=10_000_000 - 5 * PRICE,
        held_microcredits=4 * PRICE,
        spent_microcredits=PRICE,
        pictures=1,
        picture_bytes=1,
    )


def test_an_empty_house_has_levels_too(books: Books):
    assert books.read(read_levels) == Levels(jobs={"backlogged": 0, "queued": 0, "running": 0})


def test_however_often_it_is_scraped_the_database_is_asked_every_few_seconds(scraper: Scraper):
    scraper.scrape()
    scraper.books.submit(scraper.books.customer(10))
    assert scraper.scrape()["safelight_jobs", "queued"] == 0
    scraper.seconds += FRESH_SECONDS + 0.1
    found = scraper.scrape()
    assert found["safelight_jobs", "queued"] == 1
    assert found["safelight_http_connections",] == 7
    assert found["safelight_storage_bytes", "free"] > 0  # where the folder will be


def test_books_that_do_not_agree_are_found_within_a_quarter_of_an_hour(scraper: Scraper):
    scraper.books.submit(scraper.books.customer(10))
    assert scraper.scrape()["safelight_ledger_violations",] == 0
    scraper.books.write(steal)
    scraper.seconds += PROOF_SECONDS / 2
    assert scraper.scrape()["safelight_ledger_violations",] == 0
    scraper.seconds += PROOF_SECONDS
    scraper.scrape()
    scraper.seconds += FRESH_SECONDS + 0.1  # the proof went on beside that scrape
    assert scraper.scrape()["safelight_ledger_violations",] == 1


def test_a_database_that_cannot_be_read_leaves_the_counters_and_says_so(scraper: Scraper):
    assert scraper.scrape()["safelight_database_up",] == 1

    async def break_it(tx) -> None:  # type: ignore[no-untyped-def]
        await tx.execute("alter table jobs rename to elsewhere")

    scraper.books.write(break_it)
    scraper.seconds += FRESH_SECONDS + 0.1
    found = scraper.scrape()
    assert found["safelight_database_up",] == 0
    assert found["safelight_worker_lease_losses_total",] == 0


def test_a_database_that_cannot_even_be_opened_is_told_and_the_books_are_proven_later(
    scraper: Scraper,
):
    """Without file descriptors, say; and one proof that fails must not be the last."""
    file = scraper.books.path
    away = file.rename(file.with_name("away.db"))
    file.mkdir()  # what cannot be opened
    found = scraper.scrape()
    assert found["safelight_database_up",] == 0
    file.rmdir()
    away.rename(file)
    scraper.books.submit(scraper.books.customer(10))
    scraper.books.write(steal)
    scraper.seconds += PROOF_SECONDS + 0.1
    scraper.scrape()
    scraper.seconds += FRESH_SECONDS + 0.1
    assert scraper.scrape()["safelight_ledger_violations",] == 1
