"""Origin and Host checks, the session cookie and the security headers of responses."""

from __future__ import annotations

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from voicebot.errors import VoicebotError
from voicebot.server.net.addresses import Addresses, is_loopback_name, parse_host
from voicebot.server.net.wire_errors import error_body, hidden_error_body

SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}
PROBES = {"/health", "/ready"}
"""A load balancer may use any Host for these; they reveal nothing about anybody."""


def is_secure(connection: HTTPConnection) -> bool:
    """Whether the client uses TLS. uvicorn has already read the proxy's X-Forwarded-Proto."""
    return connection.scope["scheme"] in {"https", "wss"}


class SessionCookie:
    """Reads and sets the cookie with the session's secret.

    Browsers send cookies to every port of a host, so the plain name contains the port: two servers on
    one host keep their sessions apart. Servers that share their sessions pass no port.
    """

    def __init__(self, port: int | None) -> None:
        self._plain = "voicebot_session" if port is None else f"voicebot_session_{port}"
        self._secure = "__Host-voicebot_session"

    def read(self, connection: HTTPConnection) -> str | None:
        """Return the secret in the request's cookie, or None."""
        return connection.cookies.get(self._secure if is_secure(connection) else self._plain)

    def write(
        self,
        connection: HTTPConnection,
        response: Response,
        secret: str,
        lifetime: float,
    ) -> None:
        """Set the cookie for `lifetime` seconds."""
        secure = is_secure(connection)
        response.set_cookie(
            self._secure if secure else self._plain,
            secret,
            max_age=int(lifetime),
            path="/",
            httponly=True,
            samesite="lax",
            secure=secure,
        )


def security_headers(scheme: str, host: str, addresses: Addresses) -> dict[str, str]:
    """The headers that every response gets. `scheme` and `host` (the Host header) are the request's."""
    name = parse_host(host)
    if name is None:  # it could break out of a header value
        name = host = "localhost"
    # JupyterLab embeds the page from another port of this machine
    embedders = {"localhost", "127.0.0.1"} | ({name} if ":" not in name else set())
    ancestors = [f"{s}://{n}:*" for n in sorted(embedders) for s in ("http", "https")]
    if addresses.public is not None:
        ancestors.append(f"{addresses.public[0]}://{addresses.public[1]}:*")
    policy = {
        "default-src": "'self'",
        "script-src": "'self'",
        "style-src": "'self'",  # the client sets styles through the CSSOM only
        "img-src": "'self' data: blob:",
        "media-src": "'self' blob: mediastream:",
        "connect-src": f"'self' ws://{host} wss://{host}",
        "worker-src": "'self' blob:",
        "object-src": "'none'",
        "base-uri": "'none'",
        "form-action": "'self'",
        "frame-ancestors": "'self' " + " ".join(ancestors),
    }
    headers = {
        "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        "Permissions-Policy": "microphone=(self), camera=(self), autoplay=(self), geolocation=(), usb=()",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "Cross-Origin-Resource-Policy": "same-origin",
    }
    if scheme == "https" or is_loopback_name(name):
        # browsers warn about it on any other origin
        headers["Cross-Origin-Opener-Policy"] = "same-origin"
    return headers


class SecurityMiddleware:
    """Adds the security headers, and refuses unknown hosts and unsafe methods from other origins.

    Every response without a Cache-Control of its own gets `no-store`, errors included.
    """

    def __init__(self, app: ASGIApp, addresses: Addresses) -> None:
        self._app, self._addresses = app, addresses

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        added = security_headers(scope["scheme"], headers.get("host", ""), self._addresses)
        answered = False

        async def send_with_headers(message: Message) -> None:
            nonlocal answered
            if message["type"] == "http.response.start":
                answered = True
                sent = MutableHeaders(scope=message)
                for name, value in added.items():
                    sent.setdefault(name, value)  # a page may set a stricter policy
                sent.setdefault("Cache-Control", "no-store")
            await send(message)

        app = self._app
        if not (scope["path"] in PROBES or self._addresses.host_allowed(headers)):
            app = refuse_host()
        elif scope["method"] not in SAFE_METHODS and not self._addresses.origin_allowed(
            headers, scope["scheme"]
        ):
            app = refuse_origin(missing="origin" not in headers)
        try:
            await app(scope, receive, send_with_headers)
        except Exception:  # Starlette would answer outside this middleware, without the headers
            if not answered:
                await JSONResponse(hidden_error_body(), 500)(scope, receive, send_with_headers)
            raise


def refuse_host() -> Response:
    """Make the response to a request for an unknown host."""
    return _refusal(
        421,
        "host",
        "This server is not known by that name.",
        "Use its IP address or localhost, or set PUBLIC_URL to the address that people open.",
    )


def refuse_origin(missing: bool = False) -> Response:
    """Make the response to an unsafe request from another origin, or without an Origin header (`missing`)."""
    if missing:
        hint = "Send the address of this server, such as `Origin: http://localhost:8000`."
        return _refusal(403, "origin", "A request that changes something needs an Origin header.", hint)
    hint = "If people reach this server through a proxy, set PUBLIC_URL to the address that they open."
    return _refusal(403, "origin", "Pages of this origin may not use this server.", hint)


def _refusal(status: int, code: str, message: str, hint: str) -> Response:
    body = error_body(VoicebotError(message, hint=hint, code=code))
    return JSONResponse(body, status_code=status)
