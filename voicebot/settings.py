"""All settings in one frozen object, read from the environment and `.env`."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_serializer, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from voicebot.errors import SettingsError
from voicebot.logs import guard
from voicebot.redaction import ESCAPES, LEFT_OUT, keep, keep_address, keep_named, public, shown, unambiguous

EVERYWHERE = ("", "0.0.0.0", "::")
"""Values of HOST that listen on every network of the machine."""
HOME_MARKS = (".env", ".env.example", "environment.yml")
ADDRESSES = ("openai_base_url", "store", "coturn_server", "public_url")
"""Settings that may have a password in them: written out as they are `shown`, wrong ones, too."""
LONGEST_VALUE = 40
"""Characters of a wrong value that is repeated; a longer one may be a key on the wrong line."""


class Settings(BaseSettings):
    """What can be set; every name below is an environment variable or a line of `.env`.

    An empty value means "not set". Use `load_settings()` to get readable errors. What is printed or dumped
    of them holds no secret; an attribute such as `settings.store` is the value itself.
    """

    model_config = SettingsConfigDict(
        env_file=".env",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        env_file_encoding="utf-8",
        hide_input_in_errors=True,
    )

    coturn_server: str = Field("", description="turn:host:3478, turns:host, or a bare host name")
    coturn_secret: SecretStr = Field(
        SecretStr(""), description="coturn's static-auth-secret, for time-limited credentials"
    )
    openai_base_url: str = Field(
        "", description="Any OpenAI-compatible server, e.g. http://localhost:11434/v1"
    )
    openai_model: str = Field("", description="The chat model; needed when a server or key is set")
    openai_api_key: SecretStr = Field(SecretStr(""), description="The key for that server")
    stt_model: str = Field(
        "auto", description="provider:model, e.g. faster-whisper:small; auto picks the best"
    )
    tts_model: str = Field(
        "auto", description="provider:model, e.g. piper:en_US-lessac-medium; auto picks the best"
    )
    stt_language: str = Field(
        "", description="Code of the language people speak, e.g. en or de; empty: detected"
    )
    stt_threads: int = Field(0, ge=0, le=256, description="CPU threads of faster-whisper; 0: up to 8")
    stt_drafts: str = Field(
        "auto",
        description="May an STT server be asked at a pause already, for quicker answers? "
        "auto: if it is on this network; always; never",
    )
    vad_model: str = Field("silero", description="Voice activity detector")

    host: str = Field("127.0.0.1", description="Address to listen on; 0.0.0.0 for the local network")
    port: int = Field(8000, ge=0, le=65535, description="Port; the next free one is taken when it is in use")
    public_url: str = Field("", description="The address people open, behind a proxy")
    data_dir: Path = Field(Path("data"), description="Conversations and downloaded models are kept here")
    conversation_events: int = Field(
        50_000, ge=100, description="Events of one conversation; then the next one begins, in the same lobby"
    )
    conversation_mib: float = Field(
        64.0, gt=0, description="The same by size, as MiB of events.jsonl without recordings"
    )
    conversations_gib: float = Field(
        50.0, ge=0, description="All conversations together; then nothing is recorded. 0: no limit"
    )
    disk_reserve_mib: int = Field(
        500, ge=0, description="What stays free on the disk of DATA_DIR: with less, nothing is recorded"
    )
    store: str = Field(
        "sqlite", description="sqlite (in DATA_DIR, survives a restart), memory, or redis://host:6379/0"
    )
    session_hours: float = Field(12.0, ge=0.1, le=720, description="How long a browser is known")
    drain_seconds: float = Field(
        10.0, ge=0, le=3600, description="How long calls may go on after SIGTERM, with nobody new"
    )
    log_level: str = Field("INFO", description="DEBUG, INFO, WARNING or ERROR")
    metrics_token: SecretStr = Field(
        SecretStr(""), description="Bearer token for /metrics; without it only this machine may read them"
    )
    log_format: str = Field("text", description="text, or json: one object per line")

    llm_timeout: float = Field(20.0, gt=0, description="Seconds to wait for the first token")
    llm_retries: int = Field(2, ge=0, le=10, description="Further attempts before the agent apologises")
    context_tokens: int = Field(
        3000,
        ge=500,
        le=1_000_000,
        description="Tokens of conversation that a model is given; what is older is summarised",
    )
    tool_timeout: float = Field(20.0, gt=0, le=600, description="Seconds until a tool is given up")
    filler_after: float = Field(
        1.0, ge=0, le=60, description="Seconds of silence while a tool runs until the agent says so; 0: never"
    )
    mcp_config: str = Field("", description="A file with the MCP servers that agents may be given")
    download_timeout: float = Field(20.0, ge=0, description="Seconds that auto may spend on a model download")

    endpointing: str = Field(
        "dynamic",
        description="What ends a turn: dynamic (words, habits), fixed (ENDPOINT_DELAY), onnx:/path/m.onnx",
    )
    endpoint_delay: float = Field(
        0.5, ge=0.05, le=5, description="Silence in seconds that ends a turn when its words tell nothing"
    )
    endpoint_min_delay: float = Field(
        0.3, ge=0.05, le=2, description="Silence after complete words; ENDPOINT_DELAY if that is less"
    )
    endpoint_max_delay: float = Field(
        3.0,
        ge=0.3,
        le=10,
        validate_default=True,
        description="Silence that ends any turn; ENDPOINT_DELAY if that is more",
    )
    max_utterance: float = Field(
        30.0,
        ge=1,
        le=600,
        description="Seconds of unbroken speech (a television) until others go first",
    )
    interrupt_after: float = Field(
        0.5,
        ge=0.03,
        le=2,
        description="Seconds of speech over a talking agent that stop it until it is known what they were; "
        "words stop it before",
    )
    speculate: bool = Field(
        True, description="Prepare the answer at the first short pause; what is prepared in vain costs tokens"
    )
    chain_cap: int = Field(
        3, ge=0, le=50, description="Turns agents may take among themselves until a person speaks"
    )
    chain_fade: float = Field(
        0.6,
        ge=0,
        le=1,
        description="What is left of their exchange after each of these turns, which ends below 0.3; "
        "1: it does not fade",
    )

    @field_validator("openai_base_url")
    @classmethod
    def _http(cls, value: str) -> str:
        if value and not value.startswith(("http://", "https://")):
            raise ValueError("must start with http:// or https:// (its /v1 address)")
        if not unambiguous(value):
            raise ValueError(f"must be an address such as http://localhost:11434/v1; {ESCAPES}")
        return value if "?" in value else value.rstrip("/")

    @field_validator("stt_language")
    @classmethod
    def _language(cls, value: str) -> str:
        if value and not re.fullmatch(r"[a-z]{2,3}", value.lower()):
            raise ValueError("must be a language code of two or three letters, such as en or de")
        return value.lower()

    @field_validator("endpointing")
    @classmethod
    def _endpointing(cls, value: str) -> str:
        kind, _, path = value.strip().partition(":")
        kind, path = kind.strip().lower(), path.strip()
        if (kind == "onnx" and path) or (kind in {"dynamic", "fixed"} and ":" not in value):
            return f"{kind}:{path}" if path else kind
        raise ValueError("must be dynamic, fixed, or the path of a model, such as onnx:/path/model.onnx")

    @field_validator("endpoint_max_delay")
    @classmethod
    def _bounds(cls, value: float, info: ValidationInfo) -> float:
        least = info.data.get("endpoint_min_delay", 0.0)
        if value < least:
            raise ValueError(f"must not be less than ENDPOINT_MIN_DELAY, which is {least:g}")
        return value

    @field_validator("stt_drafts")
    @classmethod
    def _drafts(cls, value: str) -> str:
        if value.lower() not in {"auto", "always", "never"}:
            raise ValueError("must be auto, always or never")
        return value.lower()

    @field_validator("public_url")
    @classmethod
    def _address(cls, value: str) -> str:
        try:
            parts = urlsplit(value)
            usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
        except ValueError:
            usable = False
        if value and not usable:
            raise ValueError("must be the whole address that people open, such as https://voice.example.org")
        return public(value)

    @field_validator("log_level")
    @classmethod
    def _level(cls, value: str) -> str:
        if value.upper() not in {"DEBUG", "INFO", "WARNING", "ERROR"}:
            raise ValueError("must be DEBUG, INFO, WARNING or ERROR")
        return value.upper()

    @field_validator("log_format")
    @classmethod
    def _format(cls, value: str) -> str:
        if value.lower() not in {"text", "json"}:
            raise ValueError("must be text or json")
        return value.lower()

    @field_validator("store")
    @classmethod
    def _store(cls, value: str) -> str:
        if value not in {"sqlite", "memory"} and not value.startswith(("redis://", "rediss://")):
            raise ValueError("must be sqlite, memory, or an address such as redis://localhost:6379/0")
        return value

    @field_validator("mcp_config")
    @classmethod
    def _path(cls, value: str) -> str:
        if "{" in value:
            raise ValueError("must be the path of a file, not what is in it")
        return value

    @field_serializer(*ADDRESSES)
    def _shown(self, value: str) -> str:
        several = [value] if "//" in value else re.split(r",\s*", value)  # of COTURN_SERVER
        return ", ".join(map(shown, several))

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        yield from self.model_dump().items()

    def model_post_init(self, context: Any, /) -> None:
        self._keep_secrets()

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        copy = super().model_copy(update=update, deep=deep)
        copy._keep_secrets()
        return copy

    def _keep_secrets(self) -> None:
        """Nothing of them may come out by way of an error, an event or a log."""
        guard()
        keep_named(os.environ)
        for _, value in self:
            if isinstance(value, SecretStr):
                keep(value.get_secret_value())
        keep_address(self.openai_base_url)
        if "://" in self.store:
            keep_address(self.store)


def find_home(start: Path | None = None) -> Path:
    """The nearest folder from `start` (default: the working folder) up that looks like a project.

    That is one with a `.env`, `.env.example` or `environment.yml` in it; without any, `start` itself.
    """
    start = (start or Path.cwd()).resolve()
    for folder in (start, *start.parents):
        if any((folder / mark).exists() for mark in HOME_MARKS):
            return folder
    return start


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach what listens at HOST=host."""
    return host == "localhost" or host == "::1" or host.startswith("127.")


def load_settings(env_file: str | Path | None = ".env", **overrides: object) -> Settings:
    """Read the settings; keyword arguments win over the environment, that over the file.

    Raises:
        SettingsError: names every wrong setting and what it accepts, a keyword that is no setting,
            or why the file cannot be read.
    """
    for name in overrides:
        if name not in Settings.model_fields:
            near = get_close_matches(name.lower(), Settings.model_fields, 1)
            raise SettingsError(
                f"There is no setting {name!r}.",
                hint=f"Did you mean {near[0]}?" if near else "They are: " + ", ".join(Settings.model_fields),
            )
    try:
        return Settings(_env_file=env_file, **overrides)  # type: ignore[call-arg, arg-type]
    except ValidationError as error:
        wrong = [
            (
                name := str(e["loc"][0]),
                f"={_seen(name, e['input'])!r}: {e['msg'].removeprefix('Value error, ')}",
            )
            for e in error.errors()
        ]
        if all(name in overrides for name, _ in wrong):
            where = "what was passed"
        else:
            where = f"{env_file} or the environment" if env_file else "the environment"
        raise SettingsError(
            "Wrong settings: " + "; ".join(name.upper() + what for name, what in wrong) + ".",
            hint=f"Correct {where} (.env.example explains each setting).",
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"{env_file} cannot be read: {error}.", hint="It must be a readable text file in UTF-8."
        ) from None


def _seen(name: str, value: object) -> object:
    """What is repeated of a wrong value: nothing that could be a secret."""
    if name in ADDRESSES and isinstance(value, str):
        return shown(value)
    text = str(value)
    secret = Settings.model_fields[name].annotation is SecretStr
    if secret or len(text) > LONGEST_VALUE or any(mark in text for mark in ("@", "://", "{")):
        return LEFT_OUT
    return value
