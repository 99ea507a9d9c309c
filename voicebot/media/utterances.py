"""Turns windows with a speech probability into utterances, pauses and barge-in. Pure: no codec, no clock."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import numpy as np

from voicebot.audio.echo import EchoGate, EchoReference
from voicebot.audio.frames import Pcm
from voicebot.audio.noise_floor import HOP_SECONDS, Energies, NoiseFloor, energies
from voicebot.media.base import (
    HearingSettings,
    OnNotice,
    SilenceReached,
    SpeechAudio,
    VoiceActivityStarted,
    VoiceActivityStopped,
)
from voicebot.vad.base import VAD_RATE, VAD_WINDOW

WINDOW_SECONDS = VAD_WINDOW / VAD_RATE
OVERLAP_PAUSE = 3
"""Windows without speech (96 ms) after which the time of talking over an agent starts again at zero."""
ONSET = 0.064
"""Seconds of clear sound that count as speech although the detector has not recognised it yet."""
DOUBT = 3
"""Windows (96 ms) at the end of a silence whose probabilities are averaged for `SilenceReached`."""
HANGOVER = 0.3
"""Seconds for which a detector may report speech after the last sound. If it goes on, the speech is too soft
for the energy to show."""
SECOND_THOUGHT = 0.064
"""Seconds that the detector gets to recognise a sound in a pause as speech, before silence is reported."""
SETTLED = 16
"""Windows without speech (0.5 s) after which the detector's state does not depend on the speech before."""
TOGETHER = 3
"""Windows (96 ms) of ongoing speech that are judged, and handed over in one notice, together."""
ECHO = 0.5
"""Likelihood above which a window counts as an agent's own voice, which interrupts nobody."""


class Utterances:
    """The utterances of one person."""

    def __init__(
        self,
        host_id: str,
        participant_id: str,
        settings: HearingSettings,
        notify: OnNotice,
        *,
        agent_talking: Callable[[], bool],
        barge_in: Callable[[str], None],
        echo: EchoGate | None = None,
    ) -> None:
        """Create it for one participant.

        `agent_talking` tells whether an agent is being heard. `barge_in` is called with the participant
        once they have talked over an agent for `interrupt_after` seconds. `echo` recognises an agent's
        own voice; it gets every window, in order.
        """
        self._who = (host_id, participant_id)
        self._settings = settings
        self._notify = notify
        self._agent_talking = agent_talking
        self._barge_in = barge_in
        self._echo = echo or EchoGate(EchoReference())
        self.echo_seconds = 0.0
        """Seconds of speech that was an agent's own voice."""
        self._noise = NoiseFloor()
        self.speaking = False
        self._pausing = False
        """Whether speech has stopped but the turn may go on. One window of speech continues it."""
        self._on = 0
        self._pause = self._utterance = 0
        """Number of windows of silence, and of windows since the utterance began."""
        self._over = self._onset = 0.0
        """Seconds of speech over an agent, and of clear sound that may be the beginning of such speech."""
        self._over_pause = 0
        self._before: deque[tuple[float, Pcm]] = deque(
            maxlen=windows(settings.preroll) + windows(settings.start_after) + 1
        )
        self._gathered: list[tuple[float, Pcm]] = []
        self._vad_end = self._clear_end = 0.0
        """Clock time at which the detector, and the energy, last showed speech."""
        self._until: float | None = None
        self._decided = 0.0
        """Clock time up to which the detector has judged."""
        self._sound = 0.0
        """Clock time at which the last sound in the pause ended."""
        self._newest: deque[float] = deque(maxlen=DOUBT)
        """Speech probabilities of the newest windows."""

    @property
    def speech_end(self) -> float:
        """Clock time of the last audible sample of speech, never later than the detector's."""
        return self._clear_end if self._vad_end - self._clear_end <= HANGOVER else self._vad_end

    @property
    def waiting(self) -> bool:
        """Whether a silence is awaited."""
        return self._until is not None

    def can_wait(self, power: Energies) -> bool:
        """Whether the detector may judge this window later, because no decision depends on it yet."""
        return self.speaking and self._noise.is_loud(power) and not self._agent_talking()

    def surely_silent(self, power: Energies) -> bool:
        """Whether the detector need not be asked, because there has only been a quiet room for a while."""
        return not self.speaking and self._pause >= SETTLED and not self._on and self._noise.is_quiet(power)

    # ------------------------------------------------------------ audio

    def window(self, start: float, window: Pcm, power: Energies, probability: float) -> None:
        """Take the next window: `VAD_WINDOW` samples from clock time `start`.

        `power` has their `energies`, and `probability` is the detector's.
        """
        settings = self._settings
        speech = probability > settings.speech_threshold
        silence = probability < settings.silence_threshold
        self._newest.append(probability)
        self._on = self._on + 1 if speech else 0 if silence else self._on
        self._look(start, power, speech=speech, silence=silence)
        self._noise.learn(power, speech=speech, silence=silence)
        self._decided = end = start + WINDOW_SECONDS
        if self.speaking:
            self._gathered.append((start, window))
            if silence and end - self.speech_end >= settings.pause_after - HOP_SECONDS / 2:
                self._stop()
            elif len(self._gathered) >= TOGETHER:
                self._hand_over()
        else:
            self._before.append((start, window))
            if self._on >= (1 if self._pausing else windows(settings.start_after)):
                self._start()
        self._count_utterance(speech)
        self._echo.heard(start, window)
        echo = speech and self._echo.likelihood() > ECHO
        self.echo_seconds += WINDOW_SECONDS * echo
        if echo or self._utterance > windows(settings.max_utterance):
            self._talk_over(False, [])
        else:
            self._talk_over(speech, power)

    def _look(self, start: float, power: Energies, *, speech: bool, silence: bool) -> None:
        last = self._noise.last_clear(power)
        if speech or (self.speaking and not silence):
            self._vad_end = start + WINDOW_SECONDS
            if last is not None:
                self._clear_end = start + last * HOP_SECONDS
        elif last is not None:
            self._sound = start + last * HOP_SECONDS

    def heard(self, until: float, part: Pcm) -> None:
        """Note that audio up to clock time `until` has arrived; the detector has not seen its end, `part`."""
        if self._until is None or until < self._until:
            return
        first = until - len(part) / VAD_RATE
        last = self._noise.last_clear(energies(part))
        sound = self._sound if last is None else first + last * HOP_SECONDS
        if sound <= self.speech_end or self._decided >= sound + SECOND_THOUGHT:
            self._silence_reached()

    def may_interrupt(self, part: Pcm) -> bool:
        """Whether an agent would be interrupted now if `part`, less than a window, were speech."""
        over = self._over or self._onset
        seconds = len(part) / VAD_RATE
        return (
            over > 0
            and self._long_enough(over + seconds)
            and self._noise.clear_end(energies(part)) > seconds - HOP_SECONDS
            and self._agent_talking()
        )

    def glanced(self, probability: float) -> None:
        """Take the detector's provisional probability for a part that may interrupt an agent."""
        if probability > self._settings.speech_threshold:
            self._interrupt()

    def await_silence(self, until: float) -> None:
        """Report when silence has lasted until this clock time. Ignored while the person speaks."""
        if not self.speaking:
            self._until, self._pausing = until, True

    def lapse(self) -> None:
        """End the current utterance, because the stream broke off or the person left."""
        if self.speaking:
            self._stop()
        self._on = 0
        self._over = self._onset = 0.0
        self._before.clear()
        self._newest.clear()

    def absent(self, now: float) -> None:
        """Treat missing audio as silence up to clock time `now`."""
        if self.speaking:
            self.lapse()
        if self._until is not None and now >= self._until:
            self._silence_reached()

    def close(self) -> None:
        """End the current utterance and answer an awaited silence."""
        self.lapse()
        if self._until is not None:
            self._silence_reached()

    # ------------------------------------------------------------ decisions

    def _silence_reached(self) -> None:
        assert self._until is not None
        until, self._until, self._pausing = self._until, None, False
        doubt = sum(self._newest) / len(self._newest) if self._newest else None
        self._notify(SilenceReached(*self._who, until, doubt))

    def _count_utterance(self, speech: bool) -> None:
        self._pause = 0 if speech else self._pause + 1
        if self._pause >= windows(self._settings.utterance_pause):
            self._utterance = 0
            self._pausing = self._pausing and self.waiting
        elif speech or self._utterance:
            self._utterance += 1

    def _start(self) -> None:
        self.speaking, self._pausing, self._until = True, False, None
        at = self._before[-min(self._on, len(self._before))][0]
        self._notify(VoiceActivityStarted(*self._who, at))
        self._gathered = [
            (t, pcm) for t, pcm in self._before if t >= at - self._settings.preroll - WINDOW_SECONDS / 2
        ]
        self._before.clear()
        self._hand_over()

    def _stop(self) -> None:
        self.speaking, self._pausing = False, True
        self._on = 0
        self._sound = 0.0
        self._hand_over()
        self._notify(VoiceActivityStopped(*self._who, self.speech_end))

    def _hand_over(self) -> None:
        if self._gathered:
            pcm = np.concatenate([window for _, window in self._gathered])
            self._notify(SpeechAudio(*self._who, self._gathered[0][0], pcm))
            self._gathered = []

    def _talk_over(self, speech: bool, power: Energies) -> None:
        """Count speech over an agent; `power` shows sound that may be the beginning of speech."""
        if not self._agent_talking():
            self._over = self._onset = 0.0
        elif speech:
            self._over = (self._over or self._onset) + WINDOW_SECONDS
            self._onset = 0.0
            self._over_pause = 0
            if self._long_enough(self._over):
                self._interrupt()
        else:
            clear = self._noise.clear_end(power)
            whole = clear >= WINDOW_SECONDS
            self._onset = min(ONSET, (self._onset if whole else 0.0) + clear)
            self._over_pause += 1
            if self._over_pause > OVERLAP_PAUSE:
                self._over = 0.0

    def _long_enough(self, seconds: float) -> bool:
        return seconds >= self._settings.interrupt_after - WINDOW_SECONDS / 2

    def _interrupt(self) -> None:
        self._over = self._onset = 0.0
        self._barge_in(self._who[1])


def windows(seconds: float) -> int:
    """The nearest whole number of windows, at least one."""
    return max(1, round(seconds / WINDOW_SECONDS))
