"""Records what happens in the server: always as Prometheus metrics, and as OpenTelemetry spans if configured.

Nothing here waits, raises or knows names of people.
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
"""The measured parts of a turn, in the order in which they follow each other."""
MAX_STARTED = 1024
"""Model runs to remember, because some never report their end."""
INVALID = NonRecordingSpan(INVALID_SPAN_CONTEXT)
"""Makes a span a root."""
_NOTHING: AbstractContextManager[None] = nullcontext()


@dataclass
class _Pending:
    """A negotiation that has not ended."""

    began: float
    rung: str
    attempts: int
    span: Span | None


class Telemetry:
    """The telemetry of one running server."""

    def __init__(self, clock: Clock, tracing: Tracing | None = None) -> None:
        self._clock = clock
        self.metrics = Metrics()
        self.tracing = tracing
        self._started: dict[tuple[str, int], float] = {}
        """Start times of model runs in their conversation's time, by conversation id and `seq`."""

    # ------------------------------------------------------------ requests, sockets, messages

    @contextmanager
    def request(self, method: str) -> Iterator[list[int]]:
        """Time an HTTP request. The caller sets the only item of the list to the status."""
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
        """Track a WebSocket from its acceptance to its end."""
        self.metrics.sockets_opened.inc()
        if reconnects:
            self.metrics.reconnects.inc()
        with self.metrics.sockets.track_inprogress(), self.span("socket", reconnects=reconnects):
            yield

    def receiving(self, type: str) -> AbstractContextManager[object]:
        """Trace the handling of a message."""
        self.metrics.received.labels(type).inc()
        if self.tracing is None:
            return _NOTHING
        # a root, so that the sampler decides about each message: a socket may live for days
        socket = get_current_span().get_span_context()
        return _span(
            self.tracing,
            f"message {type}",
            context=set_span_in_context(INVALID),
            links=[Link(socket)] if socket.is_valid else None,
        )

    def sent(self, message: Written) -> None:
        """Count a message that was queued for a client."""
        self.metrics.sent.labels(message.type).inc()
        if message.code is not None:
            self.metrics.errors.labels(self.metrics.code(message.code)).inc()

    @contextmanager
    def storing(self, operation: str) -> Iterator[None]:
        """Time an operation of the store."""
        began = self._clock()
        try:
            yield
        except Exception:
            self.metrics.store_errors.labels(operation).inc()
            raise
        finally:
            self.metrics.store.labels(operation).observe(self._clock() - began)

    # ------------------------------------------------------------ connections

    def connections(self, host_peer: str) -> Callable[[tuple[str, str], Action | None], None]:
        """Return a callback for the negotiations of one lobby.

        It takes the two ends, and each action of their negotiation or None once the pair is gone.
        """
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
        """Record an event of a conversation."""
        metrics = self.metrics
        match event:
            case LatencyMeasured():
                self._turn(log, event)
            case EndpointConfirmed() | TTSStarted():
                self._started[event.conversation_id, event.seq] = event.t
                if len(self._started) > MAX_STARTED:
                    del self._started[next(iter(self._started))]
            case TranscriptFinal():
                self._model_finished(metrics.stt_factor, event.stt_model, event, event.end_t - event.start_t)
            case TTSFinished():
                self._model_finished(
                    metrics.tts_factor, event.model, event, 0 if event.cancelled else event.audio_s
                )
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

    def _model_finished(self, factor: Histogram, model: str, event: Event, audio: float) -> None:
        """Observe the real-time factor of a model that handled `audio` seconds of speech."""
        cause = -1 if event.cause_seq is None else event.cause_seq
        begun = self._started.pop((event.conversation_id, cause), None)
        if begun is not None and model and audio > 0:
            factor.labels(self.metrics.model(model)).observe(max(0.0, event.t - begun) / audio)

    def _turn(self, log: ConversationLog | None, latency: LatencyMeasured) -> None:
        """Record the latency of a turn."""
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
        """Trace a block. Yields None without tracing."""
        if self.tracing is None:
            yield None
            return
        with _span(self.tracing, name, kind=kind, attributes=attributes) as span:
            yield span


@contextmanager
def _span(tracing: Tracing, name: str, **options: Any) -> Iterator[Span]:
    """Trace a block. Of an error, the span has only the type, because its text may contain a key."""
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
