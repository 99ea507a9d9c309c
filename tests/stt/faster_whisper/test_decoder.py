"""The weights are random, so what is heard means nothing; that it does not depend on neighbours does."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from faster_whisper import WhisperModel
from numpy.typing import NDArray

from voicebot.stt.faster_whisper.decoder import (
    FEWEST_TOKENS,
    TOKENS_PER_SECOND,
    Hypothesis,
    WhisperDecoder,
    Window,
)
from voicebot.testing.small_models import make_whisper_model


class Multilingual:
    """A small model that takes itself for one of many languages, and detects the scripted ones."""

    is_multilingual = True

    def __init__(self, whole: Any, languages: Sequence[str]) -> None:
        self._whole, self._languages = whole, languages
        self.detections = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._whole, name)

    def detect_language(self, encoded: Any) -> list[list[tuple[str, float]]]:
        self.detections += 1
        return [[(f"<|{language}|>", 0.9), ("<|en|>", 0.1)] for language in self._languages]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> WhisperModel:
    folder = make_whisper_model(tmp_path_factory.mktemp("whisper"))
    # int8 would let the numbers of a window depend a little on the others of its batch
    return WhisperModel(str(folder), device="cpu", compute_type="float32", cpu_threads=1)


@pytest.fixture(scope="module")
def decoder(model: WhisperModel) -> WhisperDecoder:
    return WhisperDecoder(model, beam=1)


def noise(seconds: float, seed: int) -> NDArray[np.int16]:
    return np.random.default_rng(seed).normal(0, 3000, int(seconds * 16_000)).astype(np.int16)


def alone(decoder: WhisperDecoder, window: Window) -> Hypothesis:
    heard = decoder.decode([window], bool)
    assert heard is not None
    return heard[0]


def same(one: Hypothesis, other: Hypothesis) -> None:
    assert [word.text for word in one.words] == [word.text for word in other.words]
    for key in ("start", "end"):
        times = [[getattr(word, key) for word in heard.words] for heard in (one, other)]
        assert times[0] == pytest.approx(times[1], abs=0.03)
    assert one.log_probability == pytest.approx(other.log_probability, abs=0.01)
    assert one.language == other.language


def test_a_batch_gives_the_same_results_as_single_windows(decoder: WhisperDecoder) -> None:
    windows = [Window(noise(1.5, seed)) for seed in range(3)]
    together = decoder.decode(windows, bool)
    assert together is not None
    for window, heard in zip(windows, together, strict=True):
        same(heard, alone(decoder, window))


def test_words_lie_within_the_window_and_their_number_is_bounded(decoder: WhisperDecoder) -> None:
    words = 0
    for seconds in (0.5, 1.5, 8.0):
        heard = alone(decoder, Window(noise(seconds, 1), "en"))
        assert all(0 <= word.start <= word.end <= seconds for word in heard.words)
        assert len(heard.words) <= FEWEST_TOKENS + TOKENS_PER_SECOND * seconds
        assert 0 <= heard.no_speech <= 1
        assert heard.log_probability < 0
        assert heard.repetition > 0
        words += len(heard.words)
    assert words


def test_languages_are_detected_where_none_is_set_and_kept_apart(
    model: WhisperModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = Multilingual(model.model, ["de", "de", "fr"])
    monkeypatch.setattr(model, "model", many)
    decoder = WhisperDecoder(model, beam=1)
    windows = [Window(noise(1.5, 7)), Window(noise(1.5, 8), "es"), Window(noise(1.5, 9))]
    together = decoder.decode(windows, bool)
    assert together is not None
    assert [heard.language for heard in together] == ["de", "es", "fr"]
    for window, heard in zip(windows, together, strict=True):
        same(heard, alone(decoder, replace(window, language=heard.language)))
    assert many.detections == 1


def test_work_is_cancelled_between_steps(decoder: WhisperDecoder) -> None:
    for steps in range(2):
        left = iter([False] * steps)
        assert decoder.decode([Window(noise(1.0, 9), "en")], lambda left=left: next(left, True)) is None  # type: ignore[misc]


def test_the_gil_is_released_while_decoding(decoder: WhisperDecoder) -> None:
    windows = [Window(noise(2.0, seed), "en") for seed in range(4)]
    working = threading.Thread(target=decoder.decode, args=(windows, bool))
    working.start()
    turns = 0
    while working.is_alive():
        turns += 1
    working.join()
    assert turns > 1000
