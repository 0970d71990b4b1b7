"""A row that should not exist is told of in the log, and the house goes on when it is mended."""

import contextlib
import sqlite3
from pathlib import Path

from running import Server, until


def change(server: Server, *statements: str) -> None:
    with contextlib.closing(sqlite3.connect(server.config.database_path)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


def test_sweeping_goes_on_after_a_job_that_nobody_paid_for(tmp_path: Path):
    server = Server(tmp_path / "home", WORKERS=0).start(ready=False)
    try:
        customer = server.customer()
        lost, unpaid = customer.ordered(), customer.ordered()
        lease = "state = 'running', worker = 'dead', lease_until_ms = 1"
        change(
            server,
            "drop trigger ledger_no_delete",
            f"delete from ledger where job_id = '{unpaid}'",
            f"update jobs set {lease}, attempt = 1 where id = '{lost}'",
            f"update jobs set {lease}, attempt = 3 where id = '{unpaid}'",
        )
        until(lambda: "a mistake of ours" in server.log.read_text())
        assert customer.task(lost)["status"] == "processing"
        change(server, f"delete from jobs where id = '{unpaid}'")
        until(lambda: customer.task(lost)["status"] == "pending")
    finally:
        server.close()
