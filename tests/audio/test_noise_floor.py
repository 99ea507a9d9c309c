from __future__ import annotations

import numpy as np
import pytest

from voicebot.audio.noise_floor import HOP, NoiseFloor, energies

WINDOW = 512


def noise(level: float, windows: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, level, windows * WINDOW).astype(np.int16)


def learn(noise_floor: NoiseFloor, pcm: np.ndarray, *, speech: bool) -> None:
    for window in pcm.reshape(-1, WINDOW):
        noise_floor.learn(energies(window), speech=speech, silence=not speech)


def test_energies_are_mean_squares_of_whole_hops() -> None:
    pcm = np.concatenate([np.full(HOP, 100, np.int16), np.full(HOP, -32768, np.int16), np.ones(5, np.int16)])
    assert energies(pcm) == pytest.approx([1e4, 32768.0**2])
    assert len(energies(pcm[: HOP - 1])) == 0


@pytest.mark.parametrize("level", [30, 300, 3000])
def test_steady_noise_is_not_clear_but_louder_sound_is(level: float) -> None:
    noise_floor = NoiseFloor()
    learn(noise_floor, noise(level, 40), speech=False)
    assert noise_floor.floor == pytest.approx(level**2, rel=0.3)
    for n in range(200):
        assert noise_floor.last_clear(energies(noise(level, 1, seed=n))) is None
    louder = noise(level, 1, seed=7)
    louder[HOP : 2 * HOP] *= 3
    assert noise_floor.last_clear(energies(louder)) == 2


def test_a_cough_hardly_raises_the_noise_floor() -> None:
    noise_floor = NoiseFloor()
    learn(noise_floor, noise(30, 40), speech=False)
    learn(noise_floor, noise(8000, 10), speech=False)
    assert noise_floor.last_clear(energies(noise(1000, 1))) is not None


def test_a_long_speech_does_not_become_the_noise() -> None:
    noise_floor = NoiseFloor()
    learn(noise_floor, noise(30, 40), speech=False)
    learn(noise_floor, noise(3000, 300), speech=True)  # ten seconds without a breath
    assert noise_floor.clear < 200**2


def test_room_echo_is_not_clear_but_a_soft_consonant_is() -> None:
    noise_floor = NoiseFloor()
    learn(noise_floor, noise(10, 40), speech=False)
    learn(noise_floor, noise(8000, 20), speech=True)
    assert noise_floor.last_clear(energies(noise(100, 1))) is None  # -38 dB
    assert noise_floor.last_clear(energies(noise(450, 1))) == WINDOW // HOP  # -25 dB
    learn(noise_floor, noise(10, 300), speech=False)  # ten seconds later, somebody speaks softly
    assert noise_floor.last_clear(energies(noise(100, 1))) == WINDOW // HOP
