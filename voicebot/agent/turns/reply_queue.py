"""What the agents of a conversation still have to say: unanswered words, due answers and greetings."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from voicebot.agent.hearing.utterance import Utterance
from voicebot.agent.turns.turn import Turn

LONGEST_CALL = 4000
"""The newest characters that addressing looks at. A flood of lines may have megabytes."""
KEPT = 3
"""Utterances kept of somebody who speaks without a pause."""


class ReplyQueue:
    """What agents still have to answer and to say.

    The scheduler turns `unanswered` words into `answers`, and takes those before `greetings`.
    """

    def __init__(self) -> None:
        self.unanswered: list[Utterance] = []
        self.answers: deque[Turn] = deque()
        self.greetings: deque[Turn] = deque()
        """Given when nobody speaks and nobody is waiting for an answer."""
        self._going_on: dict[str, list[Utterance]] = {}
        """By person, what they said without a pause so far. It is answered when they stop."""

    def take_earlier(self, utterance: Utterance) -> list[Utterance]:
        """Remove and return what the person said before this utterance without a pause."""
        return [] if utterance.typed else self._going_on.pop(utterance.participant_id, [])

    def goes_on(self, participant_id: str) -> bool:
        """Whether the person's speech was cut into utterances and still continues."""
        return participant_id in self._going_on

    def keep(self, said: Sequence[Utterance], last: Utterance) -> None:
        """Keep `said` until the person stops; if `last` was the end of it, it is unanswered now."""
        if last.going_on:
            self._going_on[last.participant_id] = list(said[-KEPT:])
        else:
            self.unanswered += said

    def ask(self, said: Sequence[Utterance]) -> None:
        """Add a person's words. They come after other people's words, but before what agents want to say."""
        waiting = [earlier for turn in self.answers for earlier in turn.asked]
        self.answers.clear()
        self.unanswered = [*waiting, *self.unanswered, *said]

    def ask_again(self, said: Sequence[Utterance]) -> None:
        """Put back words whose answer was withdrawn."""
        self.unanswered = [*said, *self.unanswered]

    def drop_unasked(self) -> None:
        """Drop the answers that nobody asked for."""
        self.answers = deque(turn for turn in self.answers if turn.asked)

    def drop_greeting(self, agent_id: str) -> None:
        self.greetings = deque(turn for turn in self.greetings if turn.agent.id != agent_id)

    def drop_agent(self, agent_id: str) -> None:
        """Drop everything that this agent would have said."""
        self.answers = deque(turn for turn in self.answers if turn.agent.id != agent_id)
        self.drop_greeting(agent_id)

    def drop_person(self, participant_id: str) -> None:
        """Forget what this person was saying."""
        self._going_on.pop(participant_id, None)

    def clear(self) -> None:
        self.unanswered.clear()
        self.answers.clear()
        self.greetings.clear()


def newest_words(said: Sequence[Utterance]) -> str:
    """The last `LONGEST_CALL` characters of these utterances."""
    texts: list[str] = []
    left = LONGEST_CALL
    for utterance in reversed(said):
        texts.append(utterance.text[-left:])
        left -= len(utterance.text)
        if left <= 0:
            break
    return " ".join(reversed(texts))
