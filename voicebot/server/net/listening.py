"""The listening socket and the uvicorn server. Neither can end the process."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from collections.abc import Generator

import uvicorn
from starlette.types import ASGIApp

from voicebot.errors import SettingsError, VoicebotError
from voicebot.redaction import shown
from voicebot.server.net.limits import Limits
from voicebot.server.net.transports import SocketProtocol, http_protocol
from voicebot.signaling.messages import MAX_FRAME

PORTS_TRIED = 50
KEEP_ALIVE = 125
"""Seconds until an idle connection is closed: longer than a proxy keeps it (nginx 60 s, Caddy 120 s).

Otherwise a request may cross with the closing, and the proxy answers it with 502.
"""


def bind(host: str, port: int) -> socket.socket:
    """Listen on TCP `port` or on the next free one; port 0 lets the system choose.

    Raises:
        SettingsError: `host` is not an address of this machine, or no port is free.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(
            host or None, 0, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (socket.gaierror, UnicodeError) as error:
        raise SettingsError(
            f"HOST={(shown(host) if '@' in host else host)!r} is not an address: {error}.",
            hint="Use 127.0.0.1 for this machine or 0.0.0.0 for the local network.",
        ) from None
    last: OSError | None = None
    for candidate in range(port, min(port + PORTS_TRIED, 65536)):
        # asyncio sets TCP_NODELAY only if the protocol is named; otherwise small messages wait for 40 ms
        listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind((address[0], candidate))
            listening.listen(2048)  # until then a second server could bind the same port
            listening.setblocking(False)
            return listening
        except OSError as error:
            listening.close()
            last = error
            if error.errno != errno.EADDRINUSE:
                break
    assert last is not None
    raise SettingsError(
        f"Cannot listen on {host}:{port}: {last.strerror or last}.",
        hint="Choose another HOST or PORT."
        + (" Only the administrator may use ports below 1024." if last.errno == errno.EACCES else ""),
    )


class QuietServer(uvicorn.Server):
    """Leaves signals to its program, and sets `listening` once it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        self.listening.set()

    async def run_on(self, listening: socket.socket) -> None:
        """Serve until `should_exit` is set. Raises VoicebotError where uvicorn would exit the process."""
        try:
            await self.serve(sockets=[listening])
        except SystemExit as error:
            raise VoicebotError(
                f"The web server could not start (exit {error.code}).", hint="The log says why."
            ) from error
        finally:
            self.listening.set()


def make_server(app: ASGIApp, limits: Limits | None = None) -> QuietServer:
    """Configure uvicorn so that dead and half-open connections end."""
    limits = limits or Limits()
    return QuietServer(
        uvicorn.Config(
            app,
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            http=http_protocol(limits.handshake),
            ws=SocketProtocol,
            ws_max_size=MAX_FRAME,
            ws_per_message_deflate=False,
            ws_ping_interval=limits.heartbeat,
            ws_ping_timeout=limits.dead_after - limits.heartbeat,
            timeout_keep_alive=KEEP_ALIVE,
            timeout_graceful_shutdown=2,
        )
    )
