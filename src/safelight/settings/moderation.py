"""The settings of the content filters, and of what an operator adds to them."""

import ipaddress
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, Field, SecretStr, field_validator

from safelight.settings.sections import Texts


class ModerationSettings(BaseModel, frozen=True, extra="forbid"):
    """What the content filters refuse. Nothing switches them off."""

    level: Literal["minors", "base", "strict"] = Field(
        "base",
        description="strict refuses for everybody what `nsfw_check` refuses for who asks for it;"
        " minors refuses sexual content with minors only, and is not possible beside weights"
        " whose licence asks for filters",
    )
    classifier: bool = Field(
        True,
        description="the prompt classifier beside the rules; it takes 120 MB of each worker that"
        " does not run the embedded model",
    )
    keep_prompts: bool = Field(
        False,
        description="keep the prompts of what waits for review beside their hashes, for as long"
        " as jobs are kept",
    )
    service_url: str | None = Field(
        None,
        description="a service that is asked besides, about prompts and pictures: https, or http"
        " on this machine or a private address; when it does not answer, nothing passes",
    )
    service_kind: Literal["openai", "hook"] = Field(
        "openai",
        description="how it is spoken to: like OpenAI's /v1/moderations, or as a hook of your own"
        " (docs/concepts/moderation.md)",
    )
    service_token: SecretStr | None = Field(None, description="the bearer token that it wants")
    service_model: str | None = Field(None, description="the model that it is asked for")
    service_seconds: float = Field(
        5.0, gt=0, le=60, description="for an answer of it; then the job fails"
    )
    prompt_model: Path | None = Field(
        None,
        description="a folder with a text-classification model in the hub's format, which is asked"
        " besides (torch extra)",
    )
    picture_model: Path | None = Field(
        None, description="the same with an image-classification model, such as Falconsai's"
    )
    labels: Texts = Field(
        (),
        description="what such models' labels mean, with commas between them: toxic=hate; known"
        " are nsfw, porn, hentai, sexual, explicit, unsafe, gore, hate, self-harm",
    )

    @field_validator("service_url")
    @classmethod
    def _is_guarded(cls, value: str | None) -> str | None:
        """Prompts and the token travel there."""
        if value is None:
            return None
        parts = urlsplit(value)
        if parts.hostname is None or parts.username is not None:
            raise ValueError("names no host, or carries a name and password")
        if parts.scheme == "https" or (parts.scheme == "http" and _is_near(parts.hostname)):
            return value
        raise ValueError("must begin with https://, or http:// and a private address")


def _is_near(host: str) -> bool:
    """This machine, or an address that is not the public internet's."""
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:
        return host == "localhost"
