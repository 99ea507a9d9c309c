"""One WebRTC connection of a lobby: its negotiation, its deadline, and what its two ends are told."""

from __future__ import annotations

import asyncio
from typing import Literal, Protocol

from voicebot.clock import Clock
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
)
from voicebot.signaling.turn import IcePlan

PeerRole = Literal["offerer", "polite", "impolite"]


class PairOwner(Protocol):
    """What a pair needs of the lobby's negotiations. No method waits."""

    lobby_id: str
    clock: Clock
    silent: dict[Pair, frozenset[str]]
    """The ends of each pair that were not heard from, where the pair waits for that."""

    def ice(self, person: str, /) -> IcePlan:
        """Fresh ICE servers for this person."""

    def agent_ids(self) -> list[str]:
        """The agents that a person is to hear."""

    def tell(self, person: str, message: Message, /) -> None:
        """Send a message to a person."""

    def on_pair(self, pair: Pair, action: Action | None) -> None:
        """The pair has carried out this action; None: it is closed."""

    def on_abandoned(self, person: str) -> None:
        """This person's connection to the agent host was given up."""


class Pair:
    """Two ends of a connection. Each method carries out what follows and sets the next deadline.

    `roles` are those of the people among the two ends: the agent host has no role and is told nothing.
    Epochs, senders and the errors are those of `voicebot.signaling.negotiation.Negotiation`.
    """

    def __init__(self, owner: PairOwner, negotiation: Negotiation, roles: dict[str, PeerRole]) -> None:
        self._owner, self._negotiation, self._roles = owner, negotiation, roles
        self._timer: asyncio.TimerHandle | None = None

    @property
    def ends(self) -> tuple[str, str]:
        return self._negotiation.ends

    @property
    def state(self) -> PairState:
        return self._negotiation.state

    @property
    def epoch(self) -> int:
        return self._negotiation.epoch

    def servers(self, person: str) -> list[IceServer]:
        """Fresh ICE servers for this person and the present attempt."""
        return list(self._owner.ice(person).for_rung(self._negotiation.rung).servers)

    # ------------------------------------------------------------ beginning and ending

    def begin(self) -> None:
        """Begin, or begin again with a new epoch."""
        self._negotiation.rungs = self._owner.ice(self.ends[0]).rungs
        self.retry()

    def retry(self) -> None:
        """Begin again with the same ways to connect."""
        self._carry_out(self._negotiation.begin(self._owner.clock()))

    def adopt(self, before: int) -> None:
        """After a restart of the server: the two may still be connected, in an epoch below `before`."""
        self._negotiation.adopt(self._owner.clock(), before=before)
        self._carry_out([])

    def close(self) -> None:
        """The connection is no longer wanted."""
        self._negotiation.close()
        self._owner.silent.pop(self, None)
        self._stop_timer()
        self._owner.on_pair(self, None)

    # ------------------------------------------------------------ the ends come and go

    def away(self, person: str) -> None:
        """This person's socket is lost."""
        self._negotiation.away(person)

    def present(self, person: str) -> None:
        """This person is about to begin anew with everyone."""
        self._negotiation.present(person)

    def back(self, person: str) -> None:
        """This person has a socket again: begin what waited for it, or had been given up."""
        self._carry_out(self._negotiation.back(person, self._owner.clock()))

    def heard(self, person: str) -> None:
        """A message has come from this person."""
        self._carry_out(self._negotiation.heard(person, self._owner.clock()))

    # ------------------------------------------------------------ what an end sends

    def offer(self, sender: str, epoch: int) -> None:
        self._negotiation.offer(sender, epoch, self._owner.clock())
        self._carry_out([])

    def answer(self, sender: str, epoch: int) -> None:
        self._negotiation.answer(sender, epoch, self._owner.clock())
        self._carry_out([])

    def candidate(self, sender: str, epoch: int) -> None:
        self._negotiation.candidate(sender, epoch)

    def needed(self, sender: str, epoch: int) -> None:
        self._negotiation.needed(sender, epoch)

    def report(self, sender: str, epoch: int, state: str, code: str = "ice_failed", reason: str = "") -> None:
        """An end's connection state. `code` and `reason` explain a state that means a lost connection."""
        self._carry_out(self._negotiation.report(sender, epoch, state, self._owner.clock(), code, reason))

    def fail(self, epoch: int, code: str, reason: str) -> None:
        """This epoch is lost; `code` and `reason` are those of the error."""
        self._carry_out(self._negotiation.fail(epoch, code, self._owner.clock(), reason))

    # ------------------------------------------------------------ what follows

    def _carry_out(self, actions: list[Action]) -> None:
        for action in actions:
            self._owner.on_pair(self, action)
            for person, role in self._roles.items():
                if isinstance(action, Restart) and role != "impolite":
                    continue  # one offer is enough, and the impolite one wins anyway
                other = next(end for end in self.ends if end != person)
                self._owner.tell(person, self._message(action, person, other, role))
                if isinstance(action, Failed) and role == "offerer":
                    self._owner.on_abandoned(person)
        if self._negotiation.unheard:
            self._owner.silent[self] = self._negotiation.unheard
        else:
            self._owner.silent.pop(self, None)
        self._stop_timer()
        due = self._negotiation.due
        if due is not None:
            delay = max(0.0, due - self._owner.clock())
            self._timer = asyncio.get_running_loop().call_later(delay, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self._carry_out(self._negotiation.tick(self._owner.clock()))

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _message(self, action: Action, person: str, other: str, role: PeerRole) -> Message:
        lobby = self._owner.lobby_id
        if isinstance(action, Ready):
            return ConnectionReady(lobby=lobby, peer=other, epoch=action.epoch)
        if isinstance(action, Restart):
            again = RenegotiateRequestData(ice_restart=True)
            return RenegotiateRequest(lobby=lobby, peer=other, epoch=action.epoch, data=again)
        if isinstance(action, Failed):
            failed = WebrtcFailedData(code=action.code, message=action.message, retryable=action.retryable)
            return WebrtcFailed(lobby=lobby, peer=other, epoch=action.epoch, data=failed)
        assert isinstance(action, Begin)
        start = StartWebrtcNegotiationData(
            role=role,
            ice_servers=self.servers(person),
            receive=self._owner.agent_ids() if role == "offerer" else [],
            relay_only=action.relay_only,
        )
        return StartWebrtcNegotiation(lobby=lobby, peer=other, epoch=action.epoch, data=start)
