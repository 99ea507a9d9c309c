"""A client of one STUN or TURN server that sends exactly the requests it is told to.

aiortc's own allocations bind channels as needed. To prove what a server allows, we must be able to ask
for any peer of either address family.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Literal

from aioice import stun, turn

from voicebot.rtc.ice import parse_url

FAMILY_MISMATCH = 443
"""The error code for a peer of the other address family (RFC 8656, section 19)."""
FAMILY_UNSUPPORTED = 440
"""The error code for a family that the server does not relay to."""
LIFETIME = 60
"""Seconds for which an allocation is requested."""

Family = Literal[4, 6]
Address = tuple[str, int]


# aioice lacks this attribute (RFC 8656, section 18.6)
_FAMILY = "REQUESTED-ADDRESS-FAMILY"
stun.ATTRIBUTES_BY_NAME.setdefault(
    _FAMILY, (0x0017, _FAMILY, lambda family: struct.pack("!B3x", 1 if family == 4 else 2), stun.unpack_bytes)
)


class TurnError(Exception):
    """The server answered with an error."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"{code} {reason}")
        self.code = code


class Allocation(asyncio.DatagramProtocol):
    """A relay address on a server, from `allocation`."""

    def __init__(self, client: turn.TurnClientProtocol) -> None:
        self._client = client
        self._received: asyncio.Queue[bytes] = asyncio.Queue(64)
        self._channel = turn.CHANNEL_NUMBER_MAX  # counts down; aioice's own channels count up
        self.relayed: Address = ("", 0)
        """The relay address."""
        self.mapped: Address = ("", 0)
        """Our address as the server sees it."""

    async def permit(self, peer: Address) -> None:
        """Send CreatePermission for a peer. Raises TurnError if the server refuses."""
        await ask(self._client, stun.Method.CREATE_PERMISSION, {"XOR-PEER-ADDRESS": peer})

    async def bind(self, peer: Address) -> int:
        """Send ChannelBind for a peer; returns the channel number. Raises TurnError if the server refuses."""
        self._channel -= 1
        attributes = {"CHANNEL-NUMBER": self._channel, "XOR-PEER-ADDRESS": peer}
        await ask(self._client, stun.Method.CHANNEL_BIND, attributes)
        self._client.channel_to_peer[self._channel] = peer
        return self._channel

    def send(self, channel: int, data: bytes) -> None:
        """Send data to the peer of a channel."""
        self._client._send(struct.pack("!HH", channel, len(data)) + data)

    async def receive(self) -> bytes:
        """The next datagram that a peer sent to the relay address."""
        return await self._received.get()

    def datagram_received(self, data: bytes, addr: Address) -> None:
        if not self._received.full():
            self._received.put_nowait(data)

    async def _allocate(self, family: Family) -> None:
        attributes: dict[str, Any] = {"LIFETIME": LIFETIME, "REQUESTED-TRANSPORT": turn.UDP_TRANSPORT}
        if family == 6:
            attributes[_FAMILY] = family
        answer = await ask(self._client, stun.Method.ALLOCATE, attributes)
        try:
            self.relayed, self.mapped = answer["XOR-RELAYED-ADDRESS"], answer["XOR-MAPPED-ADDRESS"]
        except KeyError:
            raise OSError("the answer has no relay address") from None
        self._client.receiver = self


@asynccontextmanager
async def allocation(
    url: str, username: str | None, credential: str | None, family: Family = 4
) -> AsyncIterator[Allocation]:
    """An allocation at a `turn:` or `turns:` URL, which is deleted at the end.

    Raises:
        TurnError: the server answered with an error.
        TimeoutError: it did not answer.
        OSError: there is no connection to it, or TLS failed.
    """
    async with connect(parse_url(url), username, credential) as client:
        made = Allocation(client)
        try:
            await made._allocate(family)
            yield made
        finally:
            if made.relayed[1]:
                client.receiver = None
                await client.delete()


async def ask(
    client: turn.TurnClientProtocol, method: stun.Method, attributes: dict[str, Any]
) -> Mapping[str, Any]:
    """Send a request; returns the attributes of the answer.

    Raises:
        TurnError: the server answered with an error.
        TimeoutError: it did not answer.
    """
    request = stun.Message(method, stun.Class.REQUEST, attributes=attributes)
    try:
        response, _ = await client.request_with_retry(request)
    except stun.TransactionFailed as error:
        raise TurnError(*error.response.attributes.get("ERROR-CODE", (0, "no reason given"))) from None
    except stun.TransactionTimeout:
        raise TimeoutError("no answer") from None
    return response.attributes


@asynccontextmanager
async def connect(
    parsed: dict[str, Any], username: str | None = None, credential: str | None = None
) -> AsyncIterator[turn.TurnClientProtocol]:
    """A client of the server of a parsed URL, which has sent nothing yet.

    Raises:
        OSError: there is no connection to the server, or TLS failed.
    """
    loop, server = asyncio.get_running_loop(), (parsed["host"], parsed["port"])
    options: dict[str, Any] = {
        "username": username,
        "password": credential,
        "lifetime": LIFETIME,
        "channel_refresh_time": turn.DEFAULT_CHANNEL_REFRESH_TIME,
    }
    client: turn.TurnClientProtocol
    transport: asyncio.Transport | asyncio.DatagramTransport
    if parsed.get("transport") == "tcp":
        tls = True if parsed["scheme"] == "turns" else None
        transport, client = await loop.create_connection(
            lambda: turn.TurnClientTcpProtocol(server, **options), *server, ssl=tls
        )
    else:
        transport, client = await loop.create_datagram_endpoint(
            lambda: turn.TurnClientUdpProtocol(server, **options), remote_addr=server
        )
    try:
        yield client
    finally:
        transport.abort()  # the closing messages of TLS would outlive the caller's loop
