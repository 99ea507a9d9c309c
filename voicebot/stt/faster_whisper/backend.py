"""Whisper by faster-whisper (CTranslate2): accurate, many languages, CPU or GPU."""

from __future__ import annotations

import asyncio
import importlib.util
import logging
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np

from voicebot import hub
from voicebot.errors import MissingDependency, ModelError, ModelFailed, ModelLoadError, UnknownModel, one_line
from voicebot.registry import Availability, Progress, did_you_mean, no_progress
from voicebot.settings import Settings
from voicebot.stt.base import STT_RATE
from voicebot.stt.faster_whisper.batcher import Batcher
from voicebot.stt.faster_whisper.decoder import Hypothesis, WhisperDecoder, Window
from voicebot.stt.faster_whisper.stream import WhisperStream

if TYPE_CHECKING:
    from faster_whisper import WhisperModel

log = logging.getLogger(__name__)

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
"""Utterances that may wait; further ones fail instead of waiting ever longer."""
BEAM = {"cpu": 1, "cuda": 5}
"""Hypotheses kept while decoding; on a CPU a wider beam costs more time than it is worth."""
MOST = 8
"""Windows decoded at once. On a CPU at most one per thread, which is faster than one after another with all
threads; more windows would only make the first wait for the last."""
TOO_LONG = 2.0
"""Seconds of one decode beyond which interim transcripts stop, because they would delay the final ones."""
SLOW = 3.0
"""Seconds for a final transcript beyond which a conversation stumbles."""
TRIAL = (np.random.default_rng(0).standard_normal(STT_RATE) * 300).astype(np.int16)
"""A second of noise; the first decode takes longer because it prepares the model."""
Decoder = Callable[[Sequence[Window], Callable[[], bool]], Sequence[Hypothesis] | None]
"""The type of `WhisperDecoder.decode`."""
INSTEAD = (
    "Give a folder with a CTranslate2 Whisper model (faster-whisper:/path/to/folder), "
    "or use STT_MODEL=pocketsphinx, which works offline."
)


class FasterWhisperSTT:
    """`faster-whisper:<size>`, `:<folder>` or `:<hub id>`; one model in memory for all tracks."""

    def __init__(
        self,
        decoder: Decoder,
        name: str,
        language: str = "",
        *,
        unload: Callable[[], None],
        batch: int = 1,
        partial_batch: int = 1,
    ) -> None:
        self._language = language
        self._unload = unload
        self._batcher: Batcher[Window, Hypothesis] = Batcher(
            decoder,
            name="whisper",
            kind=lambda window: window.language,
            batch=batch,
            patient_batch=partial_batch,
            too_long=TOO_LONG,
        )
        self._closed = False
        self._warned = False
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
            loaded, decoder, device = await asyncio.shield(opening)
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
        return cls(
            decoder.decode,
            name,
            language,
            unload=loaded.model.unload_model,
            batch=MOST if device == "cuda" else min(MOST, _threads(settings.stt_threads)),
            partial_batch=MOST if device == "cuda" else 1,  # urgent work then waits for one window at most
        )

    @property
    def waiting(self) -> int:
        """The number of windows that somebody is waiting for."""
        return self._batcher.waiting

    def stream(self) -> WhisperStream:
        """Begin an utterance, in the language of the settings or else in the detected one."""
        return WhisperStream(self.hear, self._batcher.patient, self._language)

    async def hear(self, window: Window) -> Hypothesis:
        """Decode a window of up to 30 s; cancelling cancels the work. Raises ModelFailed."""
        if self._closed:
            raise self._was_closed()
        if self.waiting >= MAX_WAITING:
            raise ModelFailed(
                f"{self.name} is too slow for so many speakers.", hint="Choose a smaller model."
            )
        loop = asyncio.get_running_loop()
        begun = loop.time()
        result = self._batcher.urgent(window)
        try:
            heard = await result
        except (RuntimeError, ValueError) as error:  # ctranslate2's
            raise ModelFailed(f"{self.name} failed: {one_line(error)}.") from error
        self._judge(loop.time() - begun, len(window.pcm) / STT_RATE)
        assert heard is not None  # only work that nobody waits for is cancelled
        return heard

    async def aclose(self) -> None:
        if not self._closed:
            self._closed = True
            await self._batcher.aclose(self._unload, self._was_closed())

    def _judge(self, took: float, seconds: float) -> None:
        """Warn once if the model is too slow for a conversation."""
        if took > SLOW and not self._warned:
            self._warned = True
            log.warning(
                "%s took %.1f s for the text of %.1f s of speech, so answers come late. Set STT_MODEL to a "
                "smaller size such as faster-whisper:tiny, or to pocketsphinx (English); or use more cores "
                "(STT_THREADS) or a GPU.",
                self.name,
                took,
                seconds,
            )

    def _was_closed(self) -> ModelFailed:
        return ModelFailed(f"{self.name} was closed.", retryable=False)


def _best_size() -> str:
    """The largest size that keeps up with speech on this machine."""
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
    """The name, the folder (None: must be downloaded) and the hub repository ("" for a folder).

    Raises UnknownModel.
    """
    path = Path(model).expanduser()
    if model in SIZES:
        repo = SIZES[model][0]
    elif path.is_dir():
        return model, path, ""
    elif not HUB_ID.fullmatch(model):
        raise UnknownModel(
            f"There is no folder or Whisper size {model!r}.",
            hint=did_you_mean(model, SIZES, cutoff=0.5)
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
            f"{folder} is not a complete CTranslate2 Whisper model: it lacks {', '.join(absent)}.",
            hint="Download it again, or convert a model with ct2-transformers-converter.",
        )


def _threads(wanted: int) -> int:
    """The threads of STT_THREADS; for 0 as many as there are processors, up to eight."""
    return wanted or min(8, os.cpu_count() or 1)


def _open(folder: Path, threads: int) -> tuple[WhisperModel, WhisperDecoder, str]:
    from faster_whisper import WhisperModel

    device = _device()
    try:
        model = WhisperModel(
            str(folder),
            device=device,
            compute_type="float16" if device == "cuda" else "int8",
            cpu_threads=_threads(threads),
            local_files_only=True,
        )
        decoder = WhisperDecoder(model, beam=BEAM[device])
        decoder.decode([Window(TRIAL, "en")], bool)
    except Exception as error:  # ctranslate2, tokenizers and json each raise their own
        raise ModelLoadError(
            f"The Whisper model in {folder} cannot be loaded: {one_line(error)}.",
            hint="Its files may be damaged. Delete the folder, and load the model again.",
        ) from error
    return model, decoder, device


def _drop(opening: asyncio.Future[tuple[WhisperModel, WhisperDecoder, str]]) -> None:
    """Free the memory of a cancelled load once it is done."""
    if not opening.cancelled() and opening.exception() is None:
        opening.result()[0].model.unload_model()
