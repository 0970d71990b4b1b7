"""The settings that belong together: limits, connections, engines, open weights, webhooks."""

import ipaddress
import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, SecretStr
from pydantic_settings import NoDecode

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def separated(value: object) -> object:
    """A list from text with commas; what is no text is left to the validation."""
    if isinstance(value, str):
        return tuple(filter(None, (part.strip() for part in value.split(","))))
    return value


def networks(value: tuple[str, ...]) -> tuple[str, ...]:
    for text in value:
        ipaddress.ip_network(text)  # says what is wrong, host bits included
    return value


# From one text with commas between its parts, as variables are; in TOML also a list.
Texts = Annotated[tuple[str, ...], NoDecode, BeforeValidator(separated)]
NetworkTexts = Annotated[Texts, AfterValidator(networks)]


class LimitSettings(BaseModel, frozen=True, extra="forbid"):
    """What every account gets that has no limits of its own."""

    requests_per_minute: int | None = Field(
        None,
        gt=0,
        description="submissions a minute, with a burst of one minute's worth; unset: no limit",
    )
    concurrency: int = Field(
        64,
        gt=0,
        description="jobs of one account in the queue at a time; more wait in its backlog",
    )
    backlog: int = Field(
        100_000,
        ge=0,
        description="jobs of one account that may wait behind its concurrency limit; past it 429",
    )
    watchers: int = Field(
        1024, gt=0, description="requests of one account that wait at a time (?wait= and /events)"
    )
    wrong_keys_per_minute: int = Field(
        20,
        gt=0,
        description="wrong API keys from one address (of IPv6 its /64) before the answer is 429;"
        " good keys from there go on working",
    )
    checks_per_minute: int = Field(
        60,
        gt=0,
        description="pictures that one address (of IPv6 its /64) may have checked without a key"
        " (POST /provenance/check) in a minute; with a key there is no such limit",
    )


class ConnectionSettings(BaseModel, frozen=True, extra="forbid"):
    """What a connection may hold, and for how long, before it has earned anything."""

    head_seconds: float = Field(10.0, gt=0, description="for all headers, from the connection on")
    body_seconds: float = Field(30.0, gt=0, description="for a whole body, from its headers on")
    idle_seconds: float = Field(5.0, gt=0, description="between a reply and the next request")
    stalled_seconds: float = Field(
        30.0,
        gt=0,
        description="for a reader to take in what the server has ready, before it is cut off",
    )
    total: int = Field(
        8192, gt=0, description="open connections in all; the next are answered 503 and closed"
    )
    drain_seconds: float = Field(
        0.0,
        ge=0,
        description="between SIGTERM and the end of listening: /readyz says 503 meanwhile, so that"
        " a load balancer looks elsewhere; asked twice, the server waits no longer",
    )
    per_address: int | None = Field(
        None,
        gt=0,
        description="open connections of one address (of IPv6 its /64); unset: 256, and no limit"
        " for this machine's own and for trusted proxies",
    )
    proxies: NetworkTexts = Field(
        (),
        description="networks (10.1.2.0/24, with commas between them) of your own proxies, whose"
        " X-Forwarded-For is believed; addresses in the audit log and the limits for wrong keys"
        " are then the callers'. Each must add to that header or replace it",
    )

    @property
    def networks(self) -> tuple[Network, ...]:
        return tuple(ipaddress.ip_network(text) for text in self.proxies)


class EngineSettings(BaseModel, frozen=True, extra="forbid"):
    """How pictures are made."""

    jobs: int = Field(
        4,
        gt=0,
        le=64,
        description="jobs that a worker has in hand at a time; each step goes to the one with the"
        " least work left, so that short jobs pass long ones",
    )
    threads: int = Field(
        default_factory=lambda: min(4, os.cpu_count() or 1), gt=0, le=256,
        description="CPU threads of the embedded model; by default the cores, at most 4",
    )  # fmt: skip
    timeout_seconds: float = Field(
        180.0,
        gt=0,
        description="how long an engine may work on an attempt, without what it waits for other"
        " jobs; Krea's own tools get three minutes",
    )
    stuck_seconds: float = Field(
        10.0,
        ge=0,
        description="how long past its deadline an engine may go on before its process is killed",
    )
    fake_seconds: float = Field(
        0.0, ge=0, description="seconds a picture of the fake engine takes (stand_in = fake)"
    )


class WebhookSettings(BaseModel, frozen=True, extra="forbid"):
    """How callers' webhooks are delivered."""

    attempt_seconds: float = Field(
        10.0,
        gt=0,
        le=60,
        description="for all of an attempt: lookup, connecting, sending and the whole answer; both"
        " wires promise ten. A process that is killed keeps its messages half as long again",
    )
    in_flight: int = Field(
        256, gt=0, le=4096, description="messages that a process sends at a time, in all"
    )
    per_account: int = Field(
        8, gt=0, description="messages of one account on their way at a time, over all processes"
    )
    per_host: int = Field(
        32, gt=0, description="messages to one host on their way at a time, over all processes"
    )


class TelemetrySettings(BaseModel, frozen=True, extra="forbid"):
    """What the house tells its operator about itself."""

    metrics_port: int | None = Field(
        None,
        ge=0,
        le=65535,
        description="the TCP port of `/metrics` for Prometheus, which is not the callers'; 0 takes"
        " a free one and logs it; unset: nothing is counted",
    )
    metrics_host: str = Field(
        "127.0.0.1",
        description="the address it listens on; others than loopback need the token below",
    )
    metrics_token: SecretStr | None = Field(
        None, description="at least 16 characters, which Prometheus shows as its bearer token"
    )
    log_format: Literal["auto", "json", "text"] = Field(
        "auto", description="of the lines on stderr; auto is text on a terminal, else JSON"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="the least serious lines to write; info has each job's changes"
    )
    log_requests: bool = Field(
        False, description="also a line for each request; it costs a sixth of a poll"
    )
    traces: bool = Field(
        False,
        description="spans to an OpenTelemetry collector (`pip install 'safelight[otel]'`): where,"
        " OTEL_EXPORTER_OTLP_ENDPOINT says, and how many, OTEL_TRACES_SAMPLER",
    )


class TorchSettings(BaseModel, frozen=True, extra="forbid"):
    """How open weights are run (`pip install 'safelight[torch]'`)."""

    device: str = Field(
        "auto",
        description="cuda, cuda:1, mps or cpu; auto gives each worker a GPU of its own, as far as"
        " there are some",
    )
    precision: Literal["auto", "bf16", "fp8", "int8", "fp32"] = Field(
        "auto",
        description="of the weights; auto is bf16 on a GPU with room for it, else what"
        " `safelight doctor` advises, and fp32 on a CPU. fp8 needs compute capability 8.9",
    )
    offload: Literal["auto", "none", "text", "group", "sequential"] = Field(
        "auto",
        description="what leaves the GPU between its turns: nothing, the text encoder, groups of"
        " layers, or every layer; auto is what `safelight doctor` advises",
    )
    compile: bool | None = Field(
        None, description="torch.compile of the repeated block; unset: on a GPU"
    )
    attention: str = Field(
        "auto", description="auto is the fastest that a probe at the start finds, or one by name"
    )
    text_tokens: int = Field(
        512,
        ge=64,
        le=1024,
        description="of a prompt that Krea 2 reads, 5 for its template included; beyond 512 it was"
        " never trained, and pictures may turn black",
    )
    preview_steps: int = Field(2, ge=0, description="a preview after every so many steps; 0: none")
    styles: Path | None = Field(None, description="the folder of LoRA styles, with its styles.toml")
    download: bool = Field(
        False, description="fetch from the hub what is not on disk; off: never touch the network"
    )


class ProvenanceSettings(BaseModel, frozen=True, extra="forbid"):
    """What pictures say of their origin, and who signs it."""

    certificate: Path | None = Field(
        None,
        description="a file with the certificate that signs pictures and those that issued it, in"
        " PEM form; unset: the install makes an authority and a certificate of its own",
    )
    key: Path | None = Field(
        None, description="the file with that certificate's private key, in PEM form, unencrypted"
    )
    time_authority: str | None = Field(
        None,
        pattern=r"^https?://",
        description="the URL of an RFC 3161 service that is asked for the time of each picture;"
        " without its answer a picture is not delivered. Unset: no trusted time, and no network",
    )
    prompt: bool = Field(False, description="whether pictures tell the prompt they were made from")
    account: bool = Field(
        False, description="whether pictures tell the id of the account they were made for"
    )
    registry_days: int = Field(
        5 * 365,
        gt=0,
        description="days that the registry knows a picture again, by its SHA-256 and its looks;"
        " it outlives the picture and its job, and holds neither prompt nor account",
    )
