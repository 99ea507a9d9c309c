"""Spans arrive at a collector for OTLP over HTTP, and an absent collector harms nobody."""

from __future__ import annotations

import asyncio
import gzip
import itertools
import logging
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from voicebot.clock import monotonic
from voicebot.events import LatencyMeasured
from voicebot.server.telemetry.telemetry import MEASURED, Telemetry
from voicebot.server.telemetry.tracing import CLOSE_TIMEOUT, open_tracing


@dataclass
class Collector:
    url: str
    spans: list[Span] = field(default_factory=list)
    services: set[str] = field(default_factory=set)

    def named(self, name: str) -> list[Span]:
        return [span for span in self.spans if span.name == name]


@pytest.fixture
def collector() -> Iterator[Collector]:
    """A real receiver of OTLP over HTTP in protobuf."""

    class Receive(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            assert (self.path, self.headers["content-type"]) == ("/v1/traces", "application/x-protobuf")
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                for attribute in resource.resource.attributes:
                    if attribute.key == "service.name":
                        found.services.add(attribute.value.string_value)
                for scope in resource.scope_spans:
                    found.spans.extend(scope.spans)
            answer = ExportTraceServiceResponse().SerializeToString()
            self.send_response(200)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Receive)
    found = Collector(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield found
    server.shutdown()
    thread.join()
    server.server_close()


def attributes(span: Span) -> dict[str, Any]:
    return {a.key: getattr(a.value, a.value.WhichOneof("value")) for a in span.attributes}


async def test_events_are_exported_as_spans(
    collector: Collector, monkeypatch: pytest.MonkeyPatch, host: Any, visit: Any
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
    hosting = await host()
    ada, bob = await visit(hosting, joined="Ada Secret"), await visit(hosting, joined="Bob Secret")
    await ada.send("chat_message", {"text": "my secret"}, lobby="demo")
    await ada.settle()
    await ada.send("agent_remove", {"participant_id": "agent-none"}, lobby="demo")
    await ada.expect("error")
    for visitor in (ada, bob):
        await visitor.socket.close()
    await hosting.stop()  # sends what is left

    assert collector.services == {"voicebot"}
    assert len(collector.named("load models")) == 1
    sockets = collector.named("socket")
    assert len(sockets) == 2
    joins = collector.named("message join_lobby")
    assert len(joins) == 2
    assert {link.span_id for join in joins for link in join.links} == {s.span_id for s in sockets}
    assert len({span.trace_id for span in (*sockets, *joins)}) == 4
    [refused] = collector.named("message agent_remove")
    assert refused.status.code == refused.status.STATUS_CODE_ERROR
    posts = [attributes(span) for span in collector.named("HTTP POST")]
    assert posts
    assert all(post["http.response.status_code"] < 300 for post in posts)
    negotiations = [attributes(span) for span in collector.named("negotiation")]
    assert {n["peer"] for n in negotiations} == {"person", "agents"}
    assert all(n["attempts"] >= 1 and n["rung"] == "all" and n["outcome"] for n in negotiations)
    everything = b"".join(span.SerializeToString() for span in collector.spans)
    assert b"ecret" not in everything
    assert ada.cookie.partition("=")[2].encode() not in everything


async def test_a_turn_is_a_span_with_consecutive_parts(
    collector: Collector, monkeypatch: pytest.MonkeyPatch, host: Any, visit: Any
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", f"{collector.url}/v1/traces")
    hosting = await host()
    await visit(hosting, joined="Ada")
    delays = {name: 0.01 * (n + 1) for n, name in enumerate(MEASURED)}
    hosting.agent_sessions["demo"].log.emit(
        LatencyMeasured(turn_id="turn-1", e2e_latency=sum(delays.values()), **delays)
    )
    await hosting.stop()
    [turn] = collector.named("turn")
    parts = sorted(
        (s for s in collector.spans if s.parent_span_id == turn.span_id), key=lambda s: s.start_time_unix_nano
    )
    assert [part.name for part in parts] == list(MEASURED)
    for part, after in itertools.pairwise(parts):
        assert part.end_time_unix_nano == pytest.approx(after.start_time_unix_nano, abs=1000)
    assert [(p.end_time_unix_nano - p.start_time_unix_nano) / 1e9 for p in parts] == pytest.approx(
        list(delays.values()), abs=1e-5
    )
    assert attributes(turn)["turn"] == "turn-1"


@pytest.mark.parametrize("kind", ["refuses", "is silent"])
async def test_an_unreachable_collector_is_logged_once_and_delays_little(
    kind: str, monkeypatch: pytest.MonkeyPatch, host: Any, visit: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.socket() as hole:
        hole.bind(("127.0.0.1", 0))
        if kind == "is silent":
            hole.listen()
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{hole.getsockname()[1]}")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "4")
        hosting = await host()
        ada = await visit(hosting, joined="Ada")
        provider = hosting.telemetry.tracing._provider
        flush = asyncio.create_task(asyncio.to_thread(provider.force_flush, 6000))
        assert await ada.settle() is not None  # the server goes on meanwhile
        if kind == "refuses":
            await flush
            await ada.settle()
            await asyncio.to_thread(provider.force_flush, 6000)
        async with asyncio.timeout(CLOSE_TIMEOUT + 20):
            await hosting.stop()
            await flush
    said = [r.getMessage() for r in caplog.records if r.name == "voicebot.server.telemetry.tracing"]
    assert said
    assert len(said) == len(set(said))
    assert all(
        r.levelno == logging.WARNING for r in caplog.records if r.name == "voicebot.server.telemetry.tracing"
    )


async def test_a_span_contains_the_type_of_an_error_but_not_its_text(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
    tracing = open_tracing()
    telemetry = Telemetry(monotonic, tracing)
    for block in (telemetry.request("GET"), telemetry.receiving("ping"), telemetry.span("load models")):
        with pytest.raises(ValueError, match="canary"), block:
            raise ValueError("Incorrect API key provided: canary")
    assert tracing is not None
    await tracing.aclose()
    assert len(collector.spans) == 3
    for span in collector.spans:
        assert "canary" not in str(span)
        assert span.status.code == span.status.STATUS_CODE_ERROR
        assert {a.key: a.value.string_value for a in span.attributes}["error.type"] == "ValueError"


async def test_tracing_is_off_by_default(host: Any) -> None:
    hosting = await host()
    assert hosting.telemetry.tracing is None
    assert open_tracing({"OTEL_SDK_DISABLED": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://x"}) is None
    assert open_tracing({"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://x"}) is None


def test_an_unknown_exporter_is_named_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    assert open_tracing({"OTEL_TRACES_EXPORTER": "pigeon"}) is None
    assert "pigeon" in caplog.text


async def test_our_tracer_provider_is_not_global_and_the_users_is_used(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = trace.get_tracer_provider()
    ours = open_tracing({"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url})
    assert ours is not None
    assert trace.get_tracer_provider() is before
    await ours.aclose()

    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    kept = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(kept))
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", provider)
    theirs = open_tracing({})
    assert theirs is not None
    with Telemetry(monotonic, theirs).receiving("ping"):
        pass
    await theirs.aclose()
    provider.get_tracer("x").start_span("still open").end()
    assert [span.name for span in kept.get_finished_spans()] == ["message ping", "still open"]
    provider.shutdown()
