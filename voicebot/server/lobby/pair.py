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
    """What a pair needs from the lobby's negotiations. No method waits."""

    lobby_id: str
    clock: Clock

    def ice(self, person: str, /) -> IcePlan:
        """Return fresh ICE servers for this person."""

    def agent_ids(self) -> list[str]:
        """Return the ids of the agents that a person receives."""

    def tell(self, person: str, message: Message, /) -> None:
        """Send a message to a person."""

    def on_pair(self, pair: Pair, action: Action | None) -> None:
        """Called when the pair has carried out `action`, or with None when it is closed."""


class Pair:
    """One connection and its two ends. Each method carries out the resulting actions and sets a deadline.

    `roles` has the people among the two ends. The agent host has no role and gets no messages. Epochs,
    senders and errors are those of `voicebot.signaling.negotiation.Negotiation`.
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
        """Return fresh ICE servers for this person and the current attempt."""
        return list(self._owner.ice(person).for_rung(self._negotiation.rung).servers)

    def begin(self) -> None:
        """Begin, or begin again with a new epoch."""
        self._negotiation.rungs = self._owner.ice(self.ends[0]).rungs
        self.retry()

    def retry(self) -> None:
        """Begin again with the same rungs."""
        self._carry_out(self._negotiation.begin(self._owner.clock()))

    def adopt(self, before: int) -> None:
        """Wait, after a restart of the server, for the ends to report an epoch below `before`."""
        self._negotiation.adopt(self._owner.clock(), before=before)
        self._carry_out([])

    def close(self) -> None:
        """End the connection, because an end has left."""
        self._negotiation.close()
        self._stop_timer()
        self._owner.on_pair(self, None)

    def away(self, person: str) -> None:
        """Note that this person has lost their socket."""
        self._negotiation.away(person)

    def present(self, person: str) -> None:
        """Note that this person is present. Call `begin` next."""
        self._negotiation.present(person)

    def back(self, person: str) -> None:
        """Note that this person has a socket again. Begins if the pair was waiting for that or had failed."""
        self._carry_out(self._negotiation.back(person, self._owner.clock()))

    def heard(self, person: str) -> None:
        """Note that this person has sent something."""
        if person in self._negotiation.unheard:
            self._carry_out(self._negotiation.heard(person, self._owner.clock()))

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
        """Handle the connection state that an end reports. `code` and `reason` explain a failure."""
        self._carry_out(self._negotiation.report(sender, epoch, state, self._owner.clock(), code, reason))

    def fail(self, epoch: int, code: str, reason: str) -> None:
        """Handle the failure of this epoch, with its `code` and `reason`."""
        self._carry_out(self._negotiation.fail(epoch, code, self._owner.clock(), reason))

    def _carry_out(self, actions: list[Action]) -> None:
        for action in actions:
            self._owner.on_pair(self, action)
            for person, role in self._roles.items():
                if isinstance(action, Restart) and role != "impolite":
                    continue  # one offer is enough, and the impolite one wins anyway
                other = next(end for end in self.ends if end != person)
                self._owner.tell(person, self._message(action, person, other, role))
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
