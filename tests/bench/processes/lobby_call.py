"""How a probe reaches our server: a lobby of its own with one agent, over the real protocol.

Needs only aiortc and websockets, for it also runs in the probe's own environment.
"""

from __future__ import annotations

import asyncio
import json
import urllib.request
import uuid
from collections.abc import Callable
from typing import Any

from aiortc import RTCPeerConnection, RTCSessionDescription
from websockets.asyncio.client import ClientConnection, connect

TIMEOUT = 20.0
PING_EVERY = 8.0


class LobbyCall:
    """`connect` gets a connection that has its microphone as the first transceiver."""

    def __init__(self, url: str, agents: int = 1) -> None:
        self.url = url.rstrip("/")
        self._agents = agents
        self._tasks: list[asyncio.Task[None]] = []

    async def connect(self, pc: RTCPeerConnection) -> None:
        """Session, lobby, agent, offer; returns once the answer is set."""
        cookie = await asyncio.to_thread(self._session)
        self._ws: ClientConnection = await connect(
            self.url.replace("http", "ws", 1) + "/ws",
            additional_headers={"Cookie": cookie},
            origin=self.url,  # type: ignore[arg-type]
        )
        await self._send("create_lobby", {"name": "bench"})
        lobby = (await self._expect("lobby_created"))["data"]["id"]
        await self._send("join_lobby", {"name": "Probe"}, lobby=lobby)
        me = (await self._expect("lobby_joined"))["data"]["participant_id"]
        for n in range(self._agents):
            what = "a weather presenter" if n == 0 else f"a silent listener number {n}"
            await self._send("agent_create", {"description": what}, lobby=lobby)
        start = await self._expect("start_webrtc_negotiation", lambda m: m["data"]["receive"])
        peer, epoch, agents = start["peer"], start["epoch"], start["data"]["receive"]
        if len(agents) < self._agents:  # those that came later
            complete = await self._expect(
                "renegotiate_request", lambda m: len(m["data"]["receive"]) == self._agents
            )
            agents = complete["data"]["receive"]

        microphone = pc.getTransceivers()[0]
        microphone.direction = "sendonly"
        voices = [pc.addTransceiver("audio", direction="recvonly") for _ in agents]
        # the probe takes packets off the first receiver; the agents speak on the others
        for voice in voices:
            voice.receiver._handle_rtp_packet = microphone.receiver._handle_rtp_packet
        await pc.setLocalDescription(await pc.createOffer())
        tracks = {
            microphone.mid: me,
            **{v.mid: agent for v, agent in zip(voices, agents, strict=True)},
        }
        await self._send(
            "webrtc_offer", {"sdp": pc.localDescription.sdp, "tracks": tracks}, peer=peer, epoch=epoch
        )
        answer = await self._expect("webrtc_answer")
        await pc.setRemoteDescription(RTCSessionDescription(answer["data"]["sdp"], "answer"))
        self._tasks = [asyncio.create_task(self._drain()), asyncio.create_task(self._report(pc, peer, epoch))]

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await self._ws.close()

    def _session(self) -> str:
        request = urllib.request.Request(
            self.url + "/api/session", method="POST", headers={"Origin": self.url}
        )
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
            return str(answer.headers["Set-Cookie"]).split(";")[0]

    async def _send(self, type: str, data: dict[str, Any], **fields: Any) -> None:
        await self._ws.send(
            json.dumps({"v": 1, "type": type, "id": uuid.uuid4().hex, "data": data, **fields})
        )

    async def _expect(self, type: str, which: Callable[[dict[str, Any]], Any] = bool) -> dict[str, Any]:
        async with asyncio.timeout(TIMEOUT):
            async for frame in self._ws:
                message: dict[str, Any] = json.loads(frame)
                if message["type"] in ("error", "webrtc_failed", "lobby_full"):
                    raise RuntimeError(f"{type} was expected, but: {message['data']}")
                if message["type"] == type and which(message):
                    return message
        raise RuntimeError(f"The server closed the socket before {type}.")

    async def _drain(self) -> None:
        async for _ in self._ws:  # pings are only answered while somebody reads
            pass

    async def _report(self, pc: RTCPeerConnection, peer: str, epoch: int) -> None:
        while pc.connectionState != "connected":
            await asyncio.sleep(0.01)
        await self._send("webrtc_state_change", {"state": "connected"}, peer=peer, epoch=epoch)
        while True:
            await asyncio.sleep(PING_EVERY)
            await self._send("ping", {})
