"""A simulated person, who joins a lobby like a browser and speaks with a text-to-speech voice.

A guest uses everything that a real participant uses (HTTP session, WebSocket, WebRTC, Opus) except the
microphone and the loudspeaker, so it experiences what a person experiences.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Self
from urllib.parse import urlsplit

import httpx
import numpy as np
import soxr
from numpy.typing import NDArray
from pydantic import ValidationError
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from voicebot.audio.frames import OPUS_RATE
from voicebot.errors import MediaError, SignalingError
from voicebot.rtc.caller import Caller, Microphone, ReceivedFrame
from voicebot.signaling import messages as m
from voicebot.tasks import cancel
from voicebot.tts.base import TTS, VoiceStyle, audio_only

logger = logging.getLogger(__name__)

ANSWER_TIMEOUT = 15.0
"""Seconds for the server to let a guest in, and for the audio connection."""


class Guest:
    """A simulated person in a lobby. Also an async context manager, which joins and leaves.

    Args:
        url: The server's address, such as "http://127.0.0.1:8000".
        lobby: The lobby's id.
        name: The name that others see.
        tts: The text-to-speech model of `say`.
        style: The style of its voice.
        on_heard: Called with every decoded frame that arrives, for measurements.
    """

    def __init__(
        self,
        url: str,
        lobby: str,
        *,
        name: str = "Guest",
        tts: TTS | None = None,
        style: VoiceStyle | None = None,
        on_heard: Callable[[ReceivedFrame], None] | None = None,
    ) -> None:
        self.name = name
        self.id = ""
        self._url = url.rstrip("/")
        self._lobby = lobby
        self._tts = tts
        self._style = style or VoiceStyle()
        self._on_heard = on_heard
        self._microphone = Microphone()
        self._peers: dict[str, tuple[int, Caller]] = {}
        self._socket: ClientConnection | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._host_ready = asyncio.Event()
        self._hanging_up = asyncio.Lock()
        self._joined: asyncio.Future[None] | None = None
        self._heartbeat = 10.0

    @property
    def present(self) -> bool:
        """Whether the guest is in the lobby, as far as the guest knows."""
        return bool(self.id) and self._socket is not None

    async def join(self) -> Self:
        """Enter the lobby.

        Raises:
            SignalingError: the server cannot be reached, refused, or did not answer in time.
        """
        if self.present:
            return self
        await self.leave()  # free the rest of a lost connection
        parts = urlsplit(self._url)
        origin = f"{parts.scheme}://{parts.netloc}"
        try:
            async with httpx.AsyncClient(timeout=ANSWER_TIMEOUT, trust_env=False) as http:
                answer = await http.post(f"{self._url}/api/session", headers={"Origin": origin})
                answer.raise_for_status()
                cookie = "; ".join(f"{name}={value}" for name, value in http.cookies.items())
            self._socket = await connect(
                f"ws{self._url.removeprefix('http')}/ws",
                additional_headers={"Cookie": cookie},
                origin=origin,  # type: ignore[arg-type]
                proxy=None,
            )
        except (httpx.HTTPError, OSError) as error:
            raise SignalingError(
                f"{self.name} cannot reach {self._url}: {error}.",
                hint="Start the server, or correct the address.",
            ) from error
        self._joined = joined = asyncio.get_running_loop().create_future()
        self._spawn(self._read(self._socket), "read")
        try:
            await self._send(m.JoinLobby(id="join", lobby=self._lobby, data=m.JoinLobbyData(name=self.name)))
            await asyncio.wait_for(asyncio.shield(joined), ANSWER_TIMEOUT)
        except BaseException as error:  # after a cancellation, too, nothing may stay behind
            joined.cancel()
            await self.leave()
            if isinstance(error, TimeoutError):
                raise SignalingError(
                    f"{self.name} got no answer from {self._url}.", hint="Look at the server's log."
                ) from None
            raise
        return self

    async def connected(self) -> None:
        """Wait until the agents can hear this guest.

        Raises:
            MediaError: there is no audio connection within `ANSWER_TIMEOUT`.
        """
        try:
            await asyncio.wait_for(self._host_ready.wait(), ANSWER_TIMEOUT)
        except TimeoutError:
            raise MediaError(
                f"{self.name} could not connect to the agents within {ANSWER_TIMEOUT:.0f} s.",
                hint="If there is no agent in the lobby, add one. Otherwise, run `voicebot doctor`.",
            ) from None

    async def say(self, text: str) -> None:
        """Speak a text, and return when its last sample has been sent.

        Raises:
            MediaError: the guest has no voice or no audio connection.
            ModelFailed: the text-to-speech model failed.
        """
        if self._tts is None:
            raise MediaError(
                f"{self.name} has no voice.", hint="Pass tts=..., or use play(pcm, sample_rate)."
            )
        pieces = [pcm async for pcm in audio_only(self._tts.synthesize(text, self._style))]
        if pieces:
            await self.play(np.concatenate(pieces), self._tts.sample_rate)

    async def play(self, pcm: NDArray[np.int16], sample_rate: int) -> None:
        """Play mono int16 samples of shape (n,), and return when the last one has been sent.

        Raises:
            MediaError: there is no audio connection.
        """
        await self.connected()
        samples = np.asarray(soxr.resample(pcm, sample_rate, OPUS_RATE), np.int16)
        await self._microphone.say(samples)

    async def chat(self, text: str) -> None:
        """Send a chat message."""
        await self._send(m.ChatMessage(lobby=self._lobby, data=m.ChatData(text=text)))

    async def leave(self) -> None:
        """Hang up and leave. Safe to call twice."""
        socket, self._socket = self._socket, None
        self.id = ""
        self._host_ready.clear()
        if socket is not None:
            with contextlib.suppress(ConnectionClosed):
                await socket.send(_wire(m.LeaveLobby(lobby=self._lobby)))
        await self._hang_up()
        if socket is not None:
            await socket.close()
        current = asyncio.current_task()
        await cancel(task for task in self._tasks if task is not current)

    async def __aenter__(self) -> Self:
        return await self.join()

    async def __aexit__(self, *_: object) -> None:
        await self.leave()

    # ------------------------------------------------------------ the wire

    async def _read(self, socket: ClientConnection) -> None:
        beat = self._spawn(self._beat(socket), "beat")
        try:
            async for frame in socket:
                try:
                    message = m.server_message.validate_json(frame)
                except ValidationError:
                    logger.warning("%s got a message it does not know: %.200s", self.name, frame)
                    continue
                if self._socket is socket:
                    await self._handle(message)
        except ConnectionClosed:
            pass
        finally:
            beat.cancel()
            if self._joined is not None and not self._joined.done():
                self._joined.set_exception(
                    SignalingError(
                        f"The server closed the connection of {self.name}.", hint="Look at the server's log."
                    )
                )
            if self._socket is socket:
                self._socket, self.id = None, ""
                self._host_ready.clear()
                await self._hang_up()

    async def _hang_up(self) -> None:
        async with self._hanging_up:  # a second caller finds all of it done
            while self._peers:
                _, (_, caller) = self._peers.popitem()
                await caller.close()

    async def _handle(self, message: m.ServerMessage) -> None:
        match message:
            case m.SessionEstablished():
                self._heartbeat = message.data.heartbeat_s
            case m.LobbyJoined():
                self.id = message.data.participant_id  # the next messages are negotiations and need it
                if self._joined is not None and not self._joined.done():
                    self._joined.set_result(None)
            case m.Error() | m.LobbyFull():
                self._refused(message)
            case m.StartWebrtcNegotiation():
                await self._negotiate(message)
            case m.RenegotiateRequest() if (caller := self._caller(message.peer, message.epoch)) is not None:
                await self._guarded(self._offer(message, caller.offer(self.id, message.data.receive)))
            case m.WebrtcAnswer() if (caller := self._caller(message.peer, message.epoch)) is not None:
                await self._guarded(caller.accept(message.data.sdp))
            case m.WebrtcOffer() if (caller := self._caller(message.peer, message.epoch)) is not None:
                await self._guarded(self._answer(caller, message))
            case m.IceCandidate() if (caller := self._caller(message.peer, message.epoch)) is not None:
                data = message.data
                await self._guarded(caller.add_candidate(data.candidate, data.sdp_mid, data.sdp_m_line_index))
            case m.UserLeft():
                _, gone = self._peers.pop(message.data.participant_id, (0, None))
                if gone is not None:
                    await gone.close()
            case _:
                pass

    def _refused(self, message: m.Error | m.LobbyFull) -> None:
        if isinstance(message, m.LobbyFull):
            error = SignalingError("The lobby is full.", hint="Try again when someone has left.")
        else:
            error = SignalingError(message.data.message, hint=message.data.hint, code=message.data.code)
        if self._joined is not None and not self._joined.done():
            self._joined.set_exception(error)
        else:
            logger.warning("%s was told: %s", self.name, error)

    async def _negotiate(self, message: m.StartWebrtcNegotiation) -> None:
        old_epoch, old = self._peers.get(message.peer, (0, None))
        if message.epoch <= old_epoch:
            return
        to_host = message.data.role == "offerer"

        def changed(state: str) -> None:
            if to_host and self._peers.get(message.peer, (0, None))[0] == message.epoch:
                if state == "connected":
                    self._host_ready.set()
                elif state in ("failed", "closed"):
                    self._host_ready.clear()
            if self._socket is not None and state in ("connecting", "connected", "failed"):
                report = m.WebrtcStateChange.model_validate(
                    {"peer": message.peer, "epoch": message.epoch, "data": {"state": state}}
                )
                self._spawn(self._send(report), f"report-{state}")

        caller = Caller(self._microphone, message.data.ice_servers, on_heard=self._on_heard, on_state=changed)
        self._peers[message.peer] = (message.epoch, caller)
        if to_host:
            await self._guarded(self._offer(message, caller.offer(self.id, message.data.receive)))
        elif message.data.role == "impolite":  # the impolite peer offers first
            await self._guarded(self._offer(message, caller.call(self.id, message.peer)))
        if old is not None:
            await old.close()

    async def _offer(
        self,
        request: m.StartWebrtcNegotiation | m.RenegotiateRequest,
        making: Awaitable[tuple[str, dict[str, str]]],
    ) -> None:
        sdp, tracks = await making
        peer, epoch = request.peer, request.epoch
        await self._send(
            m.WebrtcOffer(peer=peer, epoch=epoch, data=m.DescriptionData(sdp=sdp, tracks=tracks))
        )
        # aiortc's SDP already contains every candidate
        await self._send(m.IceCandidate(peer=peer, epoch=epoch, data=m.Candidate(candidate="")))

    async def _answer(self, caller: Caller, message: m.WebrtcOffer) -> None:
        sdp, tracks = await caller.answer(message.data.sdp, message.peer, self.id)
        data = m.DescriptionData(sdp=sdp, tracks=tracks)
        await self._send(m.WebrtcAnswer(peer=message.peer, epoch=message.epoch, data=data))

    def _caller(self, peer: str, epoch: int) -> Caller | None:
        known, caller = self._peers.get(peer, (0, None))
        return caller if known == epoch else None

    async def _guarded(self, work: Awaitable[None]) -> None:
        """Await `work`. A connection that fails must not take the guest out of the lobby."""
        try:
            await work
        except Exception:
            logger.exception("A connection of %s failed", self.name)

    async def _beat(self, socket: ClientConnection) -> None:
        with contextlib.suppress(ConnectionClosed):
            while True:
                await asyncio.sleep(self._heartbeat)
                await socket.send(_wire(m.Ping()))

    async def _send(self, message: m.Message) -> None:
        if self._socket is not None:
            with contextlib.suppress(ConnectionClosed):
                await self._socket.send(_wire(message))

    def _spawn(self, work: Any, what: str) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work, name=f"guest-{self.name}-{what}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _wire(message: m.Message) -> str:
    return message.model_dump_json(exclude_none=True)
