"""A picture to start from is fetched through the guard before anything is drawn."""

import asyncio
import io
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from PIL import Image

from keeping import Books, link, request
from receivers import (
    Handler,
    Reader,
    Receiver,
    Request,
    Writer,
    answering,
    egress_to,
    flooding,
    read_request,
    receiving,
    silent,
)
from safelight.catalog.request import ImageRequest
from safelight.catalog.sources import read_data
from safelight.dialects.source_url import check_source
from safelight.engines import Picture, Step
from safelight.engines.fake import FakeEngine
from safelight.errors import InvalidRequest
from safelight.flows.cancel import cancel
from safelight.flows.work.sources import FETCHES_MAX, PER_ACCOUNT, PICTURE_BYTES_MAX
from safelight.jobs import Job
from working import Studio


def picture(kind: str = "PNG") -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(stream, kind)
    return stream.getvalue()


def ok(body: bytes, status: str = "200 OK", more: str = "") -> bytes:
    return f"HTTP/1.1 {status}\r\n{more}Content-Length: {len(body)}\r\n\r\n".encode() + body


class Looking:
    """The fake engine, remembering what it was given to start from."""

    name = "fake"
    starts_aside = False

    def __init__(self) -> None:
        self.given: list[str] = []

    def load(self) -> None: ...

    def unsupported(self, request: ImageRequest) -> None: ...

    def generate(self, request: ImageRequest) -> Iterator[Step | Picture]:
        self.given.append(request.parameters.get("image_url", ""))
        yield from FakeEngine().generate(request)


@pytest.fixture
def studio(books: Books, tmp_path: Path) -> Studio:
    studio = Studio(books, tmp_path / "pictures")
    studio.egress = egress_to("127.0.0.1")
    return studio


async def submitted(studio: Studio, url: str | None = None) -> Job:
    asked = request("a cat", parameters={"image_url": url} if url else {})
    job, _ = await studio.books.submitting(studio.caller, request=asked)
    return job


async def worked(studio: Studio, engine: Looking, *jobs: Job) -> list[Job]:
    worker = studio.worker(engine)
    running = asyncio.create_task(worker.run())
    ended = [await studio.until(job, lambda now: now.state.is_final) for job in jobs]
    worker.drain()
    await running
    return ended


def drawn_from(
    studio: Studio, handler: Handler, url: Callable[[Receiver], str] = Receiver.url
) -> tuple[Job, list[str]]:
    """How a job ends that starts from what a receiver answers, and what its engine was given."""
    engine = Looking()

    async def scenario() -> Job:
        async with receiving(handler) as receiver:
            job = await submitted(studio, url(receiver))
            [ended] = await worked(studio, engine, job)
            return ended

    return studio.books.run(scenario()), engine.given


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_the_engine_is_given_the_picture_behind_the_address(studio: Studio, kind: str):
    seen: list[Request] = []
    job, given = drawn_from(studio, answering(ok(picture(kind)), seen))
    assert job.state == "completed"
    assert read_data(given[0]) == (kind.lower(), picture(kind))
    assert seen[0].line == "GET /hook HTTP/1.1"
    assert "authorization" not in seen[0].headers
    assert job.request.parameters["image_url"].startswith("https://"), "the job keeps the address"


def moving(targets: Mapping[str, str]) -> Handler:
    """Redirects from some paths to others; elsewhere there is a picture."""

    async def handle(reader: Reader, writer: Writer) -> None:
        path = (await read_request(reader)).line.split()[1]
        port = writer.get_extra_info("sockname")[1]
        target = targets.get(path, "").format(port=port)
        moved = ok(b"", "302 Found", f"Location: {target}\r\n")
        writer.write(moved if target else ok(picture()))
        await writer.drain()

    return handle


def test_redirects_are_followed(studio: Studio):
    job, given = drawn_from(studio, moving({"/hook": "/2", "/2": "/3#part", "/3": "4?x=1"}))
    assert (job.state, len(given)) == ("completed", 1)


def test_the_guard_is_asked_again_at_every_redirect(studio: Studio):
    elsewhere = "https://other.example:{port}/a.png"  # whose certificate nobody has
    job, given = drawn_from(studio, moving({"/hook": "/2", "/2": elsewhere}))
    assert (job.state, job.error_code, given) == ("failed", "invalid_parameters", [])
    assert "TLS failed" in (job.error_message or "")


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (ok(b"gone", "404 Not Found"), "it answers 404"),
        (ok(b"", "302 Found", "Location: /again\r\n"), "redirects more than 3 times"),
        (ok(b"", "302 Found", "Location: https://10.0.0.1/a.png\r\n"), "internal"),
        (ok(b"", "302 Found", "Location: http://hooks.example/a.png\r\n"), "https://"),
        (ok(b"", "302 Found", "Location: file:///etc/passwd\r\n"), "https://"),
        (ok(b"", "302 Found", "Location: https://[\r\n"), "redirects to what is not a valid URL"),
        (ok(b"<html>"), "PNG, JPEG or WebP"),
        (ok(b"GIF89a"), "PNG, JPEG or WebP"),
        (ok(b""), "PNG, JPEG or WebP"),
        (b"nonsense\r\n\r\n", "cannot be fetched"),
    ],
)
def test_anything_else_fails_the_job_with_the_reason_and_no_charge(
    studio: Studio, raw: bytes, words: str
):
    job, given = drawn_from(studio, answering(raw))
    assert (job.state, job.error_code, given) == ("failed", "invalid_parameters", [])
    assert words in (job.error_message or "")
    assert "10.0.0.1" not in (job.error_message or "")
    studio.assert_nothing_was_charged()


def test_a_receiver_that_stumbles_is_asked_once_more(studio: Studio):
    answers = iter([ok(b"", "503 Busy"), ok(picture())])

    async def handle(reader: Reader, writer: Writer) -> None:
        await read_request(reader)
        writer.write(next(answers))
        await writer.drain()

    job, given = drawn_from(studio, handle)
    assert (job.state, len(given)) == ("completed", 1)


def test_a_file_without_end_is_cut_off(studio: Studio):
    sent: list[int] = []
    head = b"HTTP/1.1 200 OK\r\n\r\n" + picture()
    job, _ = drawn_from(studio, flooding(head, bytes(1 << 20), sent))
    assert "more than 16 MiB" in (job.error_message or "")
    assert sum(sent) < 3 * PICTURE_BYTES_MAX


def test_slow_addresses_hold_up_nobody(studio: Studio):
    engine = Looking()

    async def scenario() -> tuple[list[Job], int]:
        async with receiving(silent) as receiver:
            for _ in range(20):
                await submitted(studio, receiver.url())
            quick = [await submitted(studio) for _ in range(20)]
            worker = studio.worker(engine, jobs_max=2)
            running = asyncio.create_task(worker.run())
            ended = [await studio.until(job, lambda now: now.state.is_final) for job in quick]
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            return ended, receiver.connections

    ended, connections = studio.books.run(scenario())
    assert {job.state for job in ended} == {"completed"}
    assert connections <= PER_ACCOUNT < FETCHES_MAX


def own_link(studio: Studio, png: bytes, life_seconds: int = 60) -> str:
    file = studio.store.put(png, width=8, height=8, attempt=1, position="0")
    return studio.store.link(file.name, studio.books.clock() + life_seconds * 1000)


def test_a_link_to_a_picture_of_this_server_is_opened_without_a_call(studio: Studio):
    engine = Looking()
    link = own_link(studio, picture())
    [job] = studio.work(engine, studio.order(parameters={"image_url": link}))
    assert job.state == "completed"
    assert read_data(engine.given[0]) == ("png", picture())


@pytest.mark.parametrize(
    "spoil",
    [
        lambda link: link[:-1] + ("0" if link[-1] != "0" else "1"),
        lambda link: link.replace("expires=", "expires=9"),
        lambda link: link.partition("?")[0],
        lambda link: link.partition("?")[0].rpartition("/")[0] + "/../../books.db",
        lambda link: link.replace("/pictures/", "/pictures///["),
        lambda link: link.replace("/pictures/", "/pictures/\x00"),
        lambda link: link.replace("signature=", "signature=%ED%A0%80"),
    ],
)
def test_a_link_that_is_not_good_opens_nothing(studio: Studio, spoil: Callable[[str], str]):
    link = spoil(own_link(studio, picture()))
    [job] = studio.work(Looking(), studio.order(parameters={"image_url": link}))
    assert (job.state, job.error_code) == ("failed", "invalid_parameters")
    assert "expired, or never was good" in (job.error_message or "")


def test_a_link_past_its_day_opens_nothing(studio: Studio):
    link = own_link(studio, picture(), life_seconds=-1)
    [job] = studio.work(Looking(), studio.order(parameters={"image_url": link}))
    assert "expired" in (job.error_message or "")


def test_a_picture_of_ours_that_the_disk_does_not_give_costs_its_job_only(studio: Studio):
    link = own_link(studio, picture())
    [file] = studio.store.root.glob("*/*.png")
    file.unlink()
    file.symlink_to("/proc/self/mem")  # a file that exists, and whose reading is an input error
    [job] = studio.work(Looking(), studio.order(parameters={"image_url": link}))
    assert (job.state, job.error_code) == ("failed", "service_error")
    studio.assert_nothing_was_charged()


def test_a_worker_with_one_place_gives_it_back_to_whom_has_fetched(studio: Studio):
    engine = Looking()

    async def scenario() -> Job:
        async with receiving(answering(ok(picture()))) as receiver:
            job = await submitted(studio, receiver.url())
            worker = studio.worker(engine, jobs_max=1)
            running = asyncio.create_task(worker.run())
            ended = await studio.until(job, lambda now: now.state.is_final)
            worker.drain()
            await running
            return ended

    assert studio.books.run(scenario()).state == "completed"


class Counting(Looking):
    """Notes how many pictures were fetched before each request begins."""

    def __init__(self, fetched: list[Request]) -> None:
        super().__init__()
        self.fetched = fetched
        self.ahead: list[int] = []

    def generate(self, request: ImageRequest) -> Iterator[Step | Picture]:
        self.ahead.append(len(self.fetched) - len(self.given))
        self.given.append("")
        yield from FakeEngine(seconds=0.05).generate(request)


def test_pictures_are_fetched_only_a_little_ahead_of_the_engine(studio: Studio):
    """Each may have 16 MiB, and waits in memory."""
    seen: list[Request] = []
    engine, all_wait = Counting(seen), asyncio.Event()

    async def handle(reader: Reader, writer: Writer) -> None:
        request = await read_request(reader)
        await all_wait.wait()
        seen.append(request)
        writer.write(ok(picture()))
        await writer.drain()

    async def scenario() -> None:
        async with receiving(handle) as receiver:
            ordered = [await submitted(studio, receiver.url()) for _ in range(12)]
            worker = studio.worker(engine, jobs_max=1)
            running = asyncio.create_task(worker.run())
            for job in ordered:
                await studio.until(job, lambda now: now.state == "running")
            all_wait.set()
            for job in ordered:
                await studio.until(job, lambda now: now.state.is_final)
            worker.drain()
            await running

    studio.books.run(scenario())
    assert len(engine.ahead) == 12
    assert max(engine.ahead) <= 1 + PER_ACCOUNT


def test_who_cancels_while_waiting_for_a_turn_calls_nobody(studio: Studio):
    waiting, heard, books = asyncio.Event(), set[str](), studio.books

    async def handle(reader: Reader, writer: Writer) -> None:
        await read_request(reader)
        await waiting.wait()
        writer.write(ok(picture()))
        await writer.drain()

    async def scenario() -> int:
        async with receiving(handle) as receiver:
            ordered = [await submitted(studio, receiver.url()) for _ in range(PER_ACCOUNT + 4)]
            worker = studio.worker(Looking())
            running = asyncio.create_task(worker.run())
            for job in ordered:
                await studio.until(job, lambda now: now.state == "running")
            books.db.subscribe(heard.add)  # after the worker, so that it hears first
            late = ordered[PER_ACCOUNT:]
            for job in late:
                await cancel(books.db, job.account_id, job.id, job.dialect, books.defaults, link)
            async with asyncio.timeout(20):
                while not {f"stop:{job.id}" for job in late} <= heard:
                    await asyncio.sleep(0.001)
            waiting.set()
            for job in ordered[:PER_ACCOUNT]:
                await studio.until(job, lambda now: now.state == "completed")
            worker.drain()
            await running
            return receiver.connections

    assert studio.books.run(scenario()) == PER_ACCOUNT


PIXEL = "data:image/png;base64,iVBORw0KGgo="


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://example.org/a.png", "must begin with https://"),
        ("https://127.0.0.1/a.png", "internal"),
        ("https://169.254.169.254/latest", "internal"),
        ("data:image/gif;base64,R0lG", "PNG, JPEG or WebP"),
        ("data:image/png;base64,????", "base64"),
        ("data:image/png;base64,R0lG", "is not a PNG picture"),
        ("https://elsewhere/pictures/a.png", ""),
    ],
)
def test_the_door_refuses_what_could_never_be_read(url: str, words: str):
    asked = ImageRequest(model="", prompt="", width=8, height=8, parameters={"image_url": url})
    with pytest.raises(InvalidRequest, match="image_url") as refused:
        check_source(asked, lambda _: False)
    assert words in refused.value.message
    assert refused.value.parameter == "image_url"


@pytest.mark.parametrize("url", ["https://example.org/a.png", PIXEL, None, "http://here/pictures/"])
def test_the_door_takes_what_may_be_read(url: str | None):
    asked = ImageRequest(model="", prompt="", width=8, height=8, parameters={"image_url": url})
    check_source(asked, lambda address: address.startswith("http://here/pictures/"))
