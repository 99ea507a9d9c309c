"""One agent's voice whose packets are collected instead of sent, for tests in virtual time."""

from __future__ import annotations

import asyncio

import numpy as np

from voicebot.audio.opus import OpusDecoder
from voicebot.media.base import Notice, PlayoutEnded
from voicebot.media.outbound_audio import OutboundAudio

RATE = 16_000


def tone(seconds: float, rate: int = RATE) -> np.ndarray:
    return (9000 * np.sin(2 * np.pi * 300 * np.arange(round(seconds * rate)) / rate)).astype(np.int16)


class Rig:
    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.now = loop.time
        self.sent: list[tuple[bytes, int, float]] = []
        self.left: list[float] = []
        self.notices: list[Notice] = []
        self.voice = OutboundAudio(
            "host", "marlin", clock=loop.time, origin=loop.time(), send=self._send, notify=self.notices.append
        )

    def _send(self, payload: bytes, pts: int, due: float) -> None:
        self.sent.append((payload, pts, due))
        self.left.append(self.now())

    def say(
        self,
        speech: str,
        index: int,
        pcm: np.ndarray,
        rate: int = RATE,
        held: bool = False,
    ) -> None:
        self.voice.say(speech, index, pcm, rate, held)

    def ended(self) -> list[PlayoutEnded]:
        return [n for n in self.notices if isinstance(n, PlayoutEnded)]

    def pcm(self) -> np.ndarray:
        decoder = OpusDecoder()
        return np.concatenate([decoder.decode(payload) for payload, _, _ in self.sent])
