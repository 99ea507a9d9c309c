"""Whisper by faster-whisper (CTranslate2): accurate, many languages, CPU or GPU."""

from __future__ import annotations

import asyncio
import difflib
import importlib.util
import os
import re
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from voicebot import hub
from voicebot.errors import MissingDependency, ModelError, ModelFailed, ModelLoadError, UnknownModel, one_line
from voicebot.registry import Availability, Progress, no_progress
from voicebot.settings import Settings
from voicebot.stt.base import STT_RATE, TimedWord, Transcription
from voicebot.stt.collected import CollectedStream

if TYPE_CHECKING:
    from faster_whisper import WhisperModel

SIZES = {  # name: (hub repository, MB to download)
    "tiny": ("Systran/faster-whisper-tiny", 78),
    "tiny.en": ("Systran/faster-whisper-tiny.en", 78),
    "base": ("Systran/faster-whisper-base", 148),
    "base.en": ("Systran/faster-whisper-base.en", 148),
    "small": ("Systran/faster-whisper-small", 486),
    "small.en": ("Systran/faster-whisper-small.en", 486),
    "medium": ("Systran/faster-whisper-medium", 1530),
    "medium.en": ("Systran/faster-whisper-medium.en", 1530),
    "large-v2": ("Systran/faster-whisper-large-v2", 3090),
    "large-v3": ("Systran/faster-whisper-large-v3", 3090),
    "large-v3-turbo": ("mobiuslabsgmbh/faster-whisper-large-v3-turbo", 1620),
    "distil-small.en": ("Systran/faster-distil-whisper-small.en", 336),
    "distil-large-v3": ("Systran/faster-distil-whisper-large-v3", 1520),
}
NEEDED = ("model.bin", "config.json", "tokenizer.json")
WANTED = (*NEEDED, "preprocessor_config.json", "vocabulary.*")
HUB_ID = re.compile(r"\w[\w.-]*/\w[\w.-]*")
MAX_WAITING = 16
"""Utterances in the queue before new ones fail instead of waiting ever longer."""
NO_SPEECH, LOG_PROBABILITY, REPETITION = 0.6, -1.0, 2.4
"""Whisper's own thresholds (openai/whisper, transcribe.py) for segments that nobody said."""
INSTEAD = (
    "Give a folder with a CTranslate2 Whisper model (faster-whisper:/path/to/folder), "
    "or use STT_MODEL=pocketsphinx, which works offline."
)


class FasterWhisperSTT:
    """`faster-whisper:<size>`, `:<folder>` or `:<hub id>`; one model in memory for all tracks."""

    def __init__(self, model: WhisperModel, name: str, language: str = "", device: str = "cpu") -> None:
        self._model: WhisperModel | None = model
        self._language = language
        self._beam = 5 if device == "cuda" else 1  # a wider beam costs more time on a CPU than it mends
        # one at a time, in order; what was given up leaves the queue at once
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="whisper")
        self._waiting = 0
        self._closed = False
        self.name = f"faster-whisper:{name}"

    @classmethod
    def known_models(cls, settings: Settings) -> tuple[str, ...]:
        best = _best_size()
        return (best, *(size for size in SIZES if size != best))

    @classmethod
    def availability(cls, model: str, settings: Settings) -> Availability:
        if importlib.util.find_spec("faster_whisper") is None:
            return Availability("missing", "faster-whisper is not installed", "pip install faster-whisper")
        try:
            name, folder, repo = _resolve(model or _best_size(), settings)
        except ModelError as error:
            return Availability("missing", error.message, error.hint)
        if name in SIZES and name.endswith(".en") and settings.stt_language not in ("", "en"):
            reason = f"{name} understands English only, and STT_LANGUAGE is {settings.stt_language}"
            return Availability("missing", reason, "Use a size without .en")
        if folder is not None:
            return Availability("ready", "in the cache" if repo else "a folder on this machine")
        megabytes = SIZES[name][1] if name in SIZES else 0
        return Availability("downloadable", f"{megabytes} MB to download" if megabytes else "to download")

    @classmethod
    async def load(cls, model: str, settings: Settings, progress: Progress = no_progress) -> Self:
        if importlib.util.find_spec("faster_whisper") is None:
            raise MissingDependency("faster-whisper is not installed.", hint="pip install faster-whisper.")
        name, folder, repo = await asyncio.to_thread(_resolve, model or _best_size(), settings)
        if folder is None:
            folder = await hub.download(repo, WANTED, settings, progress, instead=INSTEAD)
        _check(folder)
        progress(f"Loading Whisper {name}", None)
        opening = asyncio.ensure_future(asyncio.to_thread(_open, folder, settings.stt_threads))
        try:
            loaded, device = await asyncio.shield(opening)
        except asyncio.CancelledError:
            opening.add_done_callback(_drop)
            raise
        language, understood = settings.stt_language, loaded.supported_languages
        if language and language not in understood:
            await asyncio.to_thread(loaded.model.unload_model)
            raise ModelLoadError(
                f"Whisper {name} does not understand the language {language!r} of STT_LANGUAGE.",
                hint=f"It understands: {', '.join(understood)}.",
            )
        progress(f"Whisper {name} is ready on the {'GPU' if device == 'cuda' else 'CPU'}", 1.0)
        return cls(loaded, name, language, device)

    def stream(self) -> CollectedStream:
        """Begin an utterance, in the language of the settings; without that it is detected."""
        return CollectedStream(self.transcribe)

    async def transcribe(self, pcm: NDArray[np.int16]) -> Transcription:
        """One utterance of int16 mono at 16 kHz; cancelling ends the work soon. Raises ModelFailed."""
        if self._closed:
            raise self._was_closed()
        if self._waiting >= MAX_WAITING:
            raise ModelFailed(
                f"{self.name} is too slow for this many speakers.", hint="Choose a smaller model."
            )
        self._waiting += 1
        given_up = threading.Event()
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._thread, self._transcribe, pcm, given_up.is_set)
        finally:
            given_up.set()
            self._waiting -= 1

    def _transcribe(self, pcm: NDArray[np.int16], given_up: Callable[[], bool]) -> Transcription:
        if self._closed or self._model is None:
            raise self._was_closed()
        try:
            segments, info = self._model.transcribe(
                pcm.astype(np.float32) / 32768,
                language=self._language or None,
                beam_size=self._beam,
                temperature=0.0,
                word_timestamps=True,
                condition_on_previous_text=False,
            )
            kept = []
            for segment in segments:  # each is worked out when it is asked for
                if given_up():
                    return Transcription("")
                if not is_hallucination(segment):
                    kept.append(segment)
        except (RuntimeError, ValueError) as error:
            raise ModelFailed(f"{self.name} failed: {error}.") from error
        seconds = len(pcm) / STT_RATE
        words = tuple(
            TimedWord(word.word.strip(), min(word.start, seconds), min(word.end, seconds), word.probability)
            for segment in kept
            for word in segment.words or ()
        )
        return Transcription("".join(segment.text for segment in kept).strip(), words, info.language)

    async def aclose(self) -> None:
        if self._closed:
            return
        self._closed = True
        # the same thread: never under a running transcription
        unloading = asyncio.get_running_loop().run_in_executor(self._thread, self._unload)
        self._thread.shutdown(wait=False)
        await unloading

    def _unload(self) -> None:
        model, self._model = self._model, None
        if model is not None:
            model.model.unload_model()

    def _was_closed(self) -> ModelFailed:
        return ModelFailed(f"{self.name} was closed.", retryable=False)


def is_hallucination(segment: Any) -> bool:
    """Whisper makes up phrases for silence and noise, and gets caught in repetitions."""
    made_up = segment.no_speech_prob > NO_SPEECH and segment.avg_logprob < LOG_PROBABILITY
    return bool(made_up or segment.compression_ratio > REPETITION)


def _best_size() -> str:
    """The size that keeps up with speech on this machine."""
    if _device() == "cuda":
        return "large-v3-turbo"
    return "small" if (os.cpu_count() or 1) >= 8 else "base"


def _device() -> str:
    try:
        import ctranslate2

        return "cuda" if ctranslate2.get_cuda_device_count() > 0 else "cpu"
    except (ImportError, RuntimeError):
        return "cpu"


def _resolve(model: str, settings: Settings) -> tuple[str, Path | None, str]:
    """Name, folder (None: to be downloaded) and hub repository ("" for a folder). Raises UnknownModel."""
    path = Path(model).expanduser()
    if model in SIZES:
        repo = SIZES[model][0]
    elif path.is_dir():
        return model, path, ""
    elif not HUB_ID.fullmatch(model):
        near = difflib.get_close_matches(model, SIZES, 3, 0.5)
        raise UnknownModel(
            f"There is no folder or Whisper size {model!r}.",
            hint=(f"Did you mean {', '.join(near)}? " if near else "")
            + f"Sizes: {', '.join(SIZES)}; or a folder, or a hub id such as owner/name.",
        )
    else:
        repo = model
    file = hub.cached(repo, NEEDED[0], settings)
    return model, file.parent if file is not None and not _absent(file.parent) else None, repo


def _absent(folder: Path) -> list[str]:
    absent = [name for name in NEEDED if not (folder / name).is_file()]
    if not list(folder.glob("vocabulary.*")):
        absent.append("vocabulary.json or vocabulary.txt")
    return absent


def _check(folder: Path) -> None:
    absent = _absent(folder)
    if absent:
        raise ModelLoadError(
            f"{folder} is not a whole CTranslate2 Whisper model: it lacks {', '.join(absent)}.",
            hint="Download it again, or convert a model with ct2-transformers-converter.",
        )


def _open(folder: Path, threads: int) -> tuple[WhisperModel, str]:
    from faster_whisper import WhisperModel

    device = _device()
    try:
        model = WhisperModel(
            str(folder),
            device=device,
            compute_type="float16" if device == "cuda" else "int8",
            cpu_threads=threads or min(8, os.cpu_count() or 1),
            local_files_only=True,
        )
    except Exception as error:  # ctranslate2, tokenizers and json each raise their own
        raise ModelLoadError(
            f"The Whisper model in {folder} cannot be loaded: {one_line(error)}.",
            hint="Its files may be damaged: delete the folder and load it again.",
        ) from error
    return model, device


def _drop(opening: asyncio.Future[tuple[WhisperModel, str]]) -> None:
    """A load that nobody waits for any more: free its memory as soon as it is done."""
    if not opening.cancelled() and opening.exception() is None:
        opening.result()[0].model.unload_model()
