"""Decode several windows of speech at once with one Whisper model, by faster-whisper's own steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from voicebot.stt.base import STT_RATE, TimedWord

if TYPE_CHECKING:
    from faster_whisper import WhisperModel

WINDOW = 30.0
"""Seconds that the model decodes at once."""
TOKENS_PER_SECOND = 20
FEWEST_TOKENS, MOST_TOKENS = 16, 224
"""Bounds of a window's text. Nobody says more, so an endless repetition stops there."""
BEFORE, AFTER = "\"'“¿([{-", "\"'.。,，!！?？:：”)]}、"  # noqa: RUF001  faster-whisper's own
PAUSE_BEFORE = 10.0
"""Seconds since the last speech, for faster-whisper's word times: each window counts as the first."""


@dataclass(frozen=True)
class Window:
    """Up to 30 s of int16 mono at 16 kHz."""

    pcm: NDArray[np.int16]
    language: str = ""
    """The speaker's language, once known; "" lets the model detect it."""


@dataclass(frozen=True)
class Hypothesis:
    """The model's hypothesis for one window. Word times count from its start; words keep their blanks."""

    words: tuple[TimedWord, ...]
    language: str
    no_speech: float = 0.0
    """Probability that nobody spoke."""
    log_probability: float = 0.0
    """Mean log probability of a token."""
    repetition: float = 1.0
    """Compression ratio of the text."""


class WhisperDecoder:
    """Decodes windows. Blocking, one thread at a time; ctranslate2 releases the GIL.

    Args:
        model: shared by all lobbies.
        beam: number of hypotheses kept while decoding.
    """

    def __init__(self, model: WhisperModel, *, beam: int) -> None:
        from faster_whisper.audio import pad_or_trim
        from faster_whisper.tokenizer import Tokenizer
        from faster_whisper.transcribe import get_compression_ratio, get_suppressed_tokens

        self._model, self._beam = model, beam
        self._pad, self._compression = pad_or_trim, get_compression_ratio
        self._tokenizer, self._suppressed = Tokenizer, get_suppressed_tokens

    def decode(self, windows: Sequence[Window], give_up: Callable[[], bool]) -> list[Hypothesis] | None:
        """Return a hypothesis for each window, in order, or None as soon as `give_up()` is true."""
        extractor = self._model.feature_extractor
        features = np.stack(
            [
                self._pad(extractor(window.pcm.astype(np.float32) / 32768)[..., :-1], extractor.nb_max_frames)
                for window in windows
            ]
        )
        encoded = self._model.encode(features)
        if give_up():
            return None
        languages = self._languages(windows, encoded)
        heard: dict[int, Hypothesis] = {}
        for language in dict.fromkeys(languages):
            members = [number for number, spoken in enumerate(languages) if spoken == language]
            part = encoded if len(members) == len(windows) else self._model.encode(features[members])
            found = self._decode(part, [windows[number] for number in members], language, give_up)
            if found is None:
                return None
            heard.update(zip(members, found, strict=True))
        return [heard[number] for number in range(len(windows))]

    def _languages(self, windows: Sequence[Window], encoded: Any) -> list[str]:
        if not self._model.model.is_multilingual:
            return ["en"] * len(windows)
        if all(window.language for window in windows):
            return [window.language for window in windows]
        detected = self._model.model.detect_language(encoded)  # per window [("<|en|>", probability), ...]
        return [
            window.language or likely[0][0][2:-2] for window, likely in zip(windows, detected, strict=True)
        ]

    def _decode(
        self, encoded: Any, windows: Sequence[Window], language: str, give_up: Callable[[], bool]
    ) -> list[Hypothesis] | None:
        model = self._model
        tokenizer = self._tokenizer(
            model.hf_tokenizer, model.model.is_multilingual, task="transcribe", language=language
        )
        prompt = model.get_prompt(tokenizer, [], without_timestamps=True)
        seconds = [len(window.pcm) / STT_RATE for window in windows]
        most = [min(MOST_TOKENS, FEWEST_TOKENS + round(TOKENS_PER_SECOND * length)) for length in seconds]
        results = model.model.generate(
            encoded,
            [prompt] * len(windows),
            beam_size=self._beam,
            max_length=min(model.max_length, 2 * max(most)),  # it returns at most half of them
            suppress_tokens=self._suppressed(tokenizer, [-1]),
            return_scores=True,
            return_no_speech_prob=True,
        )
        if give_up():
            return None
        said = [result.sequences_ids[0][:limit] for result, limit in zip(results, most, strict=True)]
        times = self._word_times(encoded, tokenizer, said, seconds)
        heard = []
        for result, ids, words, length in zip(results, said, times, seconds, strict=True):
            text = tokenizer.decode(ids)
            if not words and text.strip():
                words = (TimedWord(text, 0.0, length),)
            heard.append(
                Hypothesis(
                    words,
                    language,
                    no_speech=result.no_speech_prob,
                    log_probability=result.scores[0] * len(ids) / (len(ids) + 1),  # Whisper counts the end
                    repetition=self._compression(text.strip()) if text.strip() else 1.0,
                )
            )
        return heard

    def _word_times(
        self, encoded: Any, tokenizer: Any, said: Sequence[list[int]], seconds: Sequence[float]
    ) -> list[tuple[TimedWord, ...]]:
        """Word times from the decoder's attention to the audio, corrected by faster-whisper."""
        model = self._model
        # one time line with gaps, so that no window depends on its neighbours
        lag = WINDOW + PAUSE_BEFORE
        starts = [lag * (number + 1) for number in range(len(said))]
        segments = [
            [
                {
                    "seek": round(start * model.frames_per_second),
                    "start": start,
                    "end": start + length,
                    "tokens": ids,
                }
            ]
            for start, length, ids in zip(starts, seconds, said, strict=True)
        ]
        frames = [max(1, round(length * model.frames_per_second)) for length in seconds]
        model.add_word_timestamps(segments, tokenizer, encoded, frames, BEFORE, AFTER, 0.0)
        return [
            tuple(
                TimedWord(
                    word["word"],
                    min(max(0.0, float(word["start"]) - start), length),
                    min(max(0.0, float(word["end"]) - start), length),
                    float(word["probability"]),
                )
                for word in segment[0]["words"]
            )
            for segment, start, length in zip(segments, starts, seconds, strict=True)
        ]
