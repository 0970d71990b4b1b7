"""Every knob, read once at start from SAFELIGHT_* variables or a TOML file, and then frozen."""

import contextlib
import difflib
import os
import re
import secrets
import socket
import tomllib
from decimal import Decimal
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from safelight.errors import ConfigurationError
from safelight.settings.moderation import ModerationSettings
from safelight.settings.sections import (
    ConnectionSettings,
    EngineSettings,
    LimitSettings,
    NetworkTexts,
    ProvenanceSettings,
    TelemetrySettings,
    Texts,
    TorchSettings,
    WebhookSettings,
)

PREFIX = "SAFELIGHT_"
MODELS_PREFIX = "SAFELIGHT_MODELS__"
SECRET_BYTES_MIN = 16
SECRET_DISTINCT_MIN = 6  # characters; of 16 random hex digits, one secret in 20 000 has fewer
# What examples and habits put where a secret belongs.
SECRET_PLACEHOLDERS = re.compile(
    r"change.?(me|this)|your.?secret|password|default|example|placeholder|12345678|qwerty", re.I
)
EVERY_ADDRESS = ("", "0.0.0.0", "::")  # noqa: S104 — recognised, not bound
# The command line's own variables, which are no settings.
OTHER_VARIABLES = {"SAFELIGHT_CONFIG", "SAFELIGHT_KEY", "SAFELIGHT_URL"}


class Settings(BaseSettings):
    """The frozen settings. The docs page is generated from these descriptions."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", frozen=True, extra="forbid"
    )

    home: Path = Field(
        default_factory=lambda: Path.home() / ".safelight",
        description="the folder of all data: database, pictures, the install's secret",
    )
    host: str = Field(
        "127.0.0.1", description="the address to listen on; loopback unless you say otherwise"
    )
    port: int = Field(
        8000, ge=0, le=65535, description="the TCP port to listen on; 0 takes a free one"
    )
    public_url: str | None = Field(
        None,
        description="how callers reach this server, for picture links; by default http://HOST:PORT",
    )
    hosts: Texts = Field(
        (),
        description="names, with commas between them and each with or without a port, that the"
        " Host header may give, besides the public URL's and loopback; * is any. Unset, and"
        " without a public URL: addresses, localhost and the machine's own name",
    )
    database_url: str | None = Field(
        None, description="sqlite:///PATH; by default the file safelight.db in the home"
    )
    secret: SecretStr | None = Field(
        None,
        description="at least 16 characters; keys are stored under it and links signed with it."
        " By default one is made at the first start and kept in the home",
    )
    credits_per_usd: Decimal = Field(
        Decimal(68),
        gt=0,
        description="how many credits one US dollar is, for models priced in dollars",
    )
    models: dict[str, str] = Field(
        default_factory=dict,
        description="open weights by the model's id (SAFELIGHT_MODELS__KREA_2_TURBO=/path): a"
        " folder in diffusers format, a .safetensors or .gguf file, or a hub id",
    )
    accept_licences: Texts = Field(
        (),
        description="ids of models, with commas between them, whose non-commercial terms you have"
        " read and keep; they do not serve before",
    )
    egress_allow: NetworkTexts = Field(
        (),
        description="networks (10.1.0.0/16, with commas between them) that callers' URLs may lead"
        " to, on any port, besides the public internet; for receivers of your own",
    )
    stand_in: Literal["mini", "fake", "off"] | None = Field(
        None,
        description="who makes a model that nothing else here can make: the embedded model, the"
        " instant fake one for load tests, or nobody; unset: mini while no weights are configured",
    )
    workers: int = Field(
        1, ge=0, le=64, description="worker processes that serve starts beside the API"
    )
    picture_seconds: int = Field(
        24 * 3600,
        gt=0,
        description="how long a picture and its link live; both wires promise a day",
    )
    job_days: int = Field(90, gt=0, description="days that finished jobs are kept and can be read")
    limits: LimitSettings = LimitSettings()  # type: ignore[call-arg]
    connections: ConnectionSettings = ConnectionSettings()  # type: ignore[call-arg]
    provenance: ProvenanceSettings = ProvenanceSettings()  # type: ignore[call-arg]
    webhooks: WebhookSettings = WebhookSettings()  # type: ignore[call-arg]
    moderation: ModerationSettings = ModerationSettings()  # type: ignore[call-arg]
    telemetry: TelemetrySettings = TelemetrySettings()  # type: ignore[call-arg]
    engine: EngineSettings = EngineSettings()  # type: ignore[call-arg]
    torch: TorchSettings = TorchSettings()  # type: ignore[call-arg]

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        file = os.environ.get("SAFELIGHT_CONFIG")
        toml = (TomlConfigSettingsSource(settings_cls, Path(file)),) if file else ()
        return (init_settings, env_settings, *toml)

    @property
    def database_path(self) -> Path:
        if self.database_url is None:
            return self.home / "safelight.db"
        return Path(self.database_url.removeprefix("sqlite:///"))

    @property
    def pictures_path(self) -> Path:
        return self.home / "pictures"

    @property
    def stands_in(self) -> Literal["mini", "fake", "off"]:
        """Who stands in for what nobody else here can make."""
        return self.stand_in or ("off" if self.models else "mini")

    @property
    def base_url(self) -> str:
        if self.public_url:
            return self.public_url.rstrip("/")
        # Nobody can connect to "every address"; the machine's name is the best guess there is.
        host = socket.gethostname() if self.host in EVERY_ADDRESS else self.host
        host = f"[{host}]" if ":" in host else host
        return f"http://{host}:{self.port}"


def load(**overrides: object) -> Settings:
    """Read and check everything. Raises ConfigurationError in words an operator can act on."""
    file = os.environ.get("SAFELIGHT_CONFIG")
    if file and not Path(file).is_file():
        raise ConfigurationError(f"SAFELIGHT_CONFIG names {file}, which is not a file")
    _refuse_unknown_variables()
    try:
        settings = Settings(**{k: v for k, v in overrides.items() if v is not None})  # type: ignore[arg-type]
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{file} is not TOML: {error}") from None
    except ValidationError as error:
        lines = [
            f"{PREFIX}{'__'.join(map(str, e['loc'])).upper()}: {e['msg']}" for e in error.errors()
        ]
        raise ConfigurationError("settings that cannot work:\n  " + "\n  ".join(lines)) from None
    _check(settings)
    return settings


def install_secret(settings: Settings) -> bytes:
    """The install's secret: from the settings, else the home's file, made at the first start."""
    if settings.secret is not None:
        return settings.secret.get_secret_value().encode()
    path = settings.home / "secret"
    settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        fresh = path.with_name(f"secret.{secrets.token_hex(4)}")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(32))
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):  # another process was first: its secret stands
            os.link(fresh, path)
        fresh.unlink()
    secret = path.read_text().strip()
    if len(secret) < SECRET_BYTES_MIN:
        raise ConfigurationError(f"{path} is too short to be the install's secret")
    return secret.encode()


def variable_names() -> list[str]:
    """Every SAFELIGHT_* variable that means something."""
    names = []
    for name, field in Settings.model_fields.items():
        annotation = field.annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            names += [f"{PREFIX}{name}__{inner}".upper() for inner in annotation.model_fields]
        else:
            names.append(f"{PREFIX}{name}".upper())
    return names


def variable_form(model_id: str) -> str:
    """How a model's id is written in a variable's name: krea-2-turbo is KREA_2_TURBO."""
    return re.sub(r"[^A-Z0-9]", "_", model_id.upper())


def _refuse_unknown_variables() -> None:
    """A misspelt variable would silently leave its default in force."""
    known = {*variable_names(), *OTHER_VARIABLES}
    for name in os.environ:
        if name.upper().startswith(MODELS_PREFIX):
            continue  # whether there is such a model, only the catalog can tell
        if name.upper().startswith(PREFIX) and name.upper() not in known:
            own = {variable.removeprefix(PREFIX) for variable in known}
            near = difflib.get_close_matches(name.upper().removeprefix(PREFIX), own, 1, cutoff=0.5)
            hint = f"; did you mean {PREFIX}{near[0]}?" if near else ""
            raise ConfigurationError(f"{name} is not a setting{hint}")


def _check(settings: Settings) -> None:
    if settings.database_url is not None and not settings.database_url.startswith("sqlite:///"):
        raise ConfigurationError("SAFELIGHT_DATABASE_URL: this version knows sqlite:///PATH only")
    if settings.secret is not None:
        _check_secret(settings.secret.get_secret_value())
    if settings.telemetry.metrics_token is not None:
        token = settings.telemetry.metrics_token.get_secret_value()
        _check_secret(token, "SAFELIGHT_TELEMETRY__METRICS_TOKEN")
    if settings.public_url is not None and not settings.public_url.startswith(
        ("http://", "https://")
    ):
        raise ConfigurationError("SAFELIGHT_PUBLIC_URL must begin with http:// or https://")
    if settings.provenance.registry_days * 24 * 3600 < settings.picture_seconds:
        raise ConfigurationError(
            "SAFELIGHT_PROVENANCE__REGISTRY_DAYS is shorter than SAFELIGHT_PICTURE_SECONDS: the"
            " registry must know every picture that can be fetched"
        )


def _check_secret(secret: str, name: str = "SAFELIGHT_SECRET") -> None:
    """Who guesses the install's own can sign links to every picture."""
    if len(secret) < SECRET_BYTES_MIN:
        raise ConfigurationError(f"{name} must have at least 16 characters")
    if len(set(secret)) < SECRET_DISTINCT_MIN or SECRET_PLACEHOLDERS.search(secret):
        raise ConfigurationError(
            f"{name} can be guessed; take the output of `openssl rand -hex 32`, or leave"
            " it unset and one is made"
        )
