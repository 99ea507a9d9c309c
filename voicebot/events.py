"""Everything that can happen in a conversation, as typed, timed events.

An event is frozen. Who causes one builds it without `seq`, `t` and `conversation_id`
and hands it to an `Emit`; the log stamps and returns it, and its `seq` can be the
`cause_seq` of what follows. `t` may be given when the moment lies in the past (the media
worker's clock); it is always seconds since the conversation began. Audio frames are
never events.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter

from voicebot.redaction import redacted

SCHEMA_VERSION = 1
SAMPLE_RATE = 16_000
"""Hz of every `sample` index."""

AgentState = Literal["initializing", "idle", "listening", "thinking", "speaking"]


class Event(BaseModel):
    """The envelope.

    `turn_id` joins everything from a person's speech to the agent's last heard word,
    `speech_id` one uninterrupted playout of one agent, `cause_seq` the event that led here.
    """

    model_config = ConfigDict(frozen=True, extra="allow", ser_json_inf_nan="null")

    schema_version: int = SCHEMA_VERSION
    conversation_id: str = ""
    seq: int = -1
    type: str
    t: float = -1.0
    participant_id: str | None = None
    turn_id: str | None = None
    speech_id: str | None = None
    cause_seq: int | None = None
    sample: int | None = None


class Word(BaseModel):
    """One word of a transcript; times in seconds since the conversation began."""

    model_config = ConfigDict(frozen=True)

    text: str
    start: float
    end: float
    confidence: float | None = None


# ---------------------------------------------------------------- conversation, people, models


class ConversationStarted(Event):
    type: Literal["conversation.started"] = "conversation.started"
    wall_clock: str
    """ISO 8601, UTC: the moment of t = 0."""
    lobby_id: str
    lobby_name: str = ""


class ConversationEnded(Event):
    type: Literal["conversation.ended"] = "conversation.ended"
    reason: str = ""


class ParticipantJoined(Event):
    type: Literal["participant.joined"] = "participant.joined"
    name: str
    kind: Literal["human", "agent"]
    persona_hash: str | None = None


class ParticipantLeft(Event):
    type: Literal["participant.left"] = "participant.left"
    reason: str = "left"


class ParticipantUpdateEvent(Event):
    type: Literal["participant.updated"] = "participant.updated"
    changes: dict[str, Any]


class ConsentGiven(Event):
    type: Literal["consent.given"] = "consent.given"
    scope: str = "recording"


class ConsentWithdrawn(Event):
    type: Literal["consent.withdrawn"] = "consent.withdrawn"
    scope: str = "recording"


class PersonaCreated(Event):
    type: Literal["persona.created"] = "persona.created"
    persona: dict[str, Any]
    persona_hash: str


class PersonaUpdated(Event):
    type: Literal["persona.updated"] = "persona.updated"
    persona: dict[str, Any]
    persona_hash: str


class ModelSwapped(Event):
    type: Literal["model.swapped"] = "model.swapped"
    role: Literal["stt", "tts", "llm", "vad"]
    old: str
    new: str


# ---------------------------------------------------------------- hearing


class SpeechStarted(Event):
    type: Literal["vad.speech_started"] = "vad.speech_started"


class SpeechStopped(Event):
    type: Literal["vad.speech_stopped"] = "vad.speech_stopped"
    duration_s: float
    """Of the speech, without the trailing silence; `t` is its last moment."""


class TranscriptInterim(Event):
    type: Literal["transcript.interim"] = "transcript.interim"
    utterance_id: str
    text: str
    start_t: float = 0.0
    """Of the utterance, seconds since the conversation began."""


class TranscriptFinal(Event):
    type: Literal["transcript.final"] = "transcript.final"
    utterance_id: str
    text: str
    words: list[Word] = []
    language: str = ""
    stt_model: str = ""
    start_t: float = 0.0
    end_t: float = 0.0
    """Of the speech itself, seconds since the conversation began."""
    interrupted: bool = False
    """Agents only: `text` is what was heard until somebody broke in."""


class EndpointPredicted(Event):
    """How long a silence will end this turn; said anew when more is known."""

    type: Literal["endpoint.predicted"] = "endpoint.predicted"
    delay_s: float
    """Seconds since the last speech sample."""
    reason: str = ""
    text: str = ""
    """The partial transcript it was decided by."""
    probability: float | None = None
    """A learned model's, that the turn is complete; None without one."""


class EndpointConfirmed(Event):
    """The silence lasted: the turn is over."""

    type: Literal["endpoint.confirmed"] = "endpoint.confirmed"
    delay_s: float
    """Seconds from the last speech sample to this event."""
    reason: str = ""
    text: str = ""
    probability: float | None = None


class EndpointCancelled(Event):
    """Speech went on: the pause was none that ends a turn."""

    type: Literal["endpoint.cancelled"] = "endpoint.cancelled"
    delay_s: float
    """Seconds that the pause lasted."""
    reason: str = ""
    text: str = ""
    probability: float | None = None


# ---------------------------------------------------------------- the floor


class FloorRequested(Event):
    type: Literal["floor.requested"] = "floor.requested"


class FloorGranted(Event):
    type: Literal["floor.granted"] = "floor.granted"


class FloorReleased(Event):
    type: Literal["floor.released"] = "floor.released"


class FloorDenied(Event):
    type: Literal["floor.denied"] = "floor.denied"
    reason: str = ""


class AddresseeDecided(Event):
    type: Literal["addressee.decided"] = "addressee.decided"
    participant_ids: list[str]
    confidence: float
    reason: str = ""


class AgentStateEvent(Event):
    type: Literal["agent.state"] = "agent.state"
    state: AgentState


# ---------------------------------------------------------------- thinking


class LLMStarted(Event):
    type: Literal["llm.started"] = "llm.started"
    model: str


class LLMFirstToken(Event):
    type: Literal["llm.first_token"] = "llm.first_token"
    model: str


class LLMFirstSentence(Event):
    type: Literal["llm.first_sentence"] = "llm.first_sentence"
    model: str


class LLMFinished(Event):
    type: Literal["llm.finished"] = "llm.finished"
    model: str
    tokens_in: int | None = None
    tokens_out: int | None = None
    text: str = ""
    cancelled: bool = False


class ToolCalled(Event):
    type: Literal["tool.called"] = "tool.called"
    name: str
    arguments: str = ""


class ToolReturned(Event):
    type: Literal["tool.returned"] = "tool.returned"
    name: str
    result: str = ""


class Handoff(Event):
    """An agent gives its turn to another one, which answers the same utterances under the same `turn_id`."""

    type: Literal["handoff"] = "handoff"
    to_participant_id: str
    reason: str = ""
    utterance_ids: list[str] = []
    """What is to be answered."""


# ---------------------------------------------------------------- speaking


class TTSStarted(Event):
    type: Literal["tts.started"] = "tts.started"
    model: str
    characters: int


class TTSFirstAudio(Event):
    type: Literal["tts.first_audio"] = "tts.first_audio"
    model: str


class TTSFinished(Event):
    type: Literal["tts.finished"] = "tts.finished"
    model: str
    characters: int
    audio_s: float = 0.0
    cancelled: bool = False


class PlayoutStarted(Event):
    """`t` is the moment the first audible sample left for the network."""

    type: Literal["playout.started"] = "playout.started"


class PlayoutSentence(Event):
    type: Literal["playout.sentence"] = "playout.sentence"
    index: int
    text: str
    """The sentence whose first sample has just been sent."""


class PlayoutFinished(Event):
    type: Literal["playout.finished"] = "playout.finished"
    planned_text: str
    heard_text: str
    heard_until_s: float
    """Seconds of this speech's audio that were sent."""


class PlayoutInterrupted(Event):
    type: Literal["playout.interrupted"] = "playout.interrupted"
    planned_text: str
    heard_text: str
    heard_until_s: float


class InterruptionDetected(Event):
    """`participant_id` is who interrupted, `speech_id` what was interrupted."""

    type: Literal["interruption.detected"] = "interruption.detected"


class InterruptionFalse(Event):
    type: Literal["interruption.false"] = "interruption.false"


class InterruptionResumed(Event):
    type: Literal["interruption.resumed"] = "interruption.resumed"


class InterruptionBackchannel(Event):
    type: Literal["interruption.backchannel"] = "interruption.backchannel"
    text: str = ""


class EchoIgnored(Event):
    """An agent's own voice came back through this person's loudspeaker; nobody answers it."""

    type: Literal["echo.ignored"] = "echo.ignored"
    text: str
    """What was recognised."""
    similarity: float
    """To what the agent was saying, 0 to 1."""


# ---------------------------------------------------------------- working ahead


class SpeculationStarted(Event):
    """An answer is prepared to what was said until a first short pause; nobody hears it yet."""

    type: Literal["speculation.started"] = "speculation.started"
    text: str
    """The provisional transcript it answers."""


class SpeculationCommitted(Event):
    """The turn ended as expected: the prepared answer is the answer."""

    type: Literal["speculation.committed"] = "speculation.committed"


class SpeculationCancelled(Event):
    """The prepared answer is thrown away, with what it had cost."""

    type: Literal["speculation.cancelled"] = "speculation.cancelled"
    reason: str
    seconds: float
    """Since it began."""
    written: int = 0
    """Characters that the language model had given."""
    characters: int = 0
    """Given to the voice."""
    audio_s: float = 0.0
    """Of sound that was made for nothing."""


class ContextSummarised(Event):
    """The oldest lines of an agent's memory gave way to a summary."""

    type: Literal["context.summarised"] = "context.summarised"
    lines: int
    """Lines that the summary replaces."""
    tokens_before: int
    tokens_after: int
    """Of the whole memory, estimated."""


# ---------------------------------------------------------------- the rest


class UserChat(Event):
    type: Literal["user.chat"] = "user.chat"
    text: str


class ModerationEvent(Event):
    type: Literal["moderation"] = "moderation"
    action: str
    target_id: str | None = None
    reason: str = ""


class ConnectionState(Event):
    type: Literal["connection.state"] = "connection.state"
    peer: str
    epoch: int
    state: str
    ice: dict[str, Any] = {}
    """`{local, remote, relay}` of the selected candidate pair."""
    reason: str = ""
    """For people, when it failed."""


class LatencyMeasured(Event):
    """One agent turn's parts in seconds; they and `unaccounted` sum to `e2e_latency`.

    Names from LiveKit Agents' metrics. `e2e_latency` is measured from the tracks: the last
    speech sample received to the first audible sample sent. Flagged, not averaged, when
    the turn was `cancelled`.
    """

    type: Literal["latency"] = "latency"
    end_of_turn_delay: float | None = None
    transcription_delay: float | None = None
    on_user_turn_completed_delay: float | None = None
    llm_node_ttft: float | None = None
    llm_node_ttfs: float | None = None
    """First token to first speakable sentence."""
    tts_node_ttfb: float | None = None
    playback_latency: float | None = None
    unaccounted: float | None = None
    e2e_latency: float | None = None
    cancelled: bool = False


class LoopStall(Event):
    """The control plane's event loop did not run for `seconds` (a blocking cell)."""

    type: Literal["loop_stall"] = "loop_stall"
    seconds: float
    where: str = ""
    """`file:line function` that kept it, where that could be seen."""


class ErrorEvent(Event):
    type: Literal["error"] = "error"
    code: str
    message: Annotated[str, AfterValidator(redacted)]
    """What happened; secrets of this process are taken out, whoever's error it was."""
    retryable: bool = False


AnyEvent = Annotated[
    ConversationStarted
    | ConversationEnded
    | ParticipantJoined
    | ParticipantLeft
    | ParticipantUpdateEvent
    | ConsentGiven
    | ConsentWithdrawn
    | PersonaCreated
    | PersonaUpdated
    | ModelSwapped
    | SpeechStarted
    | SpeechStopped
    | TranscriptInterim
    | TranscriptFinal
    | EndpointPredicted
    | EndpointConfirmed
    | EndpointCancelled
    | FloorRequested
    | FloorGranted
    | FloorReleased
    | FloorDenied
    | AddresseeDecided
    | AgentStateEvent
    | LLMStarted
    | LLMFirstToken
    | LLMFirstSentence
    | LLMFinished
    | ToolCalled
    | ToolReturned
    | Handoff
    | TTSStarted
    | TTSFirstAudio
    | TTSFinished
    | PlayoutStarted
    | PlayoutSentence
    | PlayoutFinished
    | PlayoutInterrupted
    | InterruptionDetected
    | InterruptionFalse
    | InterruptionResumed
    | InterruptionBackchannel
    | EchoIgnored
    | SpeculationStarted
    | SpeculationCommitted
    | SpeculationCancelled
    | ContextSummarised
    | UserChat
    | ModerationEvent
    | ConnectionState
    | LatencyMeasured
    | LoopStall
    | ErrorEvent,
    Field(discriminator="type"),
]

any_event: TypeAdapter[AnyEvent] = TypeAdapter(AnyEvent)

Emit = Callable[[Event], Event]
"""Stamp and append an event; returns the stamped one. Never blocks, never raises."""
