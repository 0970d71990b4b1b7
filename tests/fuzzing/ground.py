"""A server to be fuzzed, with things of two accounts on it, and its state afterwards."""

import re
from decimal import Decimal
from pathlib import Path

import requests

from fuzzing.cases import Ground
from fuzzing.judging import Judge
from routing import real_routes
from running import NOBODY, Customer, Server, command, until
from safelight import catalog
from safelight.api import openapi
from safelight.cli import bookkeeping

# Nobody listens there, and it is the only place that callers' URLs may lead to.
SETTINGS = {
    "EGRESS_ALLOW": f"{NOBODY}/32",
    "CONNECTIONS__HEAD_SECONDS": 0.5, "CONNECTIONS__BODY_SECONDS": 0.5,
    "CONNECTIONS__IDLE_SECONDS": 2, "CONNECTIONS__STALLED_SECONDS": 5,
}  # fmt: skip
MISTAKE = re.compile(r'Traceback|request \S+ failed|"level":"(error|critical)"')
THEIRS = "the other account's own words"  # a prompt that no reply to us may hold


class Prey:
    """The server under fire: its ground, its judge, and whether it came through."""

    def __init__(self, server: Server):
        self.server = server
        self.port = int(server.url.rpartition(":")[2])
        self.rich, self.poor = server.customer("100000"), server.customer(None)
        self.other = server.customer("100")
        self.ground = self._ground()
        self._spent_by_other = server.balance(self.other)["spent"]
        self.judge = Judge([THEIRS, self.rich.key, self.other.key])

    def _ground(self) -> Ground:
        document = openapi.document(catalog.load(), "0")
        schemas, query = {}, {}
        for path, item in document["paths"].items():
            for operation in item.values():
                names = [
                    p["name"] for p in operation.get("parameters", []) if p.get("in") == "query"
                ]
                query.setdefault(path.replace("{id}", "{job_id}"), []).extend(names)
                if content := operation.get("requestBody", {}).get("content"):
                    schemas[path] = content["application/json"]["schema"]
        ours, theirs = self._things(self.rich, "a cat"), self._things(self.other, THEIRS)
        return Ground(
            routes=real_routes(), schemas=schemas, rich=self.rich.key, poor=self.poor.key,
            known={name: [*ours[name], *theirs[name]] for name in ours},
            pictures=[*ours["link"], *theirs["link"]], query=query,
            picture=requests.get(self.server.url + ours["link"][0], timeout=10).content,
        )  # fmt: skip

    def _things(self, customer: Customer, prompt: str) -> dict[str, list[str]]:
        task = customer.finished(customer.ordered(prompt, callback_url=f"https://{NOBODY}/hook"))
        job = customer.order_krea(prompt).json()["job_id"]
        assert customer.job(job, wait=30)["status"] == "completed"
        deliveries = customer.call("GET", "/v1/webhooks/deliveries").json()
        [link] = task["results"]
        name = link.split("?")[0].rpartition("/")[2]
        message_ids = re.findall(r"msg_[0-9a-f]{24}", str(deliveries))
        return {
            "task_id": [task["id"]], "job_id": [job], "message_id": message_ids,
            "link": [link.removeprefix(self.server.url)], "name": [name],
            "model_id": ["krea-2-turbo", "flux-1-dev"],
        }  # fmt: skip

    def shots_fired(self) -> None:
        """Wait until no job is left to do."""
        until(lambda: self.server.count("jobs where finished_at_ms is null") == 0, 300)

    def came_through(self) -> list[str]:
        """What is wrong with the server now; nothing is as it should be."""
        self.shots_fired()
        wrong = []
        for path in ("/livez", "/readyz"):
            status = requests.get(f"{self.server.url}{path}", timeout=5).status_code
            wrong += [] if status == 200 else [f"{path} answers {status}"]
        wrong += bookkeeping.verify(self.server.config).problems
        done = command(self.server.home, "audit", "verify")
        wrong += [done.stdout + done.stderr] if done.returncode != 0 else []
        balance = self.server.balance(self.rich)
        if balance["held"] or balance["granted"] != balance["available"] + balance["spent"]:
            wrong.append(f"the balance does not add up: {balance}")
        if self.server.balance(self.poor)["spent"] != Decimal(0):
            wrong.append("an account without credits spent some")
        if self.server.balance(self.other)["spent"] != self._spent_by_other:
            wrong.append("somebody else's credits were spent")
        return wrong + self._log()

    def _log(self) -> list[str]:
        text = self.server.log.read_text()
        wrong = []
        for found in list(MISTAKE.finditer(text))[:3]:
            around = text[max(0, found.start() - 500) : found.end() + 2500]
            wrong.append(f"the log tells of a mistake of ours: {around}")
        if any(customer.key in text for customer in (self.rich, self.poor, self.other)):
            wrong.append("the log holds a key")
        if THEIRS in text:
            wrong.append("the log holds a prompt")
        return wrong

    def rss_mib(self) -> float:
        status = Path(f"/proc/{self.server.pid}/status").read_text()
        return int(re.findall(r"VmRSS:\s+(\d+)", status)[0]) / 1024
