"""Every picture that is stored is signed and known again; what cannot be signed is not stored."""

import errno
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from keeping import Books
from safelight import provenance
from safelight.engines.fake import FakeEngine
from safelight.errors import ConfigurationError
from safelight.flows import sweep
from safelight.flows.work.filing import Marking
from safelight.images import ImageStore, StoredFile
from safelight.provenance import Credentials, Integrity, Signer, credentials_of, registry
from working import Studio


@pytest.fixture
def studio(books: Books, tmp_path: Path) -> Studio:
    return Studio(books, tmp_path / "pictures")


def nobody(now: datetime) -> Credentials:
    raise ConfigurationError("the certificate is gone")


def test_pictures_and_previews_are_signed_and_say_what_made_them(studio: Studio):
    [job] = studio.work(FakeEngine(seconds=0.2), studio.order("a secret", count=2))
    finals, previews = studio.names(job, "final"), studio.names(job, "preview")
    assert (len(finals), len(previews)) == (2, 1)
    for name in finals + previews:
        report = provenance.read(studio.content(name), studio.anchors())
        assert (report.integrity, report.trusted, report.problems) == (Integrity.INTACT, True, ())
        assert (report.model, report.engine) == ("krea-2-turbo", "fake")
        assert report.source_type == "trainedAlgorithmicMedia"
        assert (report.prompt, report.account) == (None, None)
        assert b"secret" not in studio.content(name)
        assert job.account_id.encode() not in studio.content(name)


def test_a_stand_in_is_named_with_what_it_stands_in_for(studio: Studio):
    job = studio.books.submit(studio.caller, engine="fake", stand_in="safelight-mini")
    [job] = studio.work(FakeEngine(), job)
    report = provenance.read(studio.content(studio.names(job, "final")[0]), studio.anchors())
    assert (report.model, report.asked_for) == ("safelight-mini", "krea-2-turbo")


def test_prompt_and_account_are_told_where_the_operator_wants_it(studio: Studio):
    studio.marking = Marking(studio.marking.signer, prompt=True, account=True)
    [job] = studio.work(FakeEngine(), studio.order('a "cat" 고양이\n'))
    report = provenance.read(studio.content(studio.names(job, "final")[0]), studio.anchors())
    assert (report.prompt, report.account) == ('a "cat" 고양이\n', job.account_id)


def test_what_cannot_be_signed_is_neither_stored_nor_charged(studio: Studio):
    studio.marking = Marking(Signer(nobody))
    [job] = studio.work(FakeEngine(seconds=0.2), studio.order(count=2))
    assert (job.state, job.error_code) == ("failed", "service_error")
    assert job.error_message == "The picture could not be signed, and is not delivered without."
    assert studio.files() == set()
    assert studio.books.rows("select * from pictures") == []
    assert studio.books.rows("select * from provenance") == []
    studio.assert_nothing_was_charged()


def test_a_certificate_that_ends_while_the_worker_lives_signs_no_more(studio: Studio):
    now = [time.time()]
    first = credentials_of(studio.home, None, None, datetime.fromtimestamp(now[0], UTC))
    ends = first.good_from + timedelta(days=2)
    given = [replace(first, good_until=ends)]

    def once(at: datetime) -> Credentials:
        return given.pop() if given else nobody(at)

    studio.marking = Marking(Signer(once, clock=lambda: now[0]))
    [before] = studio.work(FakeEngine(), studio.order())
    now[0] = ends.timestamp()
    [after] = studio.work(FakeEngine(), studio.order())
    assert (before.state, after.state) == ("completed", "failed")


def test_the_registry_knows_a_picture_by_what_is_served(studio: Studio):
    [job] = studio.work(FakeEngine(), studio.order(count=2))
    pictures = studio.books.rows(
        "select sha256 from pictures where job_id = $1 and kind = 'final' order by position",
        job.id,
    )
    known = studio.books.rows("select * from provenance order by position")
    assert [row["sha256"].hex() for row in known] == [row["sha256"] for row in pictures]
    assert [row["job_id"] for row in known] == [job.id, job.id]
    assert not {"account_id", "prompt", "request", "key_id"} & known[0].keys()


def test_the_registry_outlives_the_job_and_forgets_in_its_own_time(studio: Studio):
    studio.work(FakeEngine(), studio.order())
    books = studio.books
    [row] = books.rows("select sha256 from provenance")

    def swept(hours: float) -> tuple[int, bool]:
        books.clock.forward(hours=hours)
        for _ in range(2):  # first the files, then the rows that named them
            books.run(
                sweep.sweep(books.db, studio.store, books.defaults, keep_days=2, registry_days=10)
            )
        known = books.read(lambda tx: registry.find(tx, row["sha256"]))
        return len(books.rows("select 1 from jobs")), known is not None

    assert swept(hours=24) == (1, True)
    assert swept(hours=25) == (0, True)
    assert swept(hours=24 * 7) == (0, True)
    assert swept(hours=24 + 1) == (0, False)


class SilentAuthority(BaseHTTPRequestHandler):
    """A time authority that answers everything with 500."""

    asked: ClassVar[list[str]] = []

    def do_POST(self) -> None:
        self.asked.append(self.headers["Content-Type"])
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_error(500)

    def log_message(self, *arguments: object) -> None: ...


def test_without_the_time_authoritys_answer_a_picture_is_not_delivered(studio: Studio):
    with ThreadingHTTPServer(("127.0.0.1", 0), SilentAuthority) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        studio.marking = Marking(
            Signer(
                lambda now: credentials_of(studio.home, None, None, now),
                f"http://127.0.0.1:{server.server_port}/time",
            )
        )
        [job] = studio.work(FakeEngine(), studio.order())
        server.shutdown()
    assert (job.state, job.error_code) == ("failed", "service_error")
    assert SilentAuthority.asked[0] == "application/timestamp-query"
    assert studio.names(job, "final") == []
    studio.assert_nothing_was_charged()


def without_memory(now: datetime) -> Credentials:
    raise MemoryError


def test_memory_that_runs_out_costs_its_job_only(studio: Studio):
    studio.marking = Marking(Signer(without_memory))
    [job] = studio.work(FakeEngine(), studio.order())
    assert (job.state, job.error_code) == ("failed", "resource_exhausted")
    studio.assert_nothing_was_charged()


class HalfADisk(ImageStore):
    """Has room for the first picture of each job."""

    def put(self, png: bytes, *, position: str, **about: Any) -> StoredFile:
        if position == "1":
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().put(png, position=position, **about)


def test_of_pictures_that_do_not_all_fit_on_the_disk_none_stays(studio: Studio):
    studio.store = HalfADisk(studio.store.root, b"sixteen characters", "http://here")
    [job] = studio.work(FakeEngine(), studio.order(count=2))
    assert (job.state, job.error_code) == ("failed", "resource_exhausted")
    assert studio.files() == set(studio.names(job, "preview"))
