"""Who may do what in a lobby, as one table. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from types import MappingProxyType
from typing import Literal

from voicebot.errors import SignalingError


class Standing(IntEnum):
    """Somebody's position in a lobby. Each has all rights of those before it."""

    STRANGER = 0
    """Neither in the lobby nor at its door."""
    VISITOR = 1
    """Waiting at the door."""
    AGENT = 2
    GUEST = 3
    ACTING_HOST = 4
    """Host for now, because no other host was there. Their changes last until everybody has left."""
    OWNER = 5
    """Created the lobby, or was made a host by an owner or by the operator. Host whenever they come."""
    SERVER = 6
    """The operator of the server, in a notebook or a terminal."""


Action = Literal["mute_request", "kick", "ban", "lock", "unlock", "admit", "deny", "make_host", "report"]
"""The actions of a `moderation` message."""
Right = (
    Action
    | Literal[
        "change_lobby",
        "end_lobby",
        "change_agents",
        "change_agents_of_hosts",
        "choose_recogniser",
        "read_running",
        "read_all",
    ]
)

PERSON = frozenset({Standing.GUEST, Standing.ACTING_HOST, Standing.OWNER})
AT_THE_DOOR = frozenset({Standing.VISITOR})
ANYONE = PERSON | AT_THE_DOOR | {Standing.AGENT}


@dataclass(frozen=True)
class Rule:
    """The rule of one right: who has it, and towards whom."""

    needs: Standing
    """The lowest standing that has the right."""
    towards: frozenset[Standing] = frozenset()
    """Whom it can concern; empty if it concerns no participant."""
    optional: bool = False
    """Whether no participant need be named."""
    oneself: bool = True
    """Whether it can be used on oneself."""
    upwards: bool = True
    """Whether it can be used on somebody of higher standing."""


RIGHTS: Mapping[Right, Rule] = MappingProxyType(
    {
        "report": Rule(Standing.GUEST, ANYONE, optional=True),
        "mute_request": Rule(Standing.ACTING_HOST, PERSON),
        "kick": Rule(Standing.ACTING_HOST, PERSON, oneself=False, upwards=False),
        "ban": Rule(Standing.ACTING_HOST, PERSON | AT_THE_DOOR, oneself=False, upwards=False),
        "admit": Rule(Standing.ACTING_HOST, AT_THE_DOOR),
        "deny": Rule(Standing.ACTING_HOST, AT_THE_DOOR),
        "lock": Rule(Standing.ACTING_HOST),
        "unlock": Rule(Standing.ACTING_HOST),
        "make_host": Rule(Standing.OWNER, PERSON),
        "change_lobby": Rule(Standing.ACTING_HOST),
        "end_lobby": Rule(Standing.OWNER),
        "change_agents": Rule(Standing.GUEST),
        "change_agents_of_hosts": Rule(Standing.ACTING_HOST),
        "choose_recogniser": Rule(Standing.OWNER),
        "read_running": Rule(Standing.ACTING_HOST),
        "read_all": Rule(Standing.OWNER),
    }
)
"""`change_agents_of_hosts` replaces `change_agents` in a lobby whose `agents_by` is `host`. `read_running`
covers the current conversation while the person was there, `read_all` every conversation of the lobby."""

_DOING: Mapping[Right, str] = {
    "change_lobby": "change it",
    "end_lobby": "end it",
    "change_agents": "add, mute and remove agents",
    "change_agents_of_hosts": "add, mute and remove agents",
    "choose_recogniser": "change how people are heard",
    "read_running": "read its conversations",
    "read_all": "read all its conversations",
}


def has(standing: Standing, right: Right) -> bool:
    """Whether somebody of this standing has the right, towards anybody at all."""
    return standing >= RIGHTS[right].needs


def lasts(standing: Standing) -> bool:
    """Whether what somebody of this standing changes lasts after everybody has left."""
    return standing >= Standing.OWNER


def check(right: Right, standing: Standing) -> None:
    """Check that somebody of this standing has the right. Raises SignalingError (`forbidden`) if not."""
    if has(standing, right):
        return
    doing = _DOING.get(right, f"{right.replace('_', ' ')} here")
    if RIGHTS[right].needs == Standing.OWNER and standing == Standing.ACTING_HOST:
        raise SignalingError(
            f"You are a host for now. Only an owner of this lobby may {doing}.",
            hint="Ask an owner of the lobby, or the operator of the server.",
            code="forbidden",
        )
    raise SignalingError(
        f"Only a host of this lobby may {doing}.", hint="Ask one of its hosts.", code="forbidden"
    )


def check_towards(right: Right, standing: Standing, target: Standing, *, oneself: bool) -> None:
    """Check a right towards this person, after `check`. Raises SignalingError (`forbidden`)."""
    rule = RIGHTS[right]
    if oneself and not rule.oneself:
        raise SignalingError(
            f"Nobody can {right} themselves.", hint="Send leave_lobby to leave.", code="forbidden"
        )
    if target > standing and not rule.upwards:
        raise SignalingError(
            f"Only another owner of this lobby may {right} an owner.",
            hint="Leave, or ask them to.",
            code="forbidden",
        )
