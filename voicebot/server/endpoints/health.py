"""Health, readiness and metrics, for operators."""

from __future__ import annotations

import hmac
import re

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel

from voicebot.server.endpoints.http import Wired
from voicebot.server.version import __version__
from voicebot.settings import is_loopback

operation = APIRouter()
FORWARDED = ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip")


class Health(BaseModel):
    """The answer of a process that is alive."""

    status: str
    version: str


class Readiness(BaseModel):
    """Whether the server admits people, and why not."""

    ready: bool
    problems: dict[str, str]
    """The reason for each part that is not ready: server, draining, models, media, store."""
    warnings: dict[str, str]
    """Problems that do not keep people out: `recording` if the disk is full."""
    models: dict[str, str]
    client_built: bool


@operation.head("/health", include_in_schema=False)
@operation.get("/health")
async def health() -> Health:
    """Tell that the process answers."""
    return Health(status="ok", version=__version__)


@operation.head("/ready", include_in_schema=False)
@operation.get("/ready", responses={503: {"model": Readiness}})
async def ready(wired: Wired, response: Response) -> Readiness:
    """Tell whether people can come in. If not, answer 503 and name the parts that are not ready."""
    problems = await wired.problems()
    response.status_code = 503 if problems else 200
    return Readiness(
        ready=not problems,
        problems=problems,
        warnings=wired.warnings(),
        models={role: choice.spec for role, choice in wired.models.chosen.items()},
        client_built=wired.client.built,
    )


@operation.get("/metrics", include_in_schema=False)
async def metrics(request: Request, wired: Wired) -> Response:
    """Metrics for Prometheus; see `may_read`."""
    if not may_read(request, wired.metrics_token, behind_proxy=wired.addresses.public is not None):
        return JSONResponse({"detail": "Not Found"}, status_code=404)
    text, content_type = wired.telemetry.metrics.render(request.headers.get("accept", ""))
    return Response(text, headers={"Content-Type": content_type})


def may_read(request: Request, token: str, *, behind_proxy: bool) -> bool:
    """Whether the request has METRICS_TOKEN, or comes from a program on this machine.

    Requests through a proxy also come from this machine. So with PUBLIC_URL only the token counts; without
    it, the request must name this machine as its host and have no header of a proxy.
    """
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    if token and scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), token.encode()):
        return True
    if behind_proxy or request.client is None or any(name in request.headers for name in FORWARDED):
        return False
    name = re.sub(r":\d*$", "", request.headers.get("host", "")).strip("[]")
    return is_loopback(request.client.host.removeprefix("::ffff:")) and is_loopback(name)
