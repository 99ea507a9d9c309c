"""Encodes, decodes and measures Opus packets. One packet is one RTP payload (RFC 6716, RFC 7587)."""

from __future__ import annotations

from functools import cache
from typing import Literal

import av
import numpy as np

from voicebot.audio import libopus
from voicebot.audio.frames import EMPTY, FRAME_SAMPLES, OPUS_RATE, TIME_BASE, Pcm
from voicebot.audio.resampling import Resampler

SPEECH_BIT_RATE = 32_000
COMPLEXITY = 9
"""The encoder's complexity, from 0 to 10; browsers use 9 on desktop machines."""

# durations in 48 kHz samples by the configuration number of the TOC byte (RFC 6716, table 2)
_SILK = (480, 960, 1920, 2880)
_HYBRID = (480, 960)
_CELT = (120, 240, 480, 960)
_DURATIONS = _SILK * 3 + _HYBRID * 2 + _CELT * 4
_SILENCES = (960, 480, 240, 120)


def packet_samples(payload: bytes) -> int:
    """The length of a packet in 48 kHz samples; 0 if it is not Opus."""
    if not payload:
        return 0
    toc = payload[0]
    code = toc & 3
    count = (1, 2, 2, payload[1] & 63 if len(payload) > 1 else 0)[code]
    samples = _DURATIONS[toc >> 3] * count
    return samples if samples <= OPUS_RATE * 120 // 1000 else 0


class OpusEncoder:
    """Encodes mono int16 speech at 48 kHz, one packet per frame."""

    def __init__(
        self,
        frame_samples: int = FRAME_SAMPLES,
        application: Literal["voip", "lowdelay"] = "voip",
    ) -> None:
        self._codec: libopus.Encoder | _AvEncoder
        try:
            kind = libopus.VOIP if application == "voip" else libopus.LOW_DELAY
            self._codec = libopus.Encoder(kind, SPEECH_BIT_RATE, COMPLEXITY)
        except OSError:
            self._codec = _AvEncoder(frame_samples, application)

    def encode(self, pcm: Pcm) -> bytes:
        """Encode one frame, exactly `frame_samples` samples of shape (n,), to one packet."""
        return self._codec.encode(pcm)


class OpusDecoder:
    """Decodes the packets of one stream to mono int16 at `rate` Hz (48,000 or 16,000)."""

    def __init__(self, rate: int = OPUS_RATE) -> None:
        self._codec: libopus.Decoder | _AvDecoder
        try:
            self._codec = libopus.Decoder(rate)
        except OSError:
            self._codec = _AvDecoder(rate)

    def decode(self, payload: bytes) -> Pcm:
        """The samples of a packet, shape (n,); empty if it cannot be decoded.

        At 16 kHz without libopus, they come up to 6 ms later than their packet.
        """
        return self._codec.decode(payload)


class _AvEncoder:
    def __init__(self, frame_samples: int, application: str) -> None:
        codec = av.CodecContext.create("libopus", "w")
        assert isinstance(codec, av.AudioCodecContext)
        codec.bit_rate = SPEECH_BIT_RATE
        codec.format = "s16"
        codec.layout = "mono"
        codec.sample_rate = OPUS_RATE
        codec.time_base = TIME_BASE
        codec.options = {
            "application": application,
            "frame_duration": f"{frame_samples * 1000 / OPUS_RATE:g}",
            "compression_level": str(COMPLEXITY),
        }
        self._codec = codec
        self._pts = 0

    def encode(self, pcm: Pcm) -> bytes:
        frame = av.AudioFrame.from_ndarray(pcm.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate = OPUS_RATE
        frame.pts = self._pts
        frame.time_base = TIME_BASE
        self._pts += len(pcm)
        packets = self._codec.encode(frame)
        return bytes(packets[0])


class _AvDecoder:
    def __init__(self, rate: int) -> None:
        codec = av.CodecContext.create("libopus", "r")
        assert isinstance(codec, av.AudioCodecContext)
        codec.format = "s16"
        codec.layout = "mono"
        codec.sample_rate = OPUS_RATE
        self._codec = codec
        self._resampler = Resampler(OPUS_RATE, rate, "LQ")

    def decode(self, payload: bytes) -> Pcm:
        if not payload:
            return EMPTY
        try:
            frames = self._codec.decode(av.Packet(payload))
        except av.FFmpegError:
            return EMPTY
        if not frames:
            return EMPTY
        parts = [frame.to_ndarray().reshape(-1).astype(np.int16, copy=False) for frame in frames]
        return self._resampler.feed(parts[0] if len(parts) == 1 else np.concatenate(parts))


@cache
def silence_packet(samples: int = FRAME_SAMPLES) -> bytes:
    """A packet of digital silence; `samples` is 120, 240, 480 or 960 (2.5 to 20 ms)."""
    encoder = OpusEncoder(samples, application="lowdelay")
    quiet = np.zeros(samples, np.int16)
    for _ in range(10):  # until the encoder has settled
        packet = encoder.encode(quiet)
    return packet


def silence_packets(samples: int) -> list[bytes]:
    """Packets of silence whose length is `samples` (48 kHz), rounded to 2.5 ms."""
    rest = (samples + 60) // 120 * 120
    out: list[bytes] = []
    for size in _SILENCES:
        count, rest = divmod(rest, size)
        out += [silence_packet(size)] * count
    return out
