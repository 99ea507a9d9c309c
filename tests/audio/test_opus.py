from __future__ import annotations

import numpy as np
import pytest

from voicebot.audio import libopus
from voicebot.audio.opus import OpusDecoder, OpusEncoder, packet_samples, silence_packet

LOOK_AHEAD = 312
"""Samples by which libopus delays its input (its pre-skip, 6.5 ms)."""


@pytest.fixture(params=["libopus", "PyAV"])
def library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Runs a test with libopus, and with PyAV as if there were no libopus."""
    if request.param == "PyAV":

        def none() -> None:
            raise OSError("none")

        monkeypatch.setattr(libopus, "library", none)
    return str(request.param)


def test_encoded_audio_is_decoded_again(library: str) -> None:
    t = np.arange(48_000) / 48_000
    pcm = (10_000 * np.sin(2 * np.pi * 300 * t)).astype(np.int16)
    encoder, decoder = OpusEncoder(), OpusDecoder()
    packets = [encoder.encode(frame) for frame in pcm.reshape(-1, 960)]
    out = np.concatenate([decoder.decode(p) for p in packets])
    assert len(out) == len(pcm)
    assert {packet_samples(p) for p in packets} == {960}
    got, said = out[LOOK_AHEAD + 9600 :].astype(float), pcm[9600:-LOOK_AHEAD].astype(float)
    assert np.corrcoef(got, said)[0, 1] > 0.9  # its high-pass filter changes the phase a little


@pytest.mark.parametrize("samples", [120, 240, 480, 960])
def test_silence_packets_are_silent_small_and_of_the_right_length(samples: int) -> None:
    packet = silence_packet(samples)
    assert packet_samples(packet) == samples
    assert len(packet) < 10
    pcm = OpusDecoder().decode(packet)
    assert len(pcm) == samples
    assert np.abs(pcm).max() <= 1


@pytest.mark.parametrize(
    ("payload", "samples"),
    [
        (b"", 0),
        (bytes([3 << 3]), 2880),  # SILK, 60 ms, one frame
        (bytes([(3 << 3) | 1]), 5760),  # two of them: 120 ms, the longest packet
        (bytes([(16 << 3) | 3, 8]), 960),  # eight frames of 2.5 ms
        (bytes([(3 << 3) | 3, 3]), 0),  # 180 ms: not Opus
        (bytes([3]), 0),  # the count is missing
    ],
)
def test_the_length_is_read_from_the_first_bytes(payload: bytes, samples: int) -> None:
    assert packet_samples(payload) == samples


def test_invalid_packets_decode_to_nothing(library: str) -> None:
    decoder = OpusDecoder()
    assert len(decoder.decode(b"")) == 0
    assert len(decoder.decode(bytes([3]))) == 0
    assert len(decoder.decode(silence_packet())) == 960


def test_decoding_at_16_khz_keeps_the_audible_sound(library: str) -> None:
    t = np.arange(48_000) / 48_000
    pcm = (8000 * np.sin(2 * np.pi * 700 * t) * np.sin(2 * np.pi * 3 * t)).astype(np.int16)
    encoder, wide, narrow = OpusEncoder(), OpusDecoder(), OpusDecoder(16_000)
    packets = [encoder.encode(frame) for frame in pcm.reshape(-1, 960)]
    expected = np.concatenate([wide.decode(p) for p in packets])[::3].astype(float)
    got = np.concatenate([narrow.decode(p) for p in packets]).astype(float)
    assert len(expected) - 100 <= len(got) <= len(expected)
    expected = expected[: len(got)]
    lags = [np.corrcoef(got[50 + lag : 15_000 + lag], expected[50:15_000])[0, 1] for lag in range(-40, 41)]
    assert max(lags) > 0.99


def test_a_decoder_at_an_impossible_rate_is_refused() -> None:
    with pytest.raises(OSError, match="no Opus decoder at 44100 Hz"):
        libopus.Decoder(44_100)


def test_a_frame_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="100 samples"):
        libopus.Encoder(libopus.VOIP, 32_000, 9).encode(np.zeros(100, np.int16))
