"""OpenTelemetry spans.

Tracing is on if the user has set a tracer provider, which is then used, or if the standard variables ask
for it: OTEL_EXPORTER_OTLP_ENDPOINT (or OTEL_EXPORTER_OTLP_TRACES_ENDPOINT) names a collector for OTLP over
HTTP, or OTEL_TRACES_EXPORTER is `otlp` or `console`. The other OTEL_* variables (sampler, headers, service
name, timeouts) have their standard meaning. Our own provider is never set as the global one, and ends with
the server.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import Mapping, Sequence

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import (
    BatchSpanProcessor,
    ConsoleSpanExporter,
    SpanExporter,
    SpanExportResult,
)

from voicebot.server.version import __version__

logger = logging.getLogger(__name__)

CLOSE_TIMEOUT = 2.0
"""Seconds to send the last spans in when the server stops."""


class Tracing:
    """A tracer, and its provider if that is our own."""

    def __init__(self, tracer: trace.Tracer, provider: TracerProvider | None = None) -> None:
        self.tracer = tracer
        self._provider = provider

    async def aclose(self) -> None:
        """Send the remaining spans within `CLOSE_TIMEOUT`."""
        provider, self._provider = self._provider, None
        if provider is None:
            return
        loop, done = asyncio.get_running_loop(), asyncio.Event()

        def close() -> None:
            provider.shutdown()
            try:
                loop.call_soon_threadsafe(done.set)
            except RuntimeError:  # the loop has ended meanwhile
                return

        # not the loop's executor: its shutdown would wait for a slow collector
        threading.Thread(target=close, name="last spans", daemon=True).start()
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT):
                await done.wait()
        except TimeoutError:
            logger.warning("The last spans could not be sent within %g s and are lost.", CLOSE_TIMEOUT)


def open_tracing(environ: Mapping[str, str] = os.environ) -> Tracing | None:
    """Return tracing as the user or the environment asks for it, or None."""
    current = trace.get_tracer_provider()
    if not isinstance(current, trace.ProxyTracerProvider | trace.NoOpTracerProvider):
        return Tracing(trace.get_tracer("voicebot", __version__))
    exporter = _exporter(environ)
    if exporter is None:
        return None
    resource = Resource.create({"service.name": environ.get("OTEL_SERVICE_NAME") or "voicebot"})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(_LoggingExporter(exporter)))
    return Tracing(provider.get_tracer("voicebot", __version__), provider)


def _exporter(environ: Mapping[str, str]) -> SpanExporter | None:
    if environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return None
    endpoint = environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") or environ.get("OTEL_EXPORTER_OTLP_ENDPOINT")
    wanted = environ.get("OTEL_TRACES_EXPORTER") or ("otlp" if endpoint else "none")
    if wanted == "console":
        return ConsoleSpanExporter()
    if wanted == "otlp":
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        return OTLPSpanExporter()
    if wanted != "none":
        logger.warning("OTEL_TRACES_EXPORTER=%s is not supported. Use otlp, console or none.", wanted)
    return None


class _LoggingExporter(SpanExporter):
    """Logs once that the collector fails and once that it works again, and never raises."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter, self._failing = exporter, False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        try:
            result = self._exporter.export(spans)
        except Exception:  # a collector must not affect conversations
            result = SpanExportResult.FAILURE
        failed = result is not SpanExportResult.SUCCESS
        if failed and not self._failing:
            logger.warning(
                "The OpenTelemetry collector cannot be reached, and spans are lost until it is back. "
                "Start it, or correct OTEL_EXPORTER_OTLP_ENDPOINT."
            )
        elif self._failing and not failed:
            logger.info("The OpenTelemetry collector is back.")
        self._failing = failed
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._exporter.force_flush(timeout_millis)
