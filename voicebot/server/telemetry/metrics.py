"""Prometheus metrics. Each running server has a registry of its own.

Every label has a few known values, so names of lobbies, people, sessions and agents are never labels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from voicebot.media.base import MediaStats
from voicebot.server.version import __version__

MAX_CODES = 64
"""Values per label. A backend could make up any number of error codes and model names."""
SHORT = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
CONNECT = (0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 45.0)
TURN = (0.1, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0)
PART = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 2.0, 5.0)
STALL = (0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
FACTOR = (0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 4.0)
HTTP = (0.005, 0.025, 0.1, 0.5, 2.5, 10.0)
Amounts = float | Mapping[str, float]


class Metrics:
    """Counters and histograms, which `voicebot.server.telemetry.telemetry` updates."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)

        def counter(name: str, what: str, *labels: str) -> Counter:
            return Counter(f"voicebot_{name}", what, labels, registry=registry)

        def gauge(name: str, what: str) -> Gauge:
            return Gauge(f"voicebot_{name}", what, registry=registry)

        def histogram(name: str, what: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
            return Histogram(f"voicebot_{name}", what, labels, buckets=buckets, registry=registry)

        build = Gauge("voicebot_build_info", "The version that runs", ["version"], registry=registry)
        build.labels(__version__).set(1)
        self.sockets = gauge("sockets", "Open WebSockets")
        self.sockets_opened = counter("sockets_opened", "WebSockets accepted")
        self.sockets_refused = counter("sockets_refused", "WebSockets not accepted", "reason")
        self.closes = counter("sockets_closed", "WebSockets closed by the server, by close code", "code")
        self.reconnects = counter("reconnects", "WebSockets of people who have a seat")
        self.resumes = counter("resumes", "Sessions that resumed: replayed, state, or refused", "outcome")
        self.received = counter("messages_received", "Messages from browsers", "type")
        self.sent = counter("messages_sent", "Messages queued for browsers", "type")
        self.errors = counter("message_errors", "Error messages sent, by code", "code")
        self.waits = counter("rate_limit_waits", "Frames that were delayed by the rate limit")
        self.waited = counter("rate_limit_wait_seconds", "Seconds for which frames were delayed")
        self.http = histogram("http_request_seconds", "HTTP requests", HTTP, "method", "status")

        self.attempts = counter("negotiation_attempts", "Attempts to connect", "peer", "rung")
        self.outcomes = counter("negotiations", "Connections by outcome", "peer", "rung", "outcome")
        self.connecting = histogram(
            "negotiation_connect_seconds", "Seconds from the first attempt to both connected", CONNECT, "peer"
        )

        self.ice_restarts = counter("ice_restarts", "Connections of people repaired by an ICE restart")

        self.store = histogram("store_seconds", "Operations of the store", SHORT, "operation")
        self.store_errors = counter("store_errors", "Operations of the store that failed", "operation")
        self.lag = histogram("loop_lag_seconds", "How late the event loop was", SHORT)
        self.turns = histogram("turn_seconds", "Seconds from a person's last sound to an agent's first", TURN)
        self.turn_parts = histogram("turn_part_seconds", "Seconds of each part of such a turn", PART, "part")
        self.turns_cancelled = counter("turns_cancelled", "Answers cancelled before they were heard")
        self.stalls = histogram("loop_stall_seconds", "Seconds for which the event loop was blocked", STALL)
        self.stt_factor = histogram(
            "stt_real_time_factor",
            "Seconds from the end of a turn to its text, for each second of speech",
            FACTOR,
            "model",
        )
        self.tts_factor = histogram(
            "tts_real_time_factor", "Seconds of work for each second of speech made", FACTOR, "model"
        )
        self.interruptions = counter(
            "interruptions", "Speech over agents, by what it turned out to be", "kind"
        )
        self.echoes = counter("echoes_ignored", "Utterances that were an agent's own voice")
        self.speculations = counter("speculations", "Answers prepared before the turn had ended", "outcome")
        self.wasted = counter("speculation_wasted_seconds", "Seconds of work on discarded answers")
        self.wasted_characters = counter("speculation_wasted_characters", "Characters of discarded answers")
        self.wasted_audio = counter(
            "speculation_wasted_audio_seconds", "Seconds of speech of discarded answers"
        )
        self.restarts = counter("media_restarts", "Times the media process died and was started again")
        self._codes: set[str] = set()
        self._models: set[str] = set()

    def code(self, code: str) -> str:
        """Return the code as a label, or `other` if there are too many."""
        return _known(code, self._codes)

    def model(self, name: str) -> str:
        """Return the name as a label, or `other` if there are too many."""
        return _known(name, self._models)

    def render(self, accept: str) -> tuple[bytes, str]:
        """Return all metrics in the text format for an Accept header, and its content type."""
        encode, content_type = choose_encoder(accept)
        return encode(self.registry), content_type


def _known(label: str, labels: set[str]) -> str:
    if label in labels or len(labels) < MAX_CODES:
        labels.add(label)
        return label
    return "other"


class Present(Collector):
    """Gauges that are read on each scrape."""

    def __init__(
        self, read: Callable[[], Mapping[str, Amounts]], media: Callable[[], MediaStats | None]
    ) -> None:
        """`read` returns an amount for each name in `PRESENT`; those with a label return one per value."""
        self._read, self._media = read, media

    def collect(self) -> Iterable[Metric]:
        now = self._read()
        for name, (what, label) in PRESENT.items():
            family = GaugeMetricFamily(f"voicebot_{name}", what, labels=[label] if label else [])
            amounts = now[name]
            for kind, value in (amounts if isinstance(amounts, Mapping) else {"": amounts}).items():
                family.add_metric([kind] if label else [], value)
            yield family
        stats = self._media()
        if stats is not None:
            yield from _media(stats)


PRESENT = {
    "draining": ("1 while nobody new is admitted", ""),
    "ready": ("1 when people can come in", ""),
    "recording": ("1 while the disk has room for recordings", ""),
    "sessions": ("Sessions in memory", ""),
    "lobbies": ("Lobbies", ""),
    "participants": ("People and agents in lobbies", "kind"),
    "reconnecting": ("People whose socket is lost", ""),
    "forwarded": ("Sockets and requests forwarded to other servers", ""),
    "conversations": ("Conversations going on", ""),
    "outbox_messages": ("Messages that wait to be written to browsers", ""),
    "outbox_longest": ("The most messages that wait for one browser", ""),
    "model_queue": ("Utterances and sentences that wait for a model", "role"),
}


def _media(stats: MediaStats) -> Iterable[Metric]:
    for name, what, amount in (
        ("media_peers", "Connections of the media plane", stats.peers),
        ("media_playout_queue_seconds", "Audio of agents that waits to be sent", stats.queued_seconds),
        ("media_command_queue_bytes", "Commands that the media plane has not read", stats.queued_bytes),
    ):
        yield GaugeMetricFamily(f"voicebot_{name}", what, value=amount)
    for name, what, total in (
        ("media_loop_stalls", "Times the media loop was blocked", stats.stalls),
        ("media_loop_stall_seconds", "Seconds for which the media loop was blocked", stats.stall_seconds),
        ("media_echo_seconds", "Seconds of microphones with an agent's voice", stats.echo_seconds),
        ("media_cpu_seconds", "CPU time of the media process", stats.cpu_seconds),
        ("media_late_frames", "Audio frames left out because they were late", stats.late_frames),
        ("media_lost_packets", "Packets of people that were lost", stats.lost_packets),
    ):
        yield CounterMetricFamily(f"voicebot_{name}", what, value=total)
