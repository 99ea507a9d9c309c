"""Who may do what in a lobby: one table, read by the server and tested whole. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from types import MappingProxyType
from typing import Literal

from voicebot.errors import SignalingError


class Standing(IntEnum):
    """What somebody is to a lobby. Each may do all that those before it may."""

    STRANGER = 0
    """Neither in the lobby nor at its door."""
    VISITOR = 1
    """At the door, waiting to be let in."""
    AGENT = 2
    GUEST = 3
    ACTING_HOST = 4
    """Host for the moment, because no other host was there. It keeps order: what it changes lasts until
    everybody has left."""
    OWNER = 5
    """Made the lobby, or was made host by an owner or by who runs the server. Host whenever they come."""
    SERVER = 6
    """Who runs the server: a notebook or a terminal."""


Action = Literal["mute_request", "kick", "ban", "lock", "unlock", "admit", "deny", "make_host", "report"]
"""What a `moderation` message can ask for."""
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
    """Who has a right, and towards whom."""

    needs: Standing
    """The least standing that has it."""
    towards: frozenset[Standing] = frozenset()
    """Whom it concerns; empty: nobody, so no participant is named."""
    optional: bool = False
    """It may concern nobody as well."""
    oneself: bool = True
    upwards: bool = True
    """Also towards somebody of a higher standing than one's own."""


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
"""`change_agents_of_hosts` stands for `change_agents` where the lobby's `agents_by` is `host`;
`read_running` is what was said in the running conversation while one was there, `read_all` every
conversation since the lobby was made."""

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
    """Whether somebody of this standing has the right at all, towards whomever."""
    return standing >= RIGHTS[right].needs


def lasts(standing: Standing) -> bool:
    """Whether what somebody changes outlives the moment: until everybody has left the lobby."""
    return standing >= Standing.OWNER


def check(right: Right, standing: Standing) -> None:
    """Raises SignalingError (`forbidden`) unless somebody of this standing has the right at all."""
    if has(standing, right):
        return
    doing = _DOING.get(right, f"{right.replace('_', ' ')} here")
    if RIGHTS[right].needs == Standing.OWNER and standing == Standing.ACTING_HOST:
        raise SignalingError(
            f"You are host only for the moment; only an owner of this lobby may {doing}.",
            hint="Ask who made the lobby, or who runs the server.",
            code="forbidden",
        )
    raise SignalingError(
        f"Only a host of this lobby may {doing}.", hint="Ask one of its hosts.", code="forbidden"
    )


def check_towards(right: Right, standing: Standing, target: Standing, *, oneself: bool) -> None:
    """Whether it may be done to this person; `check` was passed.

    Raises:
        SignalingError: `forbidden`.
    """
    rule = RIGHTS[right]
    if oneself and not rule.oneself:
        raise SignalingError(
            f"Nobody can {right} themselves.", hint="leave_lobby frees your seat.", code="forbidden"
        )
    if target > standing and not rule.upwards:
        raise SignalingError(
            f"Only another owner of this lobby may {right} an owner.",
            hint="Leave, or ask them to.",
            code="forbidden",
        )
