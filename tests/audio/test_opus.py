from __future__ import annotations

import numpy as np
import pytest

from voicebot.audio.opus import OpusDecoder, OpusEncoder, packet_samples, silence_packet

LOOK_AHEAD = 312
"""Samples by which libopus delays its input (its pre-skip, 6.5 ms)."""


def test_what_is_encoded_comes_back() -> None:
    t = np.arange(48_000) / 48_000
    pcm = (10_000 * np.sin(2 * np.pi * 300 * t)).astype(np.int16)
    encoder, decoder = OpusEncoder(), OpusDecoder()
    packets = [encoder.encode(frame) for frame in pcm.reshape(-1, 960)]
    out = np.concatenate([decoder.decode(p) for p in packets])
    assert len(out) == len(pcm)
    assert {packet_samples(p) for p in packets} == {960}
    got, said = out[LOOK_AHEAD + 9600 :].astype(float), pcm[9600:-LOOK_AHEAD].astype(float)
    assert np.corrcoef(got, said)[0, 1] > 0.9  # its high-pass filter turns the phase a little


@pytest.mark.parametrize("samples", [120, 240, 480, 960])
def test_silence_is_silent_small_and_as_long_as_asked(samples: int) -> None:
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
        (bytes([(3 << 3) | 1]), 5760),  # two of them: 120 ms, the most a packet may hold
        (bytes([(16 << 3) | 3, 8]), 960),  # eight frames of 2.5 ms
        (bytes([(3 << 3) | 3, 3]), 0),  # 180 ms: not Opus
        (bytes([3]), 0),  # the count is missing
    ],
)
def test_the_length_is_read_from_the_first_bytes(payload: bytes, samples: int) -> None:
    assert packet_samples(payload) == samples


def test_rubbish_decodes_to_nothing() -> None:
    decoder = OpusDecoder()
    assert len(decoder.decode(b"")) == 0
    assert len(decoder.decode(bytes([3]))) == 0
    assert len(decoder.decode(silence_packet())) == 960
