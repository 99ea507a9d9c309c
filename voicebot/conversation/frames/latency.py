"""Measures how long an agent took to answer, and where the time went.

The parts follow the critical path from the person's last speech sample to the agent's first audible one.
Each part is the time by which its stage delayed the answer. Work that was done ahead (a speculation, a
transcript that is ready before the turn is over) therefore counts 0, and parts never overlap. The time
between the stages is `unaccounted`, so that all parts add up to `e2e_latency`.

For an answer that was prepared ahead, `on_user_turn_completed_delay` is the time from the end of the turn to
the commitment. The language model and the voice count only with the work that was not finished by then. A
discarded answer does not count: `SpeculationCancelled` says what it cost, and the turn is measured by the
answer that replaced it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from voicebot.events import (
    EndpointConfirmed,
    Event,
    LatencyMeasured,
    LLMFinished,
    LLMFirstSentence,
    LLMFirstToken,
    LLMStarted,
    PlayoutStarted,
    SpeculationCancelled,
    SpeculationCommitted,
    SpeculationStarted,
    SpeechStopped,
    TranscriptFinal,
    TTSFinished,
    TTSFirstAudio,
    TTSStarted,
)

E = TypeVar("E", bound=Event)

THINKING = (LLMStarted, LLMFirstToken, LLMFirstSentence, LLMFinished)
SPEAKING = (TTSStarted, TTSFirstAudio, TTSFinished)
OWN = (*THINKING, *SPEAKING, SpeculationCommitted)
"""The events of one answer."""

PARTS = (
    "end_of_turn_delay",
    "transcription_delay",
    "on_user_turn_completed_delay",
    "llm_node_ttft",
    "llm_node_ttfs",
    "tts_node_ttfb",
    "playback_latency",
    "unaccounted",
)
"""The parts in the order of the waterfall. They add up to `e2e_latency`."""


def measure(events: Iterable[Event], turn_id: str, speech_id: str | None = None) -> LatencyMeasured | None:
    """Measure the latency of the first answer of a turn, or of the answer `speech_id`.

    `events` are those of the log; only those of the turn count. The result is None if there is nothing to
    measure: nobody spoke in the turn (a greeting), the answer has neither begun nor been cancelled, or it was
    only prepared and discarded. A cancelled turn has the parts that it reached, no `e2e_latency`, and
    `cancelled`.
    """
    turn = sorted((e for e in events if e.turn_id == turn_id), key=lambda e: e.t)
    played = _first(turn, PlayoutStarted, lambda e: speech_id is None or e.speech_id == speech_id)
    agent = played.participant_id if played else None
    end = played.t if played else float("inf")
    before = [e for e in turn if e.t <= end]
    thrown = _thrown_away(before)
    own = [e for e in before if isinstance(e, OWN) and e.seq not in thrown]
    if played is not None:
        speech_id = played.speech_id
    else:  # nothing was audible: find the agent that was to answer
        last = _last(own, Event, lambda e: speech_id is None or e.speech_id == speech_id)
        if last is None:
            return None
        agent, speech_id = last.participant_id, last.speech_id
    own = [e for e in own if e.participant_id == agent and speech_id in (None, e.speech_id or speech_id)]
    spoken = _speech_end(before, agent)
    if spoken is None:
        return None
    thinking: list[Event] = [e for e in own if isinstance(e, THINKING)]
    speaking: list[Event] = [e for e in own if isinstance(e, SPEAKING)]
    if played is None and not any(e.cancelled for e in (*_ends(thinking), *_ends(speaking))):
        return None
    if played is not None:  # discarded speculation is not part of this answer
        thinking = _after_cancelled(thinking)
        speaking = _after_cancelled(speaking)

    confirmed = _last(before, EndpointConfirmed)
    final = _last(before, TranscriptFinal, lambda e: _of_a_person(e, agent))
    committed = _last(own, SpeculationCommitted)
    started, token = _first(thinking, LLMStarted), _first(thinking, LLMFirstToken)
    sentence = _first(thinking, LLMFirstSentence)
    tts, audio = _first(speaking, TTSStarted), _first(speaking, TTSFirstAudio)

    stages: list[tuple[str, float | None, float | None]] = [
        ("end_of_turn_delay", spoken, _t(confirmed)),
        ("transcription_delay", spoken, _t(final)),
        ("on_user_turn_completed_delay", _latest(confirmed, final), _latest(started, committed)),
        ("llm_node_ttft", _t(started), _t(token)),
        ("llm_node_ttfs", _t(token), _t(sentence)),
        ("tts_node_ttfb", _t(tts), _t(audio)),
        ("playback_latency", _t(audio), _t(played)),
    ]
    parts: dict[str, Any] = {}
    cursor = spoken
    for name, begin, finish in stages:
        if begin is None or finish is None:
            continue
        parts[name] = max(0.0, finish - max(begin, cursor))
        cursor = max(cursor, finish)
    if played is None:
        parts["cancelled"] = True
    else:
        e2e = end - spoken
        parts |= {"cause_seq": played.seq, "unaccounted": e2e - sum(parts.values()), "e2e_latency": e2e}
    return LatencyMeasured(turn_id=turn_id, participant_id=agent, speech_id=speech_id, **parts)


def _speech_end(before: Sequence[Event], agent: str | None) -> float | None:
    """Return the time of the person's last speech sample, from voice activity or else the transcript."""
    stopped = _last(before, SpeechStopped)
    if stopped is not None:
        return stopped.t
    finals = (e for e in before if isinstance(e, TranscriptFinal) and _of_a_person(e, agent))
    return max((min(e.end_t, e.t) for e in finals if e.end_t > 0), default=None)


def _thrown_away(turn: Sequence[Event]) -> set[int]:
    """Return the `seq` of all events of cancelled speculations, including late ones."""
    thrown: set[int] = set()
    done: dict[tuple[str | None, str | None], list[int]] = {}
    over: set[tuple[str | None, str | None]] = set()
    for event in sorted(turn, key=lambda e: e.seq):
        speech = (event.participant_id, event.speech_id)
        if isinstance(event, SpeculationCancelled):
            thrown.update(done.pop(speech, ()))
            over.add(speech)
        elif isinstance(event, SpeculationStarted | LLMStarted):
            done[speech] = [event.seq]
            over.discard(speech)
        elif speech in over:
            thrown.add(event.seq)
        else:
            done.setdefault(speech, []).append(event.seq)
    return thrown


def _of_a_person(caption: TranscriptFinal, agent: str | None) -> bool:
    """Tell whether a transcript is a person's. Those of agents have a `speech_id`, even in a hand-over."""
    return caption.participant_id != agent and caption.speech_id is None


def _ends(events: Iterable[Event]) -> list[LLMFinished | TTSFinished]:
    return [e for e in events if isinstance(e, (LLMFinished, TTSFinished))]


def _after_cancelled(events: Sequence[Event]) -> list[Event]:
    last = max((e.seq for e in _ends(events) if e.cancelled), default=-1)
    return [e for e in events if e.seq > last]


def _first(events: Iterable[Event], kind: type[E], where: Callable[[E], bool] = lambda e: True) -> E | None:
    return next((e for e in events if isinstance(e, kind) and where(e)), None)


def _last(events: Sequence[Event], kind: type[E], where: Callable[[E], bool] = lambda e: True) -> E | None:
    return _first(reversed(events), kind, where)


def _t(event: Event | None) -> float | None:
    return None if event is None else event.t


def _latest(*events: Event | None) -> float | None:
    return max((e.t for e in events if e is not None), default=None)
