"""The media plane: everything that must never wait for Python code in a notebook cell.

It owns the WebRTC connections of agent hosts, Opus, pacing, VAD, barge-in and raw
recording. The control plane gives it commands (methods below) and gets notices (one
callback, on the control plane's loop, in order). All times are `voicebot.clock.monotonic`
seconds of the machine; the control plane turns them into conversation time.

Two forms: `voicebot.media.process.ProcessMediaPlane` (a worker process behind a
socketpair) and `voicebot.media.inline.InlineMediaPlane` (the same engine on the caller's
loop, for tests).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

# ---------------------------------------------------------------- settings and small values

HOLD_LIMIT = 10.0
"""Seconds a speech is held for a person before it is dropped: the control plane may be blocked by a cell."""


@dataclass(frozen=True)
class IceServerConfig:
    """One STUN or TURN server with its credentials."""

    urls: tuple[str, ...]
    username: str | None = None
    credential: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class HearingSettings:
    """How a human track is cut into utterances. Seconds; probabilities 0 to 1."""

    speech_threshold: float = 0.5
    silence_threshold: float = 0.35
    start_after: float = 0.064
    """Speech needed before `VoiceActivityStarted`; shorter bursts are ignored."""
    pause_after: float = 0.1
    """Silence before `VoiceActivityStopped`: the first short pause. It need not end the turn."""
    interrupt_after: float = 0.2
    """Speech over a talking agent that holds it (`PlayoutHeld`), decided in the worker."""
    utterance_pause: float = 0.5
    """Silence that ends an utterance, for the limit below."""
    max_utterance: float = 30.0
    """Speech that has gone on for so long (a television) does not stop a talking agent any more."""
    preroll: float = 0.4
    """Audio before the detected start that is handed over with it."""


# ---------------------------------------------------------------- notices (media -> control)


@dataclass(frozen=True)
class PeerState:
    """A connection changed; `failed` comes with a reason for people.

    Nothing is said of an epoch any more once a larger one is connected.
    """

    host_id: str
    peer_id: str
    epoch: int
    state: Literal["connecting", "connected", "failed", "closed"]
    local: str | None = None
    remote: str | None = None
    """Candidate types of the selected pair (host, srflx, prflx, relay), once connected."""
    reason: str = ""


@dataclass(frozen=True)
class VoiceActivityStarted:
    """A person began to speak at `time` (of the first speech sample; told later), or speaks on after a pause.

    It takes back what `await_silence` was waiting for.
    """

    host_id: str
    participant_id: str
    time: float


@dataclass(frozen=True)
class SpeechAudio:
    """Audio between start and stop, in order, including pre-roll and trailing silence.

    `pcm` is mono int16 at 16 kHz; `time` is that of its first sample.
    """

    host_id: str
    participant_id: str
    time: float
    pcm: NDArray[np.int16]


@dataclass(frozen=True)
class VoiceActivityStopped:
    """The person's last audible speech sample was at `time`; told `pause_after` later."""

    host_id: str
    participant_id: str
    time: float


@dataclass(frozen=True)
class SilenceReached:
    """The person was silent up to `time`, the `until` of the `await_silence` it answers."""

    host_id: str
    participant_id: str
    time: float
    probability: float | None = None
    """The VAD's mean probability of speech in the last tenth of a second: high where silence is doubtful."""


@dataclass(frozen=True)
class PlayoutAudible:
    """The first audible sample of `speech_id` was sent at `time`; silence before it does not count."""

    host_id: str
    agent_id: str
    speech_id: str
    time: float


@dataclass(frozen=True)
class PlayoutMark:
    """The first sample of piece `index` was sent at `time`."""

    host_id: str
    agent_id: str
    speech_id: str
    index: int
    time: float


@dataclass(frozen=True)
class PlayoutEnded:
    """Nothing of `speech_id` will be sent any more.

    `played` seconds of its audio were sent; `pieces` maps each begun piece index to its
    own (seconds played, seconds queued). `interrupted_by` is the participant for whose speech
    it had been held (`PlayoutHeld`), or "" when it ran out or `stop()` came out of the blue.
    """

    host_id: str
    agent_id: str
    speech_id: str
    time: float
    played: float
    pieces: Mapping[int, tuple[float, float]]
    complete: bool
    interrupted_by: str = ""


@dataclass(frozen=True)
class PlayoutHeld:
    """The person `by` has talked over this speech for `interrupt_after`: it waits for `resume` or `stop`.

    `played` and `pieces` are as in `PlayoutEnded`. Told once for each hold and of every speech of the
    agent. `HOLD_LIMIT` seconds without an answer are a `stop`.
    """

    host_id: str
    agent_id: str
    speech_id: str
    time: float
    played: float
    pieces: Mapping[int, tuple[float, float]]
    by: str


@dataclass(frozen=True)
class PlayoutResumed:
    """A speech that had been held for a person flows again, with the sample sent at `time`."""

    host_id: str
    agent_id: str
    speech_id: str
    time: float


@dataclass(frozen=True)
class MediaStats:
    """Every few seconds: what the media plane costs and how it fares."""

    cpu_seconds: float
    """Process CPU time since it began."""
    peers: int
    late_frames: int
    lost_packets: int
    queued_seconds: float = 0.0
    """Of agents' audio, not sent yet."""
    queued_bytes: int = 0
    """Of commands that the worker has not read yet."""
    stalls: int = 0
    """Times that the loop did not run for a while, and for how long in all."""
    stall_seconds: float = 0.0
    echo_seconds: float = 0.0
    """Of agents' own voices that came back through people's loudspeakers."""


@dataclass(frozen=True)
class RecordingFailed:
    """A participant is not recorded any more (disk full, folder gone); the rest goes on."""

    host_id: str
    participant_id: str
    path: Path
    reason: str


@dataclass(frozen=True)
class MediaGone:
    """The worker died; connections are lost. A new one is started by the handle.

    Speeches and utterances under way were reported as ended just before. Hosts, agents and
    recordings are set up again, so browsers only have to offer again with a larger epoch.
    """

    reason: str


Notice = (
    PeerState
    | VoiceActivityStarted
    | SpeechAudio
    | VoiceActivityStopped
    | SilenceReached
    | PlayoutAudible
    | PlayoutMark
    | PlayoutHeld
    | PlayoutResumed
    | PlayoutEnded
    | MediaStats
    | RecordingFailed
    | MediaGone
)
OnNotice = Callable[[Notice], None]


@dataclass(frozen=True)
class Answer:
    """The agent host's SDP answer; `tracks` maps each mid to the agent who speaks on it."""

    sdp: str
    tracks: Mapping[str, str] = field(default_factory=dict)


# ---------------------------------------------------------------- commands (control -> media)


class MediaPlane(Protocol):
    """Commands without `async` are queued at once, carried out in order and, once started, never raise."""

    async def start(self, on_notice: OnNotice) -> None:
        """Start; notices arrive on the calling loop. Raises MediaError."""
        ...

    async def close(self) -> None:
        """End every connection, finish every recording, stop. Safe to call twice."""
        ...

    def abandon(self) -> None:
        """The loop will not run again: what runs elsewhere ends by itself, as after `close`."""
        ...

    @property
    def alive(self) -> bool:
        """Whether calls can be made now: false while a worker that died is started again."""
        ...

    # hosts: one per lobby
    def open_host(self, host_id: str, hearing: HearingSettings) -> None: ...
    def close_host(self, host_id: str) -> None: ...

    # peers: one per human of the lobby
    async def answer(
        self,
        host_id: str,
        peer_id: str,
        epoch: int,
        sdp: str,
        tracks: Mapping[str, str],
        ice_servers: Sequence[IceServerConfig],
    ) -> Answer:
        """Answer a browser's offer.

        `tracks` maps each mid to a participant id: the mid the person's microphone is on to
        the person, each recvonly audio mid to the agent to be heard there. A new `epoch`
        makes a new connection (and closes the older one some seconds after the new is connected); the
        same epoch renegotiates on the same connection. An agent that is gone or unknown is
        answered inactive and left out of `Answer.tracks`; a transceiver not needed any more is
        set to inactive by the browser, never stopped (its section could not be used again).
        Raises MediaError.
        """
        ...

    def add_candidate(
        self, host_id: str, peer_id: str, epoch: int, candidate: str, sdp_mid: str | None, index: int | None
    ) -> None:
        """A trickled candidate; "" is end-of-candidates. Stale epochs are ignored."""
        ...

    def close_peer(self, host_id: str, peer_id: str) -> None: ...

    def await_silence(self, host_id: str, participant_id: str, until: float) -> None:
        """Tell `SilenceReached` once the person has been silent up to clock time `until`.

        Judged from audio that was received, so it comes when that of `until` is here; what is
        missing for long is silence. Speech before then takes it back (`VoiceActivityStarted` is the
        notice), a later call replaces an earlier one. Of somebody who has no microphone here, or
        when the worker dies, silence is told at once.
        """
        ...

    # agents: one outbound track each
    def add_agent(self, host_id: str, agent_id: str) -> None: ...
    def remove_agent(self, host_id: str, agent_id: str) -> None: ...

    def say(
        self,
        host_id: str,
        agent_id: str,
        speech_id: str,
        index: int,
        pcm: NDArray[np.int16],
        sample_rate: int,
        held: bool = False,
    ) -> None:
        """Queue mono audio of piece `index` (a sentence) of a speech; the first call begins it.

        One that begins with `held` is only prepared: it is heard from `resume` on, keeps nobody
        waiting and does not end the speech before it until then.
        """
        ...

    def end(self, host_id: str, agent_id: str, speech_id: str) -> None:
        """No more audio for this speech: `PlayoutEnded(complete=True)` follows its last sample."""
        ...

    def hold(self, host_id: str, agent_id: str, speech_id: str, by: str) -> None:
        """Hold this speech as if the person `by` had talked over it for long: `PlayoutHeld` follows."""
        ...

    def resume(self, host_id: str, agent_id: str, speech_id: str) -> None:
        """Go on with the very next sample, or begin when it was prepared; unknown or ended: ignored."""
        ...

    def stop(self, host_id: str, agent_id: str, speech_id: str) -> None:
        """Drop what is queued at once, held or not; `PlayoutEnded(complete=False)` follows."""
        ...

    # recording
    def record(self, host_id: str, participant_id: str, path: Path, origin: float) -> None:
        """Write the participant's audio to an Ogg Opus file whose time 0 is clock time `origin`.

        Gaps are silence, the end is where the recording was stopped. A file that is there
        already is continued, so the origin must be the same. `RecordingFailed` follows when
        the disk refuses.
        """
        ...

    def stop_recording(self, host_id: str, participant_id: str) -> None: ...
