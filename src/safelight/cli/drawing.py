"""`safelight image`: one picture over HTTP, with a progress bar."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from safelight.cli.bookkeeping import demo_key
from safelight.errors import ConfigurationError
from safelight.settings import Settings

START_SECONDS_MAX = 60
REQUEST_SECONDS_MAX = 60
EXAMPLE_PROMPT = (
    "A cinematic product poster, silver headphones floating against a deep matte-black backdrop"
    " with soft rim lighting"
)


def draw(
    config: Settings,
    body: dict[str, Any],
    output: Path | None,
    *,
    show_curl: bool,
    console: Console,
) -> Path:
    """Submit, follow the progress, download. Starts a server for the purpose when none runs."""
    with _server(config, console) as url:
        key = os.environ.get("SAFELIGHT_KEY") or demo_key(config)
        started = time.monotonic()
        task = _call("POST", f"{url}/v1/images/generations", key, body)
        finished = _follow(url, key, task["id"], console)
        if finished["status"] != "completed":
            raise ConfigurationError(f"no picture: {finished['error']['message']}")
        seconds = time.monotonic() - started
        path = output or _file_name(body["prompt"])
        with urllib.request.urlopen(finished["results"][0], timeout=REQUEST_SECONDS_MAX) as reply:  # noqa: S310 — our own server's link
            path.write_bytes(reply.read())
    console.print(
        f"[bold]{path.resolve()}[/]", f"in {seconds:.1f} s, drawn by {finished['model']}",
        highlight=False, soft_wrap=True,
    )  # fmt: skip
    if show_curl:
        console.print("\nThe same with curl, against `safelight serve`:", style="dim")
        console.print(
            curl(config.base_url, "$SAFELIGHT_KEY", body), soft_wrap=True, highlight=False
        )
    return path


def curl(url: str, key: str, body: dict[str, Any] | None = None) -> str:
    """The command that makes the same request."""
    body = body or {
        "model": "krea-2-turbo", "prompt": EXAMPLE_PROMPT, "size": "16:9", "quality": "1K"
    }  # fmt: skip
    text = json.dumps(body, ensure_ascii=False).replace("'", "'\\''")
    return (
        f"curl {url}/v1/images/generations \\\n"
        f'  -H "Authorization: Bearer {key}" \\\n'
        f"  -H 'Content-Type: application/json' \\\n"
        f"  -d '{text}'"
    )


@contextlib.contextmanager
def _server(config: Settings, console: Console) -> Iterator[str]:
    """The URL of a server that answers: a remote one, this home's, or one that we start."""
    url = os.environ.get("SAFELIGHT_URL", config.base_url).rstrip("/")
    if "SAFELIGHT_URL" in os.environ or _is_ready(url):
        yield url
        return
    with console.status("starting a server for this picture …"):
        process = subprocess.Popen(
            [sys.executable, "-m", "safelight", "serve", "--port", "0"],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            env={**os.environ, "NO_COLOR": "1", "COLUMNS": "200"},
        )  # fmt: skip
        url = _wait_for_start(process)
    try:
        yield url
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=START_SECONDS_MAX)


def _wait_for_start(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    found = re.search(r"http://\S+", process.stdout.readline())
    if found is None:
        raise ConfigurationError("the server did not start; `safelight serve` shows why")
    deadline = time.monotonic() + START_SECONDS_MAX
    while not _is_ready(found.group()):
        if process.poll() is not None or time.monotonic() > deadline:
            raise ConfigurationError("the server did not become ready; `safelight serve` shows why")
        time.sleep(0.05)
    return found.group()


def _is_ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=2) as reply:  # noqa: S310
            return bool(reply.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _follow(url: str, key: str, task_id: str, console: Console) -> dict[str, Any]:
    """Read the task's server-sent events to its end, drawing its progress."""
    request = urllib.request.Request(  # noqa: S310
        f"{url}/v1/tasks/{task_id}/events", headers={"Authorization": f"Bearer {key}"}
    )
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
    )
    with Progress(*columns, TimeElapsedColumn(), console=console, transient=True) as bar:
        shown = bar.add_task("pending", total=100)
        with urllib.request.urlopen(request, timeout=REQUEST_SECONDS_MAX) as events:  # noqa: S310
            for line in events:
                if line.startswith(b"data: "):
                    task: dict[str, Any] = json.loads(line[6:])
                    bar.update(shown, description=task["status"], completed=task["progress"])
                    if task["status"] in ("completed", "failed"):
                        return task
    return _call("GET", f"{url}/v1/tasks/{task_id}?wait=60", key)


def _call(method: str, url: str, key: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    request = urllib.request.Request(  # noqa: S310
        url,
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=REQUEST_SECONDS_MAX) as reply:  # noqa: S310
            return dict(json.load(reply))
    except urllib.error.HTTPError as error:
        with error:
            message = json.load(error).get("error", {}).get("message", error.reason)
        raise ConfigurationError(f"{url} answered {error.code}: {message}") from None


def _file_name(prompt: str) -> Path:
    words = re.findall(r"\w+", prompt.lower())[:6]
    return Path(f"{'-'.join(words) or 'picture'}.png")
