"""Which webhook addresses are taken."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safelight.dialects.webhook_url import check_webhook_url
from safelight.egress import parse_networks
from safelight.errors import InvalidRequest


@pytest.mark.parametrize(
    "url",
    [
        "https://your-domain.com/webhooks/image-task-completed",
        "https://hooks.example.com/a?secret=s3cr3t&x=%20#part",
        "HTTPS://Example.COM:8443/",
        "https://example.com:443",
        "https://example.com.",
        "https://münchen.example/webhook",
        "https://8.8.8.8/hook",
        "https://[2606:4700:4700::1111]/hook",
        "https://a.example/path/with@sign",
        "https://example.com/" + "x" * 2028,
    ],
)
def test_a_public_https_address_is_taken_as_it_is(url: str):
    assert check_webhook_url(url, "callback_url") == url


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("", "https://"),
        ("http://example.com/", "https://"),
        ("ftp://example.com/", "https://"),
        ("//example.com/", "https://"),
        ("https:example.com", "https://"),
        ("https://", "name a host"),
        ("https:///path", "name a host"),
        ("https://user@example.com/", "user name"),
        ("https://user:secret@example.com/", "user name"),
        ("https://example.com@10.0.0.1/", "user name"),
        ("https://example.com:80/", "443"),
        ("https://example.com:/", "443"),
        ("https://8.8.8.8:9000/", "443"),
        ("https://example.com:99999/", "valid URL"),
        ("https://example.com:٤٤٣/", "valid URL"),
        ("https://exam ple.com/", "spaces"),
        (" https://example.com/", "spaces"),
        ("https://example.com/\n", "spaces"),
        ("https://example.com/\u202e", "spaces"),
        ("https://example.com\\@10.0.0.1/", "spaces"),
        ("https://localhost/", "public internet"),
        ("https://db/", "public internet"),
        ("https://printer.local/", "public internet"),
        ("https://receiver.test/", "public internet"),
        ("https://metadata.google.internal/", "public internet"),
        ("https://x.localhost./", "public internet"),
        ("https://127.0.0.1/", "internal"),
        ("https://10.1.2.3/", "internal"),
        ("https://172.16.0.1/", "internal"),
        ("https://172.31.255.255/", "internal"),
        ("https://192.168.1.1:8443/", "internal"),
        ("https://169.254.169.254/latest/meta-data", "internal"),
        ("https://100.64.0.1/", "internal"),
        ("https://0.0.0.0/", "internal"),
        ("https://224.0.0.1/", "internal"),
        ("https://168.63.129.16/", "internal"),
        ("https://192.0.0.192/", "internal"),
        ("https://192.88.99.1/", "internal"),
        ("https://203.0.113.1/", "internal"),
        ("https://127。0。0。1/", "internal"),
        ("https://１２７.０.０.１/", "internal"),
        ("https://2130706433/", "valid host"),
        ("https://0x7f000001/", "valid host"),
        ("https://127.1/", "valid host"),
        ("https://0177.0.0.1/", "valid host"),
        ("https://[::1]/", "internal"),
        ("https://[::]/", "internal"),
        ("https://[fe80::1]/", "internal"),
        ("https://[2606:4700::1111%25eth0]/", "valid"),
        ("https://[fd00::1]/", "internal"),
        ("https://[::ffff:10.0.0.1]/", "internal"),
        ("https://[64:ff9b::a00:1]/", "internal"),
        ("https://[::127.0.0.1]/", "internal"),
        ("https://[3fff::1]/", "internal"),
        ("https://[2002:a00:1::]/", "internal"),
        ("https://[not-an-address]/", "valid"),
        ("https://example.com/a#b#c", "valid URL"),
        ("https://example.com/%zz", "valid URL"),
        ("https://example.com/경로", "valid URL"),
        ("https://exa_mple..com/", "valid host"),
        ("https://-a.example/", "valid host"),
        ("https://" + "a" * 64 + ".example/", "valid host"),
        ("https://example.com/" + "x" * 2029, "2048"),
    ],
)
def test_any_other_is_refused_with_its_reason(url: str, reason: str):
    with pytest.raises(InvalidRequest) as caught:
        check_webhook_url(url, "callback_url")
    assert caught.value.parameter == "callback_url"
    assert reason in caught.value.message


@given(st.text() | st.text("htps:/.@[]%0123456789abcx?#\\ ", min_size=1).map("https://".__add__))
def test_any_text_is_taken_or_refused(url: str):
    with suppress(InvalidRequest):
        assert check_webhook_url(url, "X-Webhook-URL") == url


@pytest.mark.parametrize("url", ["https://10.0.0.7:9000/hook", "https://receiver.corp:9000/hook"])
def test_receivers_in_networks_that_the_operator_allows_are_taken_on_any_port(url: str):
    with pytest.raises(InvalidRequest):
        check_webhook_url(url, "callback_url")
    assert check_webhook_url(url, "callback_url", parse_networks(["10.0.0.0/8"])) == url
