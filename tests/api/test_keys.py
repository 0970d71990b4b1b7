"""What is no key of ours opens nothing, and who came too often may come back when told."""

import pytest

from running import Customer, Server, until
from safelight.accounts import new_key

READ = "/v1/credits"


@pytest.mark.parametrize(
    "authorization",
    [
        "", "Bearer", "Bearer ", "Basic {key}", "{key}", "Bearer {key}x", "Bearer x{key}",
        "Bearer {unknown}", "Bearer {key} {key}", "Bearer \xff", "Bearer " + "x" * 5000,
    ],
)  # fmt: skip
def test_without_a_key_of_ours_both_doors_stay_shut(
    server: Server, customer: Customer, authorization: str
):
    header = authorization.format(key=customer.key, unknown=new_key())
    headers = {"Authorization": header.encode("latin-1")}
    for path in (READ, "/v1/tasks", "/jobs", "/jobs/e8a3d2c4-0000-4000-8000-000000000000"):
        assert customer.call("GET", path, headers=headers).status_code == 401
    assert customer.order(headers=headers).status_code == 401


def test_retry_after_is_kept(server: Server):
    customer = server.customer(requests_per_minute=60)
    while (reply := customer.order()).status_code == 200:
        pass
    assert reply.status_code == 429
    wait = int(reply.headers["Retry-After"])
    assert wait == 1
    until(lambda: customer.order().status_code == 200, seconds=wait + 0.5)
