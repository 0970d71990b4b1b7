"""A real server in its own processes, and the callers who knock at it."""

import contextlib
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import requests

from safelight.catalog.prices import microcredits
from safelight.cli import bookkeeping
from safelight.settings import Settings

T = TypeVar("T")

START_SECONDS = 30
NOBODY = "127.7.7.7"  # callers' URLs may lead there, and nobody listens
KREA_ROUTE = "krea/krea-2/medium-turbo"


def until(condition: Callable[[], T | None], seconds: float = 30) -> T:
    """What the condition returns, as soon as that is true; fails when the time is up."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.005)
    return found


def environment(home: Path, **variables: object) -> dict[str, str]:
    """This process's environment, with only the given SAFELIGHT_* variables in it."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("SAFELIGHT_")}
    ours = {"HOME": home, "STAND_IN": "fake"} | variables
    for limit in ("WRONG_KEYS", "CHECKS"):  # tests share one address
        ours.setdefault(f"LIMITS__{limit}_PER_MINUTE", 1_000_000)
    ours.setdefault("MODERATION__CLASSIFIER", ours["STAND_IN"] == "mini")  # which reads as much
    return clean | {f"SAFELIGHT_{name}": str(value) for name, value in ours.items()}


def command(home: Path, *arguments: str, **variables: object) -> "subprocess.CompletedProcess[str]":
    """Run `safelight …` to its end."""
    return subprocess.run(
        [sys.executable, "-m", "safelight", *arguments],
        env=environment(home, **variables), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


@dataclass
class Customer:
    """One key, and what can be done with it."""

    url: str
    key: str
    account: str
    http: requests.Session = field(default_factory=requests.Session)

    def call(self, method: str, path: str, **options: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {self.key}"} | options.pop("headers", {})
        return self.http.request(method, self.url + path, headers=headers, timeout=70, **options)

    def order(
        self, prompt: str = "a cat", headers: dict[str, str] | None = None, **fields: Any
    ) -> requests.Response:
        """Submit at the EvoLink door: 0.45 credits, unless `quality` says otherwise."""
        body = {"model": "krea-2-turbo", "prompt": prompt} | fields
        return self.call("POST", "/v1/images/generations", json=body, headers=headers or {})

    def order_krea(self, prompt: str = "a cat", **fields: Any) -> requests.Response:
        body = {"prompt": prompt, "aspect_ratio": "1:1", "resolution": "1K"} | fields
        return self.call("POST", f"/generate/image/{KREA_ROUTE}", json=body)

    def ordered(self, prompt: str = "a cat", **fields: Any) -> str:
        """The id of a task that was accepted."""
        reply = self.order(prompt, **fields)
        assert reply.status_code == 200, reply.text
        return str(reply.json()["id"])

    def task(self, task_id: str, wait: int | None = None) -> dict[str, Any]:
        query = "" if wait is None else f"?wait={wait}"
        reply = self.call("GET", f"/v1/tasks/{task_id}{query}")
        assert reply.status_code == 200, reply.text
        return dict(reply.json())

    def finished(self, task_id: str, seconds: int = 60) -> dict[str, Any]:
        """The task once it has ended."""
        task = self.task(task_id, wait=seconds)
        assert task["status"] in ("completed", "failed"), task
        return task

    def job(self, job_id: str, wait: int | None = None) -> dict[str, Any]:
        query = "" if wait is None else f"?wait={wait}"
        reply = self.call("GET", f"/jobs/{job_id}{query}")
        assert reply.status_code == 200, reply.text
        return dict(reply.json())


class Server:
    """`safelight serve` on a free port, with all its data in `home`."""

    def __init__(self, home: Path, **variables: object):
        self.home = home
        self.variables = variables
        self.config = Settings(home=home, stand_in="fake")
        self.log = home.with_name(f"{home.name}.log")
        self.url = ""
        self.customers: list[Customer] = []
        self._process: subprocess.Popen[str] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self, *, ready: bool = True) -> "Server":
        with self.log.open("a") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "safelight", "serve", "--port", "0"],
                env=self._environment(),
                stdout=subprocess.PIPE, stderr=log, text=True,
            )  # fmt: skip
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        found = re.search(r"http://\S+", line)
        assert found, f"{line}\n{self.log.read_text()}"
        self.url = found.group()
        for customer in self.customers:
            customer.url = self.url
        if ready:
            until(self.is_ready, START_SECONDS)
        return self

    def _environment(self) -> dict[str, str]:
        return environment(self.home, **self.variables) | {"NO_COLOR": "1", "COLUMNS": "200"}

    def is_ready(self) -> bool:
        return requests.get(f"{self.url}/readyz", timeout=5).status_code == 200

    def worker_pids(self) -> list[int]:
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        return [int(pid) for pid in children]

    def kill(self) -> None:
        """kill -9 of the server and its workers, by pid, at once."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)  # so that it starts no new worker meanwhile
        workers = self.worker_pids()
        for pid in [*workers, self.pid]:
            os.kill(pid, signal.SIGKILL)
        self._wait()
        until(lambda: not any(map(is_alive, workers)))

    def kill_alone(self) -> None:
        """kill -9 of the server only: its workers have to notice."""
        os.kill(self.pid, signal.SIGKILL)
        self._wait()

    def stop(self) -> int:
        """SIGTERM; returns the exit code."""
        if self._process is None:
            return 0
        self._process.send_signal(signal.SIGTERM)
        return self._wait()

    def wait(self) -> int:
        """Until it ends by itself; returns the exit code."""
        return self._wait()

    def _wait(self) -> int:
        process, self._process = self._process, None
        assert process is not None
        assert process.stdout is not None
        code = process.wait(timeout=40)
        process.stdout.close()
        return code

    def customer(
        self,
        credits: str | None = "1000",  # noqa: A002
        **terms: Any,
    ) -> Customer:
        """A new account with a key of its own; `terms` are those of bookkeeping.create_key."""
        account = f"customer-{len(self.customers)}"
        grant = None if credits is None else microcredits(Decimal(credits))
        made = bookkeeping.create_key(self.config, account, grant=grant, **terms)
        customer = Customer(self.url, made["key"], account)
        self.customers.append(customer)
        return customer

    def balance(self, customer: Customer) -> dict[str, Decimal]:
        [found] = bookkeeping.balances(self.config, customer.account)
        found.pop("account")
        return {book: Decimal(amount) for book, amount in found.items()}

    def assert_books_agree(self) -> None:
        """`safelight ledger verify`, as an operator would run it."""
        proof = command(self.home, "ledger", "verify")
        assert proof.returncode == 0, proof.stdout
        assert proof.stdout.startswith("ok: ")

    def count(self, rows: str) -> int:
        """How many rows "jobs where …" names, by the database itself."""
        with contextlib.closing(sqlite3.connect(self.config.database_path)) as connection:
            return int(connection.execute(f"select count(*) from {rows}").fetchone()[0])

    def read_json(self, *arguments: str) -> Any:
        done = command(self.home, *arguments, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def close(self) -> None:
        self.stop()
        for customer in self.customers:
            customer.http.close()


def is_alive(pid: int) -> bool:
    """Whether the process runs; one that is dead but not yet buried does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
