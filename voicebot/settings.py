"""All settings in one frozen object, read from the environment and `.env`."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_serializer,
    field_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from voicebot.errors import SettingsError
from voicebot.logs import guard
from voicebot.redaction import ESCAPES, LEFT_OUT, keep, keep_address, keep_named, public, shown, unambiguous

EVERYWHERE = ("", "0.0.0.0", "::")
"""Values of HOST that stand for every network of the machine."""
HOME_MARKS = (".env", ".env.example", "environment.yml")
ADDRESSES = ("openai_base_url", "store", "coturn_server", "public_url")
"""Settings that may contain a password. Every output passes them through `redaction.shown`."""
LONGEST_VALUE = 40
"""Longest wrong value, in characters, that an error repeats. A longer one may be a key on the wrong line."""


def _one_of(*known: str, case: Callable[[str], str] = str.lower) -> AfterValidator:
    def check(value: str) -> str:
        if case(value) not in known:
            raise ValueError(f"must be {', '.join(known[:-1])} or {known[-1]}")
        return case(value)

    return AfterValidator(check)


class Settings(BaseSettings):
    """All settings. To set a field, write its name in capitals in the environment or in `.env`.

    An empty value means "not set". Use `load_settings()` for readable errors. `repr` and `model_dump`
    leave secrets out; an attribute such as `settings.store` holds the real value.
    """

    model_config = SettingsConfigDict(
        env_file=".env",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        env_file_encoding="utf-8",
        hide_input_in_errors=True,
    )

    coturn_server: str = Field(
        "", description="TURN servers, separated by commas: turn:host:3478, turns:host or a bare host name"
    )
    coturn_secret: SecretStr = Field(
        SecretStr(""),
        description="coturn's static-auth-secret, which signs credentials that are valid for ten minutes",
    )
    openai_base_url: str = Field(
        "", description="Address of an OpenAI-compatible server, such as http://localhost:11434/v1"
    )
    openai_model: str = Field(
        "", description="Chat model; required if you set OPENAI_BASE_URL or OPENAI_API_KEY"
    )
    openai_api_key: SecretStr = Field(SecretStr(""), description="API key for that server")
    stt_model: str = Field(
        "auto",
        description="Speech-to-text model, such as faster-whisper:small; auto picks the best one available",
    )
    tts_model: str = Field(
        "auto",
        description="Text-to-speech model, such as piper:en_US-lessac-medium; auto picks the best available",
    )
    stt_language: str = Field(
        "", description="Language that people speak, such as en or de; if empty, it is detected"
    )
    stt_threads: int = Field(0, ge=0, le=256, description="CPU threads for faster-whisper; 0 means up to 8")
    stt_drafts: Annotated[str, _one_of("auto", "always", "never")] = Field(
        "auto",
        description="Whether a speech server transcribes at short pauses: always, never or auto (if local)",
    )
    vad_model: str = Field("silero", description="Voice activity detection model")

    host: str = Field(
        "127.0.0.1", description="Address to listen on; 0.0.0.0 means every network of the machine"
    )
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on, or the next free one if taken")
    public_url: str = Field("", description="Address that people open, if the server is behind a proxy")
    data_dir: Path = Field(
        Path("data"), description="Folder for conversations, downloaded models and the database"
    )
    conversation_events: int = Field(
        50_000,
        ge=100,
        description="Number of events at which a conversation ends and a new one begins in the same lobby",
    )
    conversation_mib: float = Field(
        64.0,
        gt=0,
        description="Size in MiB, not counting recordings, at which a conversation ends in the same way",
    )
    conversations_gib: float = Field(
        50.0, ge=0, description="Total size of all conversations in GiB at which recording stops; 0: no limit"
    )
    disk_reserve_mib: int = Field(500, ge=0, description="Free disk space in MiB below which recording stops")
    store: str = Field(
        "sqlite",
        description="Where to keep lobbies and sessions: sqlite (in DATA_DIR), memory, or redis://host:6379/0",
    )
    session_hours: float = Field(
        12.0, ge=0.1, le=720, description="Hours until a browser needs a new session"
    )
    drain_seconds: float = Field(
        10.0, ge=0, le=3600, description="Seconds that calls may continue after SIGTERM; nobody new can join"
    )
    log_level: Annotated[str, _one_of("DEBUG", "INFO", "WARNING", "ERROR", case=str.upper)] = Field(
        "INFO", description="DEBUG, INFO, WARNING or ERROR"
    )
    metrics_token: SecretStr = Field(
        SecretStr(""),
        description="Bearer token for /metrics; without it, only programs on this machine can read them",
    )
    log_format: Annotated[str, _one_of("text", "json")] = Field(
        "text", description="text, or json for one object per line"
    )

    llm_timeout: float = Field(20.0, gt=0, description="Seconds to wait for the first token")
    llm_retries: int = Field(2, ge=0, le=10, description="Retries before the agent apologises")
    context_tokens: int = Field(
        3000,
        ge=500,
        le=1_000_000,
        description="Tokens of conversation to give to the language model; older lines are summarised",
    )
    tool_timeout: float = Field(
        20.0, gt=0, le=600, description="Seconds until the agent gives up on a tool call"
    )
    filler_after: float = Field(
        1.0,
        ge=0,
        le=60,
        description='Seconds of silence in a tool call before the agent says "One moment"; 0 means never',
    )
    mcp_config: str = Field("", description="Path to a JSON file that describes MCP servers")
    download_timeout: float = Field(
        20.0, ge=0, description="Seconds that auto may spend downloading a model; 0 turns downloads off"
    )

    endpointing: str = Field(
        "dynamic",
        description="How a turn ends: dynamic (by words and habits), fixed, or onnx:/path/model.onnx",
    )
    endpoint_delay: float = Field(
        0.5,
        ge=0.05,
        le=5,
        description="Seconds of silence that end a turn when the words give no hint; with fixed, every turn",
    )
    endpoint_min_delay: float = Field(
        0.3,
        ge=0.05,
        le=2,
        description="Seconds of silence that end a turn that seems complete; at most ENDPOINT_DELAY",
    )
    endpoint_max_delay: float = Field(
        3.0,
        ge=0.3,
        le=10,
        validate_default=True,
        description="Seconds of silence that end any turn; at least ENDPOINT_DELAY",
    )
    max_utterance: float = Field(
        30.0,
        ge=1,
        le=600,
        description="Seconds of non-stop speech (such as a TV) after which agents may answer other people",
    )
    interrupt_after: float = Field(
        0.5,
        ge=0.03,
        le=2,
        description="Seconds of talking over an agent before it pauses; a recognised word pauses it sooner",
    )
    speculate: bool = Field(
        True, description="Prepare the answer during the first short pause; unused answers cost tokens, too"
    )
    chain_cap: int = Field(
        3, ge=0, le=50, description="Turns that agents may take among themselves before a person speaks"
    )
    chain_fade: float = Field(
        0.6,
        ge=0,
        le=1,
        description="Factor for the strength of an exchange between agents at each turn; it ends below 0.3",
    )

    @field_validator("openai_base_url")
    @classmethod
    def _http(cls, value: str) -> str:
        if value and not value.startswith(("http://", "https://")):
            raise ValueError("must start with http:// or https:// and is usually an address that ends in /v1")
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
        raise ValueError(
            "must be dynamic, fixed, or onnx: with the path of a model, such as onnx:/path/model.onnx"
        )

    @field_validator("endpoint_max_delay")
    @classmethod
    def _bounds(cls, value: float, info: ValidationInfo) -> float:
        least = info.data.get("endpoint_min_delay", 0.0)
        if value < least:
            raise ValueError(f"must not be less than ENDPOINT_MIN_DELAY, which is {least:g}")
        return value

    @field_validator("public_url")
    @classmethod
    def _address(cls, value: str) -> str:
        try:
            parts = urlsplit(value)
            usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
        except ValueError:
            usable = False
        if value and not usable:
            raise ValueError("must be the full address that people open, such as https://voice.example.org")
        return public(value)

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
            raise ValueError("must be the path of a file, not its content")
        return value

    @field_serializer(*ADDRESSES)
    def _shown(self, value: str) -> str:
        several = [value] if "//" in value else re.split(r",\s*", value)  # COTURN_SERVER is a list
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
        """Register the secrets, so that no error, event or log line shows them."""
        guard()
        keep_named(os.environ)
        for _, value in self:
            if isinstance(value, SecretStr):
                keep(value.get_secret_value())
        keep_address(self.openai_base_url)
        if "://" in self.store:
            keep_address(self.store)


def find_home(start: Path | None = None) -> Path:
    """Find the project: the nearest folder, from `start` upwards, that holds one of `HOME_MARKS`.

    `start` defaults to the working folder, and is returned when no folder qualifies.
    """
    start = (start or Path.cwd()).resolve()
    for folder in (start, *start.parents):
        if any((folder / mark).exists() for mark in HOME_MARKS):
            return folder
    return start


def is_loopback(host: str) -> bool:
    """Tell whether a server that listens on `host` can be reached only from this machine."""
    return host == "localhost" or host == "::1" or host.startswith("127.")


def load_settings(env_file: str | Path | None = ".env", **overrides: object) -> Settings:
    """Read the settings. Keyword arguments override the environment, which overrides the file.

    Raises:
        SettingsError: a setting has a wrong value, a keyword is not a setting, or the file cannot be
            read. The error names every wrong setting and what it accepts.
    """
    for name in overrides:
        if name not in Settings.model_fields:
            near = get_close_matches(name.lower(), Settings.model_fields, 1)
            raise SettingsError(
                f"There is no setting {name!r}.",
                hint=f"Did you mean {near[0]}?"
                if near
                else "Known: " + ", ".join(Settings.model_fields) + ".",
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
            where = "the arguments"
        else:
            where = f"{env_file} or the environment" if env_file else "the environment"
        raise SettingsError(
            "Wrong settings: " + "; ".join(name.upper() + what for name, what in wrong) + ".",
            hint=f"Correct this in {where}. .env.example explains every setting.",
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"{env_file} cannot be read: {error}.", hint="Make it a readable text file in UTF-8."
        ) from None


def _seen(name: str, value: object) -> object:
    """Return the part of a wrong value that an error may repeat: nothing that may be a secret."""
    if name in ADDRESSES and isinstance(value, str):
        return shown(value)
    text = str(value)
    secret = Settings.model_fields[name].annotation is SecretStr
    if secret or len(text) > LONGEST_VALUE or any(mark in text for mark in ("@", "://", "{")):
        return LEFT_OUT
    return value
