"""The WebRTC connections of one lobby: starts negotiations, keeps their deadlines, tells both ends."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from voicebot.clock import Clock
from voicebot.errors import SignalingError
from voicebot.signaling.messages import (
    ConnectionReady,
    IceServer,
    Message,
    RenegotiateRequest,
    RenegotiateRequestData,
    StartWebrtcNegotiation,
    StartWebrtcNegotiationData,
    WebrtcFailed,
    WebrtcFailedData,
)
from voicebot.signaling.negotiation import (
    Action,
    Begin,
    Failed,
    Negotiation,
    PairState,
    Ready,
    Restart,
    Timeouts,
)
from voicebot.signaling.turn import IcePlan

PeerRole = Literal["offerer", "polite", "impolite"]


@dataclass(frozen=True)
class _Pair:
    negotiation: Negotiation
    roles: dict[str, PeerRole]
    """Of the people among the two ends; the agent host has none and is told nothing."""


class Peers:
    """All pairs of one lobby. `send(person, message)` never waits.

    `agents()` gives the ids of the agents to be heard, `ice(person)` fresh ICE servers, `away(person)`
    whether a person's socket is lost. `abandoned(person)` is called when the connection of a person
    to the host is given up. All epochs are larger than `epoch_base`.
    """

    def __init__(
        self,
        lobby_id: str,
        *,
        clock: Clock,
        send: Callable[[str, Message], None],
        ice: Callable[[str], IcePlan],
        agents: Callable[[], list[str]],
        away: Callable[[str], bool],
        abandoned: Callable[[str], None],
        epoch_base: int = 0,
        timeouts: Timeouts | None = None,
    ) -> None:
        self._lobby_id = lobby_id
        self._clock, self._send, self._ice = clock, send, ice
        self._agents, self._abandoned, self._timeouts = agents, abandoned, timeouts
        self._is_away = away
        self._pairs: dict[frozenset[str], _Pair] = {}
        self._unheard: set[str] = set()
        self._epoch_base = epoch_base
        self._epochs = itertools.count(epoch_base + 1)
        self._timer: asyncio.TimerHandle | None = None
        self.on_action: Callable[[tuple[str, str], Action | None], None] = lambda ends, action: None
        """Called with each action, and with None when a pair is gone."""

    def connect_people(self, impolite: str, polite: str) -> None:
        """Begin (anew) between two people; the one who was there first is impolite."""
        self._begin({impolite: "impolite", polite: "polite"}, (impolite, polite))

    def connect_host(self, person: str, host: str) -> None:
        """Begin (anew) between a person and the agent host."""
        self._begin({person: "offerer"}, (person, host))

    def adopt_people(self, impolite: str, polite: str) -> None:
        """After a restart of the server: two people who may still be connected; else begin."""
        pair = self._pair({impolite: "impolite", polite: "polite"}, (impolite, polite))
        pair.negotiation.adopt(self._clock(), before=self._epoch_base + 1)
        self.arm()

    def away(self, person: str) -> None:
        """This person's socket is lost."""
        for pair in self._of(person):
            pair.negotiation.away(person)

    def back(self, person: str) -> None:
        """This person has a socket again; begin wherever that was waited for or had been given up."""
        for pair in self._of(person):
            self._carry_out(pair, pair.negotiation.back(person, self._clock()))
        self.arm()

    def heard(self, person: str) -> None:
        """Anything at all has come from this person; costs next to nothing where nobody waits for it."""
        if person in self._unheard:
            for pair in self._of(person):
                self._carry_out(pair, pair.negotiation.heard(person, self._clock()))
            self.arm()

    def servers(self, person: str, other: str) -> list[IceServer]:
        """Fresh ICE servers for the attempt that the pair is at."""
        negotiation = self.between(person, other)
        plan = self._ice(person)
        return list((plan.for_rung(negotiation.rung) if negotiation else plan).servers)

    def present(self, person: str) -> None:
        """This person is about to begin anew with everyone."""
        for pair in self._of(person):
            pair.negotiation.present(person)

    def get(self, one: str, other: str) -> Negotiation:
        """The negotiation of a pair. Raises SignalingError (`unknown_peer`)."""
        pair = self._pairs.get(frozenset((one, other)))
        if pair is None:
            raise SignalingError(
                f"There is no connection to {other}.",
                hint="Wait for start_webrtc_negotiation; the peer may have left.",
                code="unknown_peer",
            )
        return pair.negotiation

    def between(self, one: str, other: str) -> Negotiation | None:
        pair = self._pairs.get(frozenset((one, other)))
        return pair.negotiation if pair else None

    def report(
        self, sender: str, other: str, epoch: int, state: str, code: str = "ice_failed", reason: str = ""
    ) -> None:
        """An end's connection state; unknown pairs and old epochs are ignored.

        `code` and `reason` say why, should the state be that of a lost connection.
        """
        pair = self._pairs.get(frozenset((sender, other)))
        if pair is not None:
            actions = pair.negotiation.report(sender, epoch, state, self._clock(), code, reason)
            self._apply(pair, actions)

    def fail(self, one: str, other: str, epoch: int, code: str, reason: str) -> None:
        """This epoch of a pair is lost; `code` and `reason` as of the error that says so."""
        pair = self._pairs.get(frozenset((one, other)))
        if pair is not None:
            self._apply(pair, pair.negotiation.fail(epoch, code, self._clock(), reason))

    def retry(self, peer: str) -> None:
        """Begin anew wherever this peer's connection had been given up."""
        for ends, pair in list(self._pairs.items()):
            if peer in ends and pair.negotiation.state is PairState.FAILED:
                self._apply(pair, pair.negotiation.begin(self._clock()))

    def drop(self, peer: str) -> None:
        """This peer is gone, and every connection with it."""
        for ends in [ends for ends in self._pairs if peer in ends]:
            negotiation = self._pairs.pop(ends).negotiation
            negotiation.close()
            self.on_action(negotiation.ends, None)
        self.arm()

    def now(self) -> float:
        return self._clock()

    def close(self) -> None:
        """Drop every pair and the timer."""
        for pair in self._pairs.values():
            self.on_action(pair.negotiation.ends, None)
        self._pairs.clear()
        self.arm()

    def arm(self) -> None:
        """Set the timer to the earliest deadline; call it after changing a negotiation directly."""
        self._unheard = {end for pair in self._pairs.values() for end in pair.negotiation.unheard}
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        deadlines = [p.negotiation.due for p in self._pairs.values() if p.negotiation.due is not None]
        if deadlines:
            delay = max(0.0, min(deadlines) - self._clock())
            self._timer = asyncio.get_running_loop().call_later(delay, self._tick)

    def _tick(self) -> None:
        self._timer = None
        for pair in list(self._pairs.values()):
            self._carry_out(pair, pair.negotiation.tick(self._clock()))
        self.arm()

    def _begin(self, roles: dict[str, PeerRole], ends: tuple[str, str]) -> None:
        pair = self._pair(roles, ends)
        pair.negotiation.rungs = self._ice(ends[0]).rungs
        self._apply(pair, pair.negotiation.begin(self._clock()))

    def _pair(self, roles: dict[str, PeerRole], ends: tuple[str, str]) -> _Pair:
        pair = self._pairs.get(frozenset(ends))
        if pair is None:
            negotiation = Negotiation(
                ends, lambda: next(self._epochs), people=tuple(roles), timeouts=self._timeouts
            )
            pair = self._pairs[frozenset(ends)] = _Pair(negotiation, roles)
            for end in filter(self._is_away, roles):
                negotiation.away(end)
        return pair

    def _of(self, person: str) -> list[_Pair]:
        return [pair for ends, pair in self._pairs.items() if person in ends]

    def _apply(self, pair: _Pair, actions: list[Action]) -> None:
        self._carry_out(pair, actions)
        self.arm()

    def _carry_out(self, pair: _Pair, actions: list[Action]) -> None:
        for action in actions:
            self.on_action(pair.negotiation.ends, action)
            for person, role in pair.roles.items():
                if isinstance(action, Restart) and role != "impolite":
                    continue  # one offer is enough, and this one wins anyhow
                other = next(end for end in pair.negotiation.ends if end != person)
                self._send(person, self._message(action, person, other, role))
                if isinstance(action, Failed) and role == "offerer":
                    self._abandoned(person)

    def _message(self, action: Action, person: str, other: str, role: PeerRole) -> Message:
        if isinstance(action, Ready):
            return ConnectionReady(lobby=self._lobby_id, peer=other, epoch=action.epoch)
        if isinstance(action, Restart):
            again = RenegotiateRequestData(ice_restart=True)
            return RenegotiateRequest(lobby=self._lobby_id, peer=other, epoch=action.epoch, data=again)
        if isinstance(action, Failed):
            failed = WebrtcFailedData(code=action.code, message=action.message, retryable=action.retryable)
            return WebrtcFailed(lobby=self._lobby_id, peer=other, epoch=action.epoch, data=failed)
        assert isinstance(action, Begin)
        start = StartWebrtcNegotiationData(
            role=role,
            ice_servers=self.servers(person, other),
            receive=self._agents() if role == "offerer" else [],
            relay_only=action.relay_only,
        )
        return StartWebrtcNegotiation(lobby=self._lobby_id, peer=other, epoch=action.epoch, data=start)
