"""A learned end-of-turn model: the last seconds of an utterance in, the probability that it is complete out.

For ONNX files in the form of Smart Turn v3 (https://github.com/pipecat-ai/smart-turn): one input
`input_features`, float32 [1, 80, 800], the log-mel spectrogram of the last 8 s at 16 kHz as Whisper
computes it; the first output is a probability. It runs in a thread, since onnxruntime lets go of the GIL.
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
"""Pauses in the queue before new ones are decided without the model."""
INSTEAD = "ENDPOINTING=onnx:<path> takes a Smart Turn v3 model; ENDPOINTING=dynamic needs none."


class EndOfTurnModel:
    """One session for all tracks, one inference at a time."""

    def __init__(self, session: Any, extractor: Any, name: str) -> None:
        self.name = name
        self._run, self._input = session.run, session.get_inputs()[0].name
        self._extract = extractor
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="end of turn")
        self._waiting = 0

    @classmethod
    async def load(cls, path: str) -> Self:
        """Load and try out an ONNX file; a relative path counts from here or from the project's folder.

        Raises:
            ModelLoadError: there is no such file, it is no ONNX model, or its inputs or output are others.
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
                f"{file.name} is no end-of-turn model: {error.message}", hint=INSTEAD
            ) from error
        return model

    async def probability(self, pcm: NDArray[np.int16]) -> float:
        """That a turn which ends with these samples (int16 mono, 16 kHz) is complete, 0 to 1.

        Raises:
            ModelFailed: the inference failed, its result is no probability, or too many wait already.
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
        """No more inferences. Safe to call twice."""
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
    """The last 8 s as Smart Turn was trained: silence before, zero mean and unit variance, Whisper's log-mel.

    Returns float32 [1, 80, 800].
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
        return not isinstance(given, int) or given == wanted  # a name or None: any size

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
        f"{name} is no end-of-turn model: it takes {found} instead of float32 [1, {MELS}, {FRAMES}].",
        hint=INSTEAD,
    )
