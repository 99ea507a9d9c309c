"""What the server tells of itself: each place where something happens calls one method here.

Counts and times go to Prometheus always, spans to OpenTelemetry when that is wanted. Nothing here
waits, raises or knows names of people.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

from opentelemetry.trace import (
    INVALID_SPAN_CONTEXT,
    Link,
    NonRecordingSpan,
    Span,
    SpanKind,
    Status,
    StatusCode,
    get_current_span,
    set_span_in_context,
)
from prometheus_client import Histogram

from voicebot.clock import Clock
from voicebot.conversation.frames.latency import PARTS
from voicebot.conversation.log import ConversationLog
from voicebot.events import (
    EchoIgnored,
    EndpointConfirmed,
    Event,
    InterruptionBackchannel,
    InterruptionDetected,
    InterruptionFalse,
    InterruptionResumed,
    LatencyMeasured,
    SpeculationCancelled,
    SpeculationCommitted,
    SpeculationStarted,
    TranscriptFinal,
    TTSFinished,
    TTSStarted,
)
from voicebot.server.telemetry.metrics import Metrics
from voicebot.server.telemetry.tracing import Tracing
from voicebot.signaling.negotiation import Action, Begin, Failed, Ready, Restart
from voicebot.signaling.written import Written

MEASURED = tuple(part for part in PARTS if part != "unaccounted")
"""The parts of a turn that are somebody's doing, in the order in which they follow each other."""
UNDER_WAY = 1024
"""Turns and sentences whose models are at work that are remembered; some never tell that they ended."""
INVALID = NonRecordingSpan(INVALID_SPAN_CONTEXT)
"""As the parent: none."""
_NOTHING: AbstractContextManager[None] = nullcontext()


@dataclass
class _Pending:
    """A connection that is being made."""

    began: float
    rung: str
    attempts: int
    span: Span | None


class Telemetry:
    """One for each running server."""

    def __init__(self, clock: Clock, tracing: Tracing | None = None) -> None:
        self._clock = clock
        self.metrics = Metrics()
        self.tracing = tracing
        self._begun: dict[tuple[str, int], float] = {}
        """By conversation and `seq`: when a model was given something, in its conversation's time."""

    # ------------------------------------------------------------ requests, sockets, messages

    @contextmanager
    def request(self, method: str) -> Iterator[list[int]]:
        """An HTTP request; put its status into the list."""
        began, status = self._clock(), [500]
        with self.span(f"HTTP {method}", kind=SpanKind.SERVER) as span:
            try:
                yield status
            finally:
                if span is not None:
                    span.set_attribute("http.request.method", method)
                    span.set_attribute("http.response.status_code", status[0])
                seconds = self._clock() - began
                self.metrics.http.labels(method, f"{status[0] // 100}xx").observe(seconds)

    @contextmanager
    def socket(self, reconnects: bool) -> Iterator[None]:
        """A WebSocket from its acceptance to its end."""
        self.metrics.sockets_opened.inc()
        if reconnects:
            self.metrics.reconnects.inc()
        with self.metrics.sockets.track_inprogress(), self.span("socket", reconnects=reconnects):
            yield

    def refused(self, reason: str) -> None:
        """A WebSocket was not accepted."""
        self.metrics.sockets_refused.labels(reason).inc()

    def closed(self, code: int) -> None:
        """The server closed a WebSocket."""
        self.metrics.closes.labels(str(code)).inc()

    def waited(self, seconds: float) -> None:
        """A frame came too early for its rate limit."""
        if seconds > 0:
            self.metrics.waits.inc()
            self.metrics.waited.inc(seconds)

    def receiving(self, type: str) -> AbstractContextManager[object]:
        """A message is carried out."""
        self.metrics.received.labels(type).inc()
        if self.tracing is None:
            return _NOTHING
        # a root of its own, so that the sampler decides about each; a socket may live for days
        socket = get_current_span().get_span_context()
        return _span(
            self.tracing,
            f"message {type}",
            context=set_span_in_context(INVALID),
            links=[Link(socket)] if socket.is_valid else None,
        )

    def invalid(self) -> None:
        """A frame was no message."""
        self.metrics.received.labels("invalid").inc()

    def sent(self, message: Written) -> None:
        """A message was queued for a browser."""
        self.metrics.sent.labels(message.type).inc()
        if message.code is not None:
            self.metrics.errors.labels(self.metrics.code(message.code)).inc()

    @contextmanager
    def storing(self, operation: str) -> Iterator[None]:
        """An operation of the store."""
        began = self._clock()
        try:
            yield
        except Exception:
            self.metrics.store_errors.labels(operation).inc()
            raise
        finally:
            self.metrics.store.labels(operation).observe(self._clock() - began)

    def resumed(self, outcome: str) -> None:
        """A session came back: `replayed`, `state` or `refused`."""
        self.metrics.resumes.labels(outcome).inc()

    # ------------------------------------------------------------ connections

    def connections(self, host_peer: str) -> Callable[[tuple[str, str], Action | None], None]:
        """Watches the negotiations of one lobby: call it with each action, and None when a pair is gone."""
        pending: dict[tuple[str, str], _Pending] = {}

        def end(ends: tuple[str, str], outcome: str, code: str = "") -> None:
            one = pending.pop(ends, None)
            if one is None:
                return
            peer = _kind(ends, host_peer)
            self.metrics.outcomes.labels(peer, one.rung, outcome).inc()
            if outcome == "ready":
                self.metrics.connecting.labels(peer).observe(self._clock() - one.began)
            if one.span is not None:
                one.span.set_attributes(
                    {"peer": peer, "rung": one.rung, "attempts": one.attempts, "outcome": outcome}
                )
                if code:
                    one.span.set_attribute("error.type", code)
                    one.span.set_status(Status(StatusCode.ERROR))
                one.span.end()

        def follow(ends: tuple[str, str], action: Action | None) -> None:
            match action:
                case Begin():
                    one = pending.get(ends)
                    if one is None:
                        span = self.tracing.tracer.start_span("negotiation") if self.tracing else None
                        one = pending[ends] = _Pending(self._clock(), "", 0, span)
                    one.rung, one.attempts = action.rung, one.attempts + 1
                    self.metrics.attempts.labels(_kind(ends, host_peer), one.rung).inc()
                case Restart():
                    self.metrics.ice_restarts.inc()
                case Ready():
                    end(ends, "ready")
                case None:
                    end(ends, "abandoned")
                case Failed():
                    end(ends, "failed", action.code)

        return follow

    # ------------------------------------------------------------ conversations

    def follow(self, log: ConversationLog | None, event: Event) -> None:
        """Something happened in a conversation."""
        metrics = self.metrics
        match event:
            case LatencyMeasured():
                self._turn(log, event)
            case EndpointConfirmed() | TTSStarted():
                self._begun[event.conversation_id, event.seq] = event.t
                if len(self._begun) > UNDER_WAY:
                    del self._begun[next(iter(self._begun))]
            case TranscriptFinal():
                self._worked(metrics.stt_factor, event.stt_model, event, event.end_t - event.start_t)
            case TTSFinished():
                self._worked(metrics.tts_factor, event.model, event, 0 if event.cancelled else event.audio_s)
            case (
                InterruptionDetected()
                | InterruptionFalse()
                | InterruptionBackchannel()
                | InterruptionResumed()
            ):
                metrics.interruptions.labels(event.type.partition(".")[2]).inc()
            case EchoIgnored():
                metrics.echoes.inc()
            case SpeculationStarted() | SpeculationCommitted():
                metrics.speculations.labels(event.type.partition(".")[2]).inc()
            case SpeculationCancelled():
                metrics.speculations.labels("cancelled").inc()
                metrics.wasted.inc(max(0.0, event.seconds))
                metrics.wasted_characters.inc(max(0, event.characters))
                metrics.wasted_audio.inc(max(0.0, event.audio_s))
            case _:
                pass

    def stalled(self, seconds: float) -> None:
        """The event loop did not run for so long."""
        self.metrics.stalls.observe(seconds)

    def _worked(self, factor: Histogram, model: str, event: Event, audio: float) -> None:
        """A model is done with what caused `event`, which was `audio` seconds long."""
        cause = -1 if event.cause_seq is None else event.cause_seq
        begun = self._begun.pop((event.conversation_id, cause), None)
        if begun is not None and model and audio > 0:
            factor.labels(self.metrics.model(model)).observe(max(0.0, event.t - begun) / audio)

    def _turn(self, log: ConversationLog | None, latency: LatencyMeasured) -> None:
        """An agent was heard, or its answer given up."""
        if latency.cancelled:
            self.metrics.turns_cancelled.inc()
            return
        if latency.e2e_latency is None:
            return
        self.metrics.turns.observe(latency.e2e_latency)
        parts = {name: seconds for name in MEASURED if (seconds := getattr(latency, name)) is not None}
        for name in PARTS:
            if (seconds := getattr(latency, name)) is not None:
                self.metrics.turn_parts.labels(name).observe(seconds)
        if self.tracing is None or log is None:
            return
        heard = next((e.t for e in reversed(log.events) if e.seq == latency.cause_seq), latency.t)
        end = time.time() - max(0.0, log.at(self._clock()) - heard)
        cursor = end - latency.e2e_latency
        tracer = self.tracing.tracer
        span = tracer.start_span("turn", start_time=_ns(cursor), context=set_span_in_context(INVALID))
        span.set_attribute("turn", latency.turn_id or "")
        within = set_span_in_context(span)
        for name, seconds in parts.items():
            part = tracer.start_span(name, start_time=_ns(cursor), context=within)
            cursor += seconds
            part.end(_ns(cursor))
        span.end(_ns(end))

    # ------------------------------------------------------------ inside

    @contextmanager
    def span(
        self, name: str, *, kind: SpanKind = SpanKind.INTERNAL, **attributes: str | bool
    ) -> Iterator[Span | None]:
        """A span around a block, None without tracing."""
        if self.tracing is None:
            yield None
            return
        with _span(self.tracing, name, kind=kind, attributes=attributes) as span:
            yield span


@contextmanager
def _span(tracing: Tracing, name: str, **options: Any) -> Iterator[Span]:
    """Of an error the collector gets the type alone: its words may quote a server that repeats a key."""
    with tracing.tracer.start_as_current_span(
        name, record_exception=False, set_status_on_exception=False, **options
    ) as span:
        try:
            yield span
        except Exception as error:
            span.set_attribute("error.type", type(error).__name__)
            span.set_status(Status(StatusCode.ERROR))
            raise


def _kind(ends: tuple[str, str], host_peer: str) -> str:
    return "agents" if host_peer in ends else "person"


def _ns(seconds: float) -> int:
    return int(seconds * 1e9)
