"""What the media worker decides about one person, by level instead of a VAD, at the loop's pace."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from voicebot.media.base import (
    HearingSettings,
    OnNotice,
    SpeechAudio,
    VoiceActivityStarted,
    VoiceActivityStopped,
)

RATE = 16_000
WINDOW = 128
"""Samples (8 ms) between two decisions; divides the default hearing times."""
LOUD = 300.0
"""RMS of int16 samples above which a window counts as speech."""


@dataclass
class Person:
    """What is remembered of one person between two times they are heard."""

    speaking: bool = False
    pausing: bool = False
    """They have stopped and their turn may not be over: a single window of speech goes on with it."""
    until: float | None = None
    """Clock time of the silence that is awaited."""


TalkOver = Callable[[float, float], None]
"""Called for every loud window of a speech: clock times of the speech's begin and of now."""


class FakeHearing:
    """The start and stop rules of `HearingSettings` on one person's samples."""

    def __init__(
        self,
        host_id: str,
        participant_id: str,
        settings: HearingSettings,
        notify: OnNotice,
        talk_over: TalkOver,
        person: Person | None = None,
    ) -> None:
        self._who = (host_id, participant_id)
        self._settings = settings
        self._notify = notify
        self._talk_over = talk_over
        self._person = person or Person()

    async def run(self, pcm: NDArray[np.int16]) -> None:
        """Hear mono samples at 16 kHz, begun now; returns when the last one is over."""
        clock = asyncio.get_running_loop().time
        begin = uttering = clock()
        window_s = WINDOW / RATE
        voiced = silent = 0.0
        person, settings = self._person, self._settings
        sent, first_voice, last_voice = 0, begin, begin
        windows = pcm[: len(pcm) // WINDOW * WINDOW].reshape(-1, WINDOW)
        for n, window in enumerate(windows):
            now = begin + (n + 1) * window_s
            await asyncio.sleep(max(0.0, now - clock()))
            rms = float(np.sqrt(np.mean(np.square(window, dtype=np.float64))))
            loud = rms > LOUD
            if silent >= settings.utterance_pause - 1e-9:
                uttering = now
                person.pausing = person.pausing and person.until is not None
            voiced, silent = (voiced + window_s, 0.0) if loud else (0.0, silent + window_s)
            if loud:
                last_voice = now
            wanted = window_s if person.pausing else settings.start_after
            if not person.speaking and voiced >= wanted - 1e-9:
                person.speaking, first_voice = True, now - voiced
                person.pausing, person.until = False, None
                first = max(sent, n + 1 - round((voiced + settings.preroll) / window_s))
                self._notify(VoiceActivityStarted(*self._who, first_voice))
                self._send(windows, first, n + 1, begin)
                sent = n + 1
            elif person.speaking:
                self._send(windows, sent, n + 1, begin)
                sent = n + 1
                if silent >= settings.pause_after - 1e-9:
                    person.speaking, person.pausing = False, True
                    self._notify(VoiceActivityStopped(*self._who, last_voice))
            if person.speaking and loud and now - uttering <= settings.max_utterance:
                self._talk_over(first_voice, now)
        await asyncio.sleep(0)  # the last notices are handed over on the loop's next round

    def _send(self, windows: NDArray[np.int16], first: int, last: int, begin: float) -> None:
        if last > first:
            pcm = windows[first:last].reshape(-1)
            self._notify(SpeechAudio(*self._who, begin + first * WINDOW / RATE, pcm))


def as_speech(said: float | NDArray[np.int16]) -> NDArray[np.int16]:
    """Samples as they are; seconds as a loud tone, negative seconds as silence. 16 kHz mono."""
    if isinstance(said, np.ndarray):
        return said.astype(np.int16, copy=False)
    time = np.arange(round(abs(said) * RATE))
    if said < 0:
        return np.zeros(len(time), np.int16)
    return (6000 * np.sin(2 * np.pi * 150 * time / RATE)).astype(np.int16)
