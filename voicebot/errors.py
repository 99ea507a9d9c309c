"""Every error this package raises on purpose, in one tree.

    VoicebotError
    ├── SettingsError        a value in `.env` or an argument is wrong
    ├── ModelError           something about an STT, TTS, VAD or LLM backend
    │   ├── UnknownModel         no backend or model of that name
    │   ├── MissingDependency    the backend's package or system library is not installed
    │   ├── ModelLoadError       the model exists and could not be loaded
    │   └── ModelFailed          a loaded model failed while it worked
    ├── SignalingError       a message that cannot be carried out (sent to its author as `error`)
    ├── MediaError           the media plane refused, failed or is gone
    ├── StoreError           the data folder or the store cannot be used
    └── LogError             a conversation log cannot be read

`message` says what happened, `hint` says what to do next, `code` is stable and
for programs, `retryable` says whether trying the same again can help. Neither text holds a secret.
"""

from __future__ import annotations

from voicebot.redaction import redacted


class VoicebotError(Exception):
    """Base of all errors of this package."""

    code = "internal"
    retryable = False

    def __init__(
        self, message: str, *, hint: str = "", code: str | None = None, retryable: bool | None = None
    ) -> None:
        self.message = redacted(message)
        self.hint = redacted(hint)
        super().__init__(self.message)
        if code is not None:
            self.code = code
        if retryable is not None:
            self.retryable = retryable

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class SettingsError(VoicebotError):
    """A setting is wrong; the message names it and where it was read."""

    code = "settings"


class ModelError(VoicebotError):
    """Something about an STT, TTS, VAD or LLM backend."""

    code = "model"


class UnknownModel(ModelError):
    """No backend or model of that name; the hint lists the known ones."""

    code = "unknown_model"


class MissingDependency(ModelError):
    """The backend's package or system library is not installed; the hint says what to install."""

    code = "missing_dependency"


class ModelLoadError(ModelError):
    """The model was found and could not be loaded (download broken, file corrupt, server refused)."""

    code = "model_load"


class ModelFailed(ModelError):
    """A loaded model failed while it worked; the turn is lost, the lobby goes on."""

    code = "model_failed"
    retryable = True


class SignalingError(VoicebotError):
    """A client's message that cannot be carried out; it is answered with an `error` message."""

    code = "bad_message"


class MediaError(VoicebotError):
    """The media plane refused a command, failed or is gone."""

    code = "media"


class StoreError(VoicebotError):
    """The data folder or the store cannot be used."""

    code = "store"


class LogError(VoicebotError):
    """A conversation log cannot be read."""

    code = "log"


def one_line(error: BaseException | str) -> str:
    """What a foreign error says, as a part of a sentence: one short line without a full stop or a secret."""
    said = " ".join(redacted(str(error)).split())  # before it is cut: half a secret would not be known
    return said[:300].rstrip(".") or type(error).__name__
