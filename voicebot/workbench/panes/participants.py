"""The participants in the panes, with names and colours that stay the same for a session."""

from __future__ import annotations

from dataclasses import dataclass

COLOURS = 8


@dataclass
class ShownParticipant:
    """A participant in the panes. `colour` is an index into the palette of the theme."""

    id: str
    name: str
    kind: str
    colour: int


class ShownParticipants:
    """All participants so far. Those who left keep name and colour, because their rows stay."""

    def __init__(self) -> None:
        self._participants: dict[str, ShownParticipant] = {}

    def add(self, participant_id: str, name: str, kind: str) -> ShownParticipant:
        """Add a participant, or update its name."""
        known = self._participants.get(participant_id)
        if known is None:
            known = ShownParticipant(participant_id, name, kind, len(self._participants) % COLOURS)
            self._participants[participant_id] = known
        known.name, known.kind = name, kind
        return known

    def get(self, participant_id: str | None) -> ShownParticipant:
        """Return the participant. An unknown one gets its id as its name."""
        if participant_id is None:
            return ShownParticipant("", "", "", COLOURS - 1)
        return self._participants.get(participant_id) or self.add(participant_id, participant_id, "human")
