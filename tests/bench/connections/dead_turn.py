"""How long a person waits for the agents' answer when the first TURN server is dead.

python -m tests.bench.connections.dead_turn
"""

from __future__ import annotations

import asyncio
import json
import socket
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from aiortc import RTCConfiguration, RTCPeerConnection

from tests.support.coturn import coturn
from voicebot.clock import monotonic
from voicebot.rtc.ice_servers.planner import Planner
from voicebot.rtc.peer import Peer
from voicebot.signaling.turn import credentials

SECRET = "for-measuring-only"


@dataclass(frozen=True)
class Waited:
    """Seconds from the offer to the answer, which has all candidates of the agents' side."""

    alone: float
    """Without asking beforehand, as aiortc does it."""
    first: float
    """The very first connection."""
    later: float
    """The longest of ten more."""


@dataclass(frozen=True)
class _Server:
    urls: tuple[str, ...]
    username: str | None = None
    credential: str | None = None


async def dead_first_server() -> Waited:
    """A server that answers nothing before one that works; needs coturn, takes some 10 s."""
    with (
        tempfile.TemporaryDirectory() as folder,
        coturn(Path(folder), SECRET) as port,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent,
    ):
        silent.bind(("127.0.0.1", 0))
        ports = (silent.getsockname()[1], port)
        urls = tuple(f"turn:127.0.0.1:{number}?transport=udp" for number in ports)
        server = _Server(urls, *credentials(SECRET, "bench", time.time()))
        planner = Planner()
        alone = await _answer(server, None)
        first = await _answer(server, planner)
        later = [await _answer(server, planner) for _ in range(10)]
        await planner.aclose()
        return Waited(alone, first, max(later))


async def _answer(server: _Server, planner: Planner | None) -> float:
    browser = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    browser.addTransceiver("audio", direction="sendonly")
    await browser.setLocalDescription(await browser.createOffer())
    peer = Peer([server], lambda packet: None, lambda change: None, monotonic, planner)
    begun = monotonic()
    await peer.answer(browser.localDescription.sdp, [], [])
    took = monotonic() - begun
    await peer.close()
    await browser.close()
    return took


if __name__ == "__main__":
    print(json.dumps(asyncio.run(dead_first_server()).__dict__))
