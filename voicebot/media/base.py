"""The media plane: everything that must never wait for Python code in a notebook cell.

It owns the WebRTC connections of agent hosts, Opus, pacing, VAD, barge-in and raw
recording. The control plane sends commands and gets notices (one callback, on its own
loop, in order). All times are `voicebot.clock.monotonic` seconds of the machine; the
control plane turns them into conversation time.

Two forms: `voicebot.media.process.plane.ProcessMediaPlane` (a worker process behind a
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

from voicebot.signaling.messages import IceServer

# ---------------------------------------------------------------- settings and small values

HOLD_LIMIT = 10.0
"""Seconds a speech is held for a person before it is dropped: the control plane may be blocked by a cell."""


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


# ---------------------------------------------------------------- what messages are about


@dataclass(frozen=True)
class _OfHost:
    host_id: str


@dataclass(frozen=True)
class _OfPeer(_OfHost):
    peer_id: str


@dataclass(frozen=True)
class _OfParticipant(_OfHost):
    participant_id: str


@dataclass(frozen=True)
class _OfAgent(_OfHost):
    agent_id: str


@dataclass(frozen=True)
class _OfSpeech(_OfAgent):
    speech_id: str


# ---------------------------------------------------------------- notices (media -> control)


@dataclass(frozen=True)
class PeerState(_OfPeer):
    """A connection changed; `failed` comes with a reason for people.

    Nothing is said of an epoch any more once a larger one is connected.
    """

    epoch: int
    state: Literal["connecting", "connected", "failed", "closed"]
    local: str | None = None
    remote: str | None = None
    """Candidate types of the selected pair (host, srflx, prflx, relay), once connected."""
    reason: str = ""


@dataclass(frozen=True)
class VoiceActivityStarted(_OfParticipant):
    """A person began to speak at `time` (of the first speech sample; told later), or speaks on after a pause.

    It cancels an `AwaitSilence`.
    """

    time: float


@dataclass(frozen=True)
class SpeechAudio(_OfParticipant):
    """Audio between start and stop, in order, including pre-roll and trailing silence.

    `pcm` is mono int16 at 16 kHz; `time` is that of its first sample.
    """

    time: float
    pcm: NDArray[np.int16]


@dataclass(frozen=True)
class VoiceActivityStopped(_OfParticipant):
    """The person's last audible speech sample was at `time`; told `pause_after` later."""

    time: float


@dataclass(frozen=True)
class SilenceReached(_OfParticipant):
    """The person was silent up to `time`, the `until` of the `AwaitSilence` it answers."""

    time: float
    probability: float | None = None
    """The VAD's mean probability of speech in the last tenth of a second: high where silence is doubtful."""


@dataclass(frozen=True)
class PlayoutAudible(_OfSpeech):
    """The first audible sample of `speech_id` was sent at `time`; silence before it does not count."""

    time: float


@dataclass(frozen=True)
class PlayoutMark(_OfSpeech):
    """The first sample of piece `index` was sent at `time`."""

    index: int
    time: float


@dataclass(frozen=True)
class PlayoutEnded(_OfSpeech):
    """Nothing of `speech_id` will be sent any more.

    `played` seconds of its audio were sent; `pieces` maps each begun piece index to its
    own (seconds played, seconds queued). `complete` is false when it was stopped before its end.
    """

    time: float
    played: float
    pieces: Mapping[int, tuple[float, float]]
    complete: bool

    @classmethod
    def unheard(cls, speech: _OfSpeech, time: float) -> PlayoutEnded:
        """The end of a speech for which there is no agent, or no worker."""
        return cls(speech.host_id, speech.agent_id, speech.speech_id, time, 0.0, {}, complete=False)


@dataclass(frozen=True)
class PlayoutHeld(_OfSpeech):
    """The person `by` has talked over this speech for `interrupt_after`.

    It waits for `ResumeSpeech` or `StopSpeech`; `HOLD_LIMIT` seconds without either stop it. `played`
    and `pieces` are as in `PlayoutEnded`. The notice comes once for each hold, for every speech of the agent.
    """

    time: float
    played: float
    pieces: Mapping[int, tuple[float, float]]
    by: str


@dataclass(frozen=True)
class PlayoutResumed(_OfSpeech):
    """A speech that had been held for a person flows again, with the sample sent at `time`."""

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
class RecordingFailed(_OfParticipant):
    """A participant is not recorded any more (disk full, folder gone); the rest goes on."""

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


# ---------------------------------------------------------------- commands (control -> media)


@dataclass(frozen=True)
class OpenHost(_OfHost):
    """Begin an agent host: one for each lobby."""

    hearing: HearingSettings


class CloseHost(_OfHost):
    """End the connections, speeches and recordings of a host."""


@dataclass(frozen=True)
class AddIceCandidate(_OfPeer):
    """A trickled candidate; "" is end-of-candidates. Those of an older epoch are ignored."""

    epoch: int
    candidate: str
    sdp_mid: str | None
    index: int | None


class ClosePeer(_OfPeer):
    """End a person's connections."""


@dataclass(frozen=True)
class AwaitSilence(_OfParticipant):
    """Tell `SilenceReached` once the person has been silent up to clock time `until`.

    It is judged from received audio, so the notice comes when the audio of `until` is here;
    audio that is missing for long is silence. Speech before then cancels the wait
    (`VoiceActivityStarted` is the notice), and a later command replaces an earlier one. For
    somebody who has no microphone here, or when the worker dies, the notice comes at once.
    """

    until: float


class AddAgentTrack(_OfAgent):
    """Give an agent a track of its own, which every connection can carry."""


class RemoveAgentTrack(_OfAgent):
    """End the agent's speeches and its track."""


@dataclass(frozen=True)
class QueueAudio(_OfSpeech):
    """Queue mono audio of piece `index` (a sentence) of a speech; the first audio begins the speech.

    A speech that begins with `held` is only prepared: it is heard from `ResumeSpeech` on, and
    until then the agent's other speeches pass it.
    """

    index: int
    pcm: NDArray[np.int16]
    sample_rate: int
    held: bool = False


class EndSpeech(_OfSpeech):
    """No more audio for this speech: `PlayoutEnded(complete=True)` follows its last sample."""


@dataclass(frozen=True)
class HoldSpeech(_OfSpeech):
    """Hold this speech as if the person `by` had talked over it for long: `PlayoutHeld` follows."""

    by: str


class ResumeSpeech(_OfSpeech):
    """Go on with the very next sample, or begin a prepared speech. Ignored if it is unknown or over."""


class StopSpeech(_OfSpeech):
    """Drop what is queued at once, held or not; `PlayoutEnded(complete=False)` follows."""


@dataclass(frozen=True)
class StartRecording(_OfParticipant):
    """Write the participant's audio to an Ogg Opus file whose time 0 is clock time `origin`.

    Gaps are silence, and the file ends where the recording is stopped. An existing file is
    continued, so the origin must be the same. `RecordingFailed` follows when the disk refuses.
    """

    path: Path
    origin: float


class StopRecording(_OfParticipant):
    """Finish the participant's file."""


SpeechCommand = QueueAudio | EndSpeech | HoldSpeech | ResumeSpeech | StopSpeech
Command = (
    OpenHost
    | CloseHost
    | AddIceCandidate
    | ClosePeer
    | AwaitSilence
    | AddAgentTrack
    | RemoveAgentTrack
    | SpeechCommand
    | StartRecording
    | StopRecording
)


@dataclass(frozen=True)
class PeerOffer(_OfPeer):
    """A browser's SDP offer to an agent host.

    `tracks` maps each mid to a participant id: the mid the person's microphone is on to the
    person, each recvonly audio mid to the agent to be heard there.
    """

    epoch: int
    sdp: str
    tracks: Mapping[str, str]
    ice_servers: Sequence[IceServer] = ()


@dataclass(frozen=True)
class Answer:
    """The agent host's SDP answer; `tracks` maps each mid to the agent who speaks on it."""

    sdp: str
    tracks: Mapping[str, str] = field(default_factory=dict)


class MediaPlane(Protocol):
    """Where commands go and notices come from."""

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
        """Whether offers can be answered now: false while a worker that died is started again."""
        ...

    def send(self, command: Command) -> None:
        """Queue a command. They are carried out in order; none of them raises.

        Hosts, agents and recordings can be set up before the start.
        """
        ...

    async def answer(self, offer: PeerOffer) -> Answer:
        """Answer a browser's offer.

        A new epoch makes a new connection, and closes the older one some seconds after the new
        one is connected; the same epoch renegotiates on the same connection. An agent that is
        gone or unknown is answered inactive and left out of `Answer.tracks`. A transceiver that is
        not needed any more is set to inactive by the browser, never stopped (its section could not
        be used again). Raises MediaError.
        """
        ...
