"""A learned end-of-turn model: the probability that a turn is complete, from its last seconds of audio.

It takes ONNX files in the format of Smart Turn v3 (https://github.com/pipecat-ai/smart-turn). Their input
`input_features`, float32 [1, 80, 800], is Whisper's log-mel spectrogram of the last 8 s at 16 kHz. Their
first output is a probability. Inference runs in a thread, because onnxruntime releases the GIL.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from voicebot.errors import MissingDependency, ModelFailed, ModelLoadError, one_line
from voicebot.settings import find_home
from voicebot.stt.base import STT_RATE

WINDOW_S = 8
MELS, FRAMES = 80, 800
SAMPLES = WINDOW_S * STT_RATE
MAX_WAITING = 8
"""Inferences in the queue. Further pauses are decided without the model."""
INSTEAD = "ENDPOINTING=onnx:<path> takes a Smart Turn v3 model; ENDPOINTING=dynamic needs none."


class EndOfTurnModel:
    """One ONNX session for all tracks. It runs one inference at a time."""

    def __init__(self, session: Any, extractor: Any, name: str) -> None:
        self.name = name
        self._run, self._input = session.run, session.get_inputs()[0].name
        self._extract = extractor
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="end of turn")
        self._waiting = 0

    @classmethod
    async def load(cls, path: str) -> Self:
        """Load an ONNX file and try it; a relative path is looked up here, then in the project's folder.

        Raises:
            ModelLoadError: There is no such file, it is no ONNX model, or it has other inputs or outputs.
            MissingDependency: onnxruntime or faster-whisper is not installed.
        """
        return await asyncio.to_thread(cls._load, path)

    @classmethod
    def _load(cls, path: str) -> Self:
        file = Path(path).expanduser()
        if not file.is_file():
            file = find_home() / file
        if not file.is_file():
            raise ModelLoadError(f"There is no file {path} for ENDPOINTING.", hint=INSTEAD)
        try:
            import onnxruntime  # type: ignore[import-untyped]
            from faster_whisper.feature_extractor import FeatureExtractor
        except ImportError as error:
            raise MissingDependency(
                f"The end-of-turn model {file.name} needs a package: {one_line(error)}.",
                hint="pip install onnxruntime faster-whisper.",
            ) from error
        options = onnxruntime.SessionOptions()
        options.inter_op_num_threads = options.intra_op_num_threads = 1
        options.log_severity_level = 3
        try:
            session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime raises its own untyped errors
            raise ModelLoadError(
                f"{file.name} cannot be loaded as an ONNX model: {one_line(error)}.", hint=INSTEAD
            ) from error
        _check(session.get_inputs(), file.name)
        model = cls(session, FeatureExtractor(chunk_length=WINDOW_S), f"onnx:{file.name}")
        try:
            model._infer(np.zeros(SAMPLES, np.int16))
        except ModelFailed as error:
            raise ModelLoadError(
                f"{file.name} is not an end-of-turn model: {error.message}", hint=INSTEAD
            ) from error
        return model

    async def probability(self, pcm: NDArray[np.int16]) -> float:
        """The probability, from 0 to 1, that a turn is complete which ends with these samples.

        Args:
            pcm: int16 of shape (n,), mono, 16 kHz.

        Raises:
            ModelFailed: The inference failed, its result is no probability, or the queue is full.
        """
        if self._waiting >= MAX_WAITING:
            raise ModelFailed(f"{self.name} is too slow for this many speakers.")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, self._infer, pcm)
        except RuntimeError as error:  # the thread was shut down
            raise ModelFailed(f"{self.name} was closed.", retryable=False) from error
        finally:
            self._waiting -= 1

    async def aclose(self) -> None:
        """Stop the thread. Safe to call twice."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _infer(self, pcm: NDArray[np.int16]) -> float:
        try:
            output = self._run(None, {self._input: features(pcm, self._extract)})[0]
        except Exception as error:  # onnxruntime raises its own untyped errors
            raise ModelFailed(f"{self.name} failed: {one_line(error)}.") from error
        values = np.asarray(output, dtype=np.float64).reshape(-1)
        if len(values) != 1 or not 0 <= values[0] <= 1:
            shown = ", ".join(f"{value:.3g}" for value in values[:3]) or "nothing"
            raise ModelFailed(f"{self.name} gave {shown} instead of one probability.")
        return float(values[0])


def features(pcm: NDArray[np.int16], extract: Any) -> NDArray[np.float32]:
    """Compute the features of the last 8 s, float32 [1, 80, 800], as for the training of Smart Turn.

    Shorter audio is padded with silence in front. The samples are normalised to zero mean and unit variance,
    and `extract` turns them into Whisper's log-mel spectrogram.

    Args:
        pcm: int16 of shape (n,), mono, 16 kHz.
        extract: faster-whisper's `FeatureExtractor`.
    """
    window = np.zeros(SAMPLES, np.float32)
    if len(pcm):
        last = pcm[-SAMPLES:]
        window[-len(last) :] = last.astype(np.float32) / 32768
    window = (window - window.mean()) / np.sqrt(window.var() + 1e-7)
    mel: NDArray[np.float32] = np.asarray(extract(window, padding=0), np.float32)
    return mel[np.newaxis]


def _check(inputs: Any, name: str) -> None:
    def fits(given: Any, wanted: int) -> bool:
        return not isinstance(given, int) or given == wanted  # a name or None stands for any size

    one = inputs[0] if len(inputs) == 1 else None
    if (
        one is not None
        and one.type == "tensor(float)"
        and len(one.shape) == 3
        and all(fits(given, wanted) for given, wanted in zip(one.shape, (1, MELS, FRAMES), strict=True))
    ):
        return
    found = ", ".join(f"{i.name} {i.type} {i.shape}" for i in inputs) or "nothing"
    raise ModelLoadError(
        f"{name} is not an end-of-turn model: it takes {found} instead of float32 [1, {MELS}, {FRAMES}].",
        hint=INSTEAD,
    )
