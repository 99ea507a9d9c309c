"""What is still to be said in a conversation: questions that wait, answers that are due, greetings."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from voicebot.agent.hearing.utterance import Utterance
from voicebot.agent.turns.turn import Turn

LONGEST_CALL = 4000
"""Characters, the newest, that are searched for whom they are for; a flood of lines may be megabytes."""
KEPT = 3
"""Utterances kept of somebody who does not stop speaking."""


class ReplyQueue:
    """In the order in which it is taken up: `unanswered` is decided into `answers`, then `greetings`."""

    def __init__(self) -> None:
        self.unanswered: list[Utterance] = []
        self.answers: deque[Turn] = deque()
        self.greetings: deque[Turn] = deque()
        """Said when nobody speaks and nobody waits for anything."""
        self._going_on: dict[str, list[Utterance]] = {}
        """What people have said who do not stop; it is answered when they do."""

    def earlier(self, utterance: Utterance) -> list[Utterance]:
        """What this person said before in the same breath, taken out."""
        return [] if utterance.typed else self._going_on.pop(utterance.participant_id, [])

    def goes_on(self, participant_id: str) -> bool:
        """They have said something before in the same breath."""
        return participant_id in self._going_on

    def keep(self, said: Sequence[Utterance], last: Utterance) -> None:
        """Speech that does not stop is no question yet; once it has stopped it is."""
        if last.going_on:
            self._going_on[last.participant_id] = list(said[-KEPT:])
        else:
            self.unanswered += said

    def ask(self, said: Sequence[Utterance]) -> None:
        """A person's words come before what agents still wanted to say, not before other people's."""
        waiting = [earlier for turn in self.answers for earlier in turn.asked]
        self.answers.clear()
        self.unanswered = [*waiting, *self.unanswered, *said]

    def ask_again(self, said: Sequence[Utterance]) -> None:
        """They were not answered after all."""
        self.unanswered = [*said, *self.unanswered]

    def only_asked(self) -> None:
        """What nobody asked for would be said to nobody."""
        self.answers = deque(turn for turn in self.answers if turn.asked)

    def drop_greeting(self, agent_id: str) -> None:
        self.greetings = deque(turn for turn in self.greetings if turn.agent.id != agent_id)

    def drop_agent(self, agent_id: str) -> None:
        """It says nothing any more."""
        self.answers = deque(turn for turn in self.answers if turn.agent.id != agent_id)
        self.drop_greeting(agent_id)

    def drop_person(self, participant_id: str) -> None:
        """What was left open between them and the agents is not."""
        self._going_on.pop(participant_id, None)

    def clear(self) -> None:
        self.unanswered.clear()
        self.answers.clear()
        self.greetings.clear()


def newest(said: Sequence[Utterance]) -> str:
    """The last of these words, in order."""
    texts: list[str] = []
    room = LONGEST_CALL
    for utterance in reversed(said):
        texts.append(utterance.text[-room:])
        room -= len(utterance.text)
        if room <= 0:
            break
    return " ".join(reversed(texts))
