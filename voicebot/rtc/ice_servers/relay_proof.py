"""Proofs about a TURN server: that it relays, and which peers it denies."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from voicebot.rtc.ice_servers.allocation import (
    FAMILY_MISMATCH,
    FAMILY_UNSUPPORTED,
    Address,
    Allocation,
    Family,
    TurnError,
    allocation,
)

PATIENCE = 8.0
"""Seconds for one proof. A distant server needs several round trips for each address."""
AGAIN = 0.25
"""Seconds after which a datagram is sent again, because UDP may lose it."""
PORT = 9
"""The port of peers to which nothing is sent."""
FORBIDDEN = 403
"""The error code for a denied peer."""

RelayOutcome = Literal["relayed", "own_address_denied", "lost", "refused", "unreachable"]


@dataclass(frozen=True)
class RelayProof:
    """Whether data passed between two allocations of one server, in both directions."""

    outcome: RelayOutcome
    detail: str
    relayed: str = ""


async def prove_relay(url: str, username: str, credential: str, *, patience: float = PATIENCE) -> RelayProof:
    """Make two allocations at `url` send each other random bytes. Never raises."""
    try:
        async with (
            asyncio.timeout(patience),
            allocation(url, username, credential) as one,
            allocation(url, username, credential) as two,
        ):
            try:
                await one.permit(two.relayed)
                await two.permit(one.relayed)
                channels = await one.bind(two.relayed), await two.bind(one.relayed)
            except TurnError as error:
                where = one.relayed[0]
                if error.code == FORBIDDEN:
                    return RelayProof(
                        "own_address_denied",
                        f"it relays at {where} but denies that address as a peer ({error}), so two "
                        "people who both need it cannot reach each other",
                        where,
                    )
                return RelayProof("refused", f"a peer is refused ({error})", where)
            await _carry(one, channels[0], two)
            await _carry(two, channels[1], one)
            return RelayProof("relayed", f"data arrives both ways through {one.relayed[0]}", one.relayed[0])
    except TurnError as error:
        return RelayProof("refused", f"an allocation is refused ({error})")
    except TimeoutError:
        return RelayProof("lost", f"nothing arrives through it within {patience:g} s")
    except OSError as error:
        return RelayProof("unreachable", f"no connection: {error.strerror or error}")


async def _carry(sender: Allocation, channel: int, receiver: Allocation) -> None:
    """Send a payload until it arrives."""
    payload = secrets.token_bytes(64)
    while True:
        sender.send(channel, payload)
        try:
            async with asyncio.timeout(AGAIN):
                while await receiver.receive() != payload:
                    pass
                return
        except TimeoutError:
            continue


@dataclass(frozen=True)
class PeerDenial:
    """Whether the server denies one peer."""

    peer: str
    denied: bool
    detail: str


@dataclass(frozen=True)
class DenialProof:
    """The server's answers for all peers."""

    denials: tuple[PeerDenial, ...]
    no_family: tuple[Family, ...] = ()
    """Address families that it does not relay to at all, so it need not deny their peers."""
    problem: str = ""
    """Why the server could not be asked."""


async def prove_denied(
    url: str, username: str, credential: str, peers: Sequence[str], *, patience: float = PATIENCE
) -> DenialProof:
    """Request a permission and a channel for each peer, from allocations of both families. Never raises.

    Nothing is sent to any peer. An address of the other family must be refused, too.
    """
    answers: dict[str, list[PeerDenial]] = {peer: [] for peer in peers}
    missing: list[Family] = []
    families: tuple[Family, ...] = (4, 6)
    for family in families:
        try:
            async with asyncio.timeout(patience), allocation(url, username, credential, family) as asking:
                for answer in await asyncio.gather(*(_ask(asking, (peer, PORT), family) for peer in peers)):
                    answers[answer.peer].append(answer)
        except TurnError as error:
            if error.code != FAMILY_UNSUPPORTED:
                return DenialProof((), problem=f"an allocation is refused ({error})")
            missing.append(family)
        except TimeoutError:
            return DenialProof((), problem=f"no answer within {patience:g} s")
        except OSError as error:
            return DenialProof((), problem=f"no connection: {error.strerror or error}")
    worst = (min(found, key=lambda answer: answer.denied) for found in answers.values() if found)
    return DenialProof(tuple(worst), tuple(missing))


async def _ask(asking: Allocation, peer: Address, family: Family) -> PeerDenial:
    """Try both ways to reach a peer. One that is open makes it reachable."""
    own_family = (":" in peer[0]) == (family == 6)
    expected = (FORBIDDEN,) if own_family else (FORBIDDEN, FAMILY_MISMATCH)
    answers = []
    for ask, name in ((asking.permit, "CreatePermission"), (asking.bind, "ChannelBind")):
        try:
            await ask(peer)
        except TurnError as error:
            if error.code not in expected:
                return PeerDenial(peer[0], False, f"{name} is answered with {error} instead of {FORBIDDEN}")
            answers.append(str(error))
        else:
            return PeerDenial(peer[0], False, f"{name} is granted")
    return PeerDenial(peer[0], True, answers[0])
