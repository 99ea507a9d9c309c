"""Who is host of a lobby when nobody has said so."""

from __future__ import annotations

from collections.abc import Iterable

from voicebot.signaling.messages import ParticipantInfo


def successor(participants: Iterable[ParticipantInfo]) -> ParticipantInfo | None:
    """Who becomes host when there is none: of those who are really here the one who came first.

    `participants` are in the order they came. Somebody whose socket is lost is only taken when
    there is nobody else; None when no person is here.
    """
    people = [one for one in participants if one.kind == "human"]
    if any(one.role == "host" for one in people):
        return None
    return next((one for one in people if one.presence == "present"), people[0] if people else None)
