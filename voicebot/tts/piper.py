"""Piper: natural voices on the CPU, many languages, from the piper-voices hub or from a file."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import re
import threading
from collections.abc import AsyncGenerator, AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from weakref import WeakValueDictionary

import numpy as np
from numpy.typing import NDArray

from voicebot import hub
from voicebot.audio.resampling import Resampler
from voicebot.errors import MissingDependency, ModelError, ModelFailed, ModelLoadError, UnknownModel, one_line
from voicebot.registry import Availability, Progress, did_you_mean, no_progress
from voicebot.settings import Settings
from voicebot.tts.base import VoiceStyle, WordTime
from voicebot.tts.phonemes import Sound, sounds, word_times
from voicebot.tts.voices import pick_voice, plain_text

if TYPE_CHECKING:
    from piper import AudioChunk, PiperVoice, SynthesisConfig

REPOSITORY = "rhasspy/piper-voices"
VOICES = (
    "en_US-lessac-medium", "en_US-ryan-medium", "en_US-amy-medium", "en_US-hfc_female-medium",
    "en_US-libritts_r-medium", "en_GB-alba-medium", "en_GB-alan-medium", "de_DE-thorsten-medium",
    "es_ES-davefx-medium", "fr_FR-siwis-medium", "it_IT-paola-medium", "nl_NL-mls-medium",
    "pl_PL-darkman-medium", "pt_BR-faber-medium", "zh_CN-huayan-medium",
)  # fmt: skip
"""A selection; any other voice of the hub can be named."""
NAME = re.compile(
    r"(?P<family>[a-z]{2,3})_(?P<region>[A-Z]{2})-(?P<voice>\w+)-(?P<quality>x_low|low|medium|high)"
)
MEGABYTES = 63
"""Size of a medium voice."""
SPEAKING = 2
"""Sentences synthesised at once for all agents together; further ones wait."""
LOUDNESS = 0.85
"""Piper scales every sentence to full range; some headroom keeps Opus from clipping."""
HIGHEST = 6.0
"""Semitones. The shift includes the timbre, so more would sound like a toy."""
INSTEAD = (
    "Give a voice file (piper:/path/to/voice.onnx with voice.onnx.json beside it), "
    "or use TTS_MODEL=espeak, which works offline."
)


class PiperTTS:
    """`piper:<voice>` or `piper:<file.onnx>`, with `#<speaker>` for a voice with many speakers."""

    def __init__(self, voice: PiperVoice, name: str, speaker: str = "") -> None:
        self._voice: PiperVoice | None = voice
        config = voice.config
        by_id = {number: speaker for speaker, number in config.speaker_id_map.items()}
        every = tuple(by_id.get(number, str(number)) for number in range(max(1, config.num_speakers)))
        if speaker and speaker not in every and not (speaker.isdigit() and int(speaker) < len(every)):
            raise UnknownModel(
                f"The voice {name} has no speaker {speaker!r}.",
                hint=did_you_mean(speaker, every)
                + f"It has {len(every)}: {', '.join(every[:20])}{' ...' if len(every) > 20 else ''}.",
            )
        self._speakers = {label: number for number, label in enumerate(every)}
        fixed = speaker if speaker in self._speakers or not speaker else every[int(speaker)]
        self.voices = (fixed,) if fixed else every
        self.name = f"piper:{name}" + (f"#{speaker}" if speaker else "")
        self.sample_rate = config.sample_rate

    @classmethod
    def known_models(cls, settings: Settings) -> tuple[str, ...]:
        return VOICES

    @classmethod
    def availability(cls, model: str, settings: Settings) -> Availability:
        if importlib.util.find_spec("piper") is None:
            return Availability("missing", "piper-tts is not installed", "pip install piper-tts")
        try:
            _, file, repo_file = _resolve((model or VOICES[0]).partition("#")[0], settings)
        except ModelError as error:
            return Availability("missing", error.message, error.hint)
        if file is not None:
            return Availability("ready", "in the cache" if repo_file else "a file on this machine")
        return Availability("downloadable", f"about {MEGABYTES} MB to download")

    @classmethod
    async def load(cls, model: str, settings: Settings, progress: Progress = no_progress) -> Self:
        if importlib.util.find_spec("piper") is None:
            raise MissingDependency("piper-tts is not installed.", hint="pip install piper-tts.")
        wanted, _, speaker = (model or VOICES[0]).partition("#")
        name, file, repo_file = await asyncio.to_thread(_resolve, wanted, settings)
        if file is None:
            wanted_files = (repo_file, f"{repo_file}.json")
            folder = await hub.download(REPOSITORY, wanted_files, settings, progress, instead=INSTEAD)
            file = folder / Path(repo_file).name
        progress(f"Loading the voice {name}", None)
        voice = await asyncio.to_thread(_shared, file, settings.data_dir / "models" / "piper")
        progress(f"The voice {name} is ready", 1.0)
        return cls(voice, name, speaker)

    @property
    def waiting(self) -> int:
        """The number of sentences of all voices that wait for a thread."""
        return _threads()._work_queue.qsize()

    async def synthesize(self, text: str, style: VoiceStyle) -> AsyncIterator[NDArray[np.int16] | WordTime]:
        from piper import SynthesisConfig

        voice = self._voice
        if voice is None:
            raise ModelFailed(f"{self.name} was closed.", retryable=False)
        text = plain_text(text)
        if not text.strip():
            return
        # raise the pitch: speak slower by that factor, then resample faster
        shift = 2 ** (min(HIGHEST, max(-HIGHEST, style.pitch)) / 12)
        config = SynthesisConfig(
            speaker_id=self._speakers[pick_voice(style, self.voices)],
            length_scale=voice.config.length_scale * shift / min(2.0, max(0.5, style.rate)),
            volume=min(1.0, LOUDNESS * max(0.0, style.volume)),
        )
        spoken: list[Sound] = []
        seconds = 0.0
        async with aclosing(_sentences(voice, _no_phonemes(text), config)) as chunks:
            try:
                async for chunk in chunks:
                    pcm = np.asarray(chunk.audio_int16_array, np.int16).reshape(-1)
                    faster = Resampler(round(self.sample_rate * shift), self.sample_rate)
                    pcm = np.concatenate([faster.feed(pcm), faster.flush()])
                    yield pcm
                    rate = shift * self.sample_rate
                    for sound in sounds(chunk.phoneme_alignments or ()):
                        start, end = seconds + sound.start / rate, seconds + sound.end / rate
                        spoken.append(Sound(start, end, sound.first))
                    seconds += len(pcm) / self.sample_rate
            except Exception as error:  # onnxruntime's errors have no common base
                raise ModelFailed(f"{self.name} failed: {one_line(error)}.") from error
        if spoken:
            words = await asyncio.to_thread(
                word_times, text, spoken, lambda word: voice.phonemize(_no_phonemes(word))
            )
            for word in words:
                yield word

    async def aclose(self) -> None:
        """Release the session; current sentences end by themselves."""
        self._voice = None  # freed once nobody uses it


class _Session:
    """An ONNX session whose run fails soon after its options say terminate."""

    def __init__(self, session: Any) -> None:
        self._session = session
        self.wanted = threading.local()
        """This thread's run options; PiperVoice has no way to pass them."""

    def run(self, outputs: None, inputs: dict[str, Any]) -> Any:
        return self._session.run(outputs, inputs, getattr(self.wanted, "options", None))


async def _sentences(
    voice: PiperVoice, text: str, config: SynthesisConfig
) -> AsyncGenerator[AudioChunk, None]:
    """Yield each sentence as soon as it is synthesised; closing stops the current one."""
    from onnxruntime import RunOptions  # type: ignore[import-untyped]

    options = RunOptions()
    sentences = iter(voice.synthesize(text, config, include_alignments=True))

    def following() -> AudioChunk | None:
        voice.session.wanted.options = options
        return next(sentences, None)

    try:
        while (chunk := await asyncio.get_running_loop().run_in_executor(_threads(), following)) is not None:
            yield chunk
    finally:
        options.terminate = True


@cache
def _threads() -> ThreadPoolExecutor:
    """The threads of all voices; a single sentence already uses several cores."""
    return ThreadPoolExecutor(SPEAKING, thread_name_prefix="piper")


_opened: WeakValueDictionary[Path, PiperVoice] = WeakValueDictionary()
_opening = threading.Lock()


def _shared(file: Path, downloads: Path) -> PiperVoice:
    """The voice of a file, loaded once for all speakers and lobbies. Blocking."""
    key = file.resolve()
    with _opening:
        voice = _opened.get(key)
        if voice is None:
            voice = _opened[key] = _open(file, downloads)
        return voice


def _no_phonemes(text: str) -> str:
    """`text` without [[, after which Piper expects phonemes."""
    return text.replace("[[", " ")


def _resolve(model: str, settings: Settings) -> tuple[str, Path | None, str]:
    """The name, the file (None: must be downloaded) and its path in the repository ("" for a local file)."""
    path = Path(model).expanduser()
    if path.suffix == ".onnx" or path.is_file():
        if not path.is_file():
            raise UnknownModel(f"There is no voice file {path}.", hint=INSTEAD)
        return str(path), path, ""
    match = NAME.fullmatch(model)
    if match is None:
        raise UnknownModel(
            f"There is no Piper voice {model!r}.",
            hint=did_you_mean(model, VOICES, cutoff=0.4)
            + f"Some voices are: {', '.join(VOICES)}. You can also give the path of an .onnx file.",
        )
    family, voice, quality = match["family"], match["voice"], match["quality"]
    repo_file = f"{family}/{family}_{match['region']}/{voice}/{quality}/{model}.onnx"
    file = hub.cached(REPOSITORY, repo_file, settings)
    config = hub.cached(REPOSITORY, f"{repo_file}.json", settings)
    return model, file if config is not None else None, repo_file


def _open(file: Path, downloads: Path) -> PiperVoice:
    from piper import PiperVoice

    config = Path(f"{file}.json")
    if not config.is_file():
        raise ModelLoadError(
            f"The voice {file} has no settings file {config.name}.",
            hint="A Piper voice consists of two files. Put the second one next to the first.",
        )
    try:
        voice = PiperVoice.load(file, download_dir=downloads, include_alignments=True)
        voice.session = _Session(voice.session)
        for _ in voice.synthesize("a"):  # a damaged voice fails now, not during a conversation
            pass
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError, ValueError) as error:
        raise ModelLoadError(
            f"The settings of the voice {file} are damaged: {type(error).__name__} {error}.",
            hint="Delete both files of the voice and load it again.",
        ) from error
    except Exception as error:  # onnxruntime's errors have no common base
        raise ModelLoadError(
            f"The voice {file} cannot be loaded: {one_line(error)}.",
            hint="Delete both files of the voice and load it again.",
        ) from error
    return voice
