"""The errors of this package, in one tree.

    VoicebotError
    ├── SettingsError        a setting or an argument has a wrong value
    ├── ModelError           an STT, TTS, VAD or LLM backend cannot be used
    │   ├── UnknownModel         no backend or model has that name
    │   ├── MissingDependency    the backend's package or system library is not installed
    │   ├── ModelLoadError       the model exists, but could not be loaded
    │   └── ModelFailed          a loaded model failed at work
    ├── SignalingError       a message cannot be carried out (its author gets an `error`)
    ├── MediaError           the media plane refused a command, failed or ended
    ├── StoreError           the data folder or the store cannot be used
    └── LogError             a conversation log cannot be read

`message` says what happened and `hint` what to do next; neither contains a secret. Programs read the
stable `code`, and `retryable`, which says whether another attempt can succeed.
"""

from __future__ import annotations

from voicebot.redaction import redacted


class VoicebotError(Exception):
    """The base of all errors that this package raises."""

    code = "internal"
    retryable = False

    def __init__(
        self, message: str, *, hint: str = "", code: str | None = None, retryable: bool | None = None
    ) -> None:
        self.message = redacted(message)
        self.hint = redacted(hint)
        super().__init__(self.message)
        self.code = code or self.code
        if retryable is not None:
            self.retryable = retryable

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class SettingsError(VoicebotError):
    """A setting is wrong. The message names it, and the hint says where to correct it."""

    code = "settings"


class ModelError(VoicebotError):
    """An STT, TTS, VAD or LLM backend cannot be used."""

    code = "model"


class UnknownModel(ModelError):
    """No backend or model has that name. The hint lists the known ones."""

    code = "unknown_model"


class MissingDependency(ModelError):
    """The backend's package or system library is not installed. The hint says what to install."""

    code = "missing_dependency"


class ModelLoadError(ModelError):
    """The model exists, but cannot be loaded: a broken download, a damaged file or a server that refuses."""

    code = "model_load"


class ModelFailed(ModelError):
    """A loaded model failed at work. The turn is lost, and the lobby continues."""

    code = "model_failed"
    retryable = True


class SignalingError(VoicebotError):
    """A client's message cannot be carried out. The client gets an `error` message."""

    code = "bad_message"


class MediaError(VoicebotError):
    """The media plane refused a command, failed or ended."""

    code = "media"


class StoreError(VoicebotError):
    """The data folder or the store cannot be used."""

    code = "store"


class LogError(VoicebotError):
    """A conversation log cannot be read."""

    code = "log"


def one_line(error: BaseException | str) -> str:
    """Return the text of an error for a sentence: one line of at most 300 characters, without secrets."""
    said = " ".join(redacted(str(error)).split())  # before the cut, which could split a secret
    return said[:300].rstrip(".") or type(error).__name__
