"""The labelled lines of the addressing corpus, and how well they are understood.

A line is what a recogniser wrote, the room it was said in (`rooms.json`), and what was said before in
shorthand: "anna>tom? 4; ada>anna 2" is Anna asking Tom 4 s ago, then Ada speaking to Anna 2 s ago. `to` are
the agents who should answer, `add` those who may add something. `development.jsonl` may be tuned on;
`heldout.jsonl` is not tuned on, and its figures are only looked at as a whole. `recognised.jsonl` is what
pocketsphinx really wrote when flite's voices said the line under `said`: many names cannot be guessed from
it. `everyday_*.txt` are lines that call nobody, whatever the agents' names are.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from voicebot.turn.addressing.addressees import Addressees, addressees
from voicebot.turn.addressing.context import DialogueContext, Participant, PriorTurn

HERE = Path(__file__).parent
PARTS = ("development", "heldout", "recognised")


@dataclass(frozen=True)
class Labelled:
    part: str
    number: int
    category: str
    text: str
    context: DialogueContext
    to: frozenset[str]
    add: tuple[str, ...] | None

    def decide(self) -> Addressees:
        return addressees(self.text, self.context)

    def right(self, decision: Addressees) -> bool:
        return frozenset(decision.ids) == self.to and (self.add is None or decision.may_add == self.add)


def load(part: str) -> list[Labelled]:
    rooms = json.loads((HERE / "rooms.json").read_text("utf-8"))
    lines = (HERE / f"{part}.jsonl").read_text("utf-8").splitlines()
    return [_labelled(part, number, json.loads(line), rooms) for number, line in enumerate(lines, 1)]


def false_calls(part: str, names: Sequence[str]) -> tuple[list[str], int]:
    """Everyday lines by which an agent of such a name is taken to be called, and how many were tried."""
    lines = (HERE / f"everyday_{part}.txt").read_text("utf-8").splitlines()
    calls = []
    for text in lines:
        for name in names:
            present = [
                Participant("x", name, True),
                Participant("y", "Wolfgang", True),
                Participant("anna", "Anna", False),
            ]
            decision = addressees(text, DialogueContext("anna", present, "y", 4.0))
            if decision.ids != ("y",) and "by name" in decision.reason:
                calls.append(f"{text!r}: {decision.reason}")
    return calls, len(lines) * len(names)


def _labelled(part: str, number: int, line: dict[str, Any], rooms: dict[str, Any]) -> Labelled:
    trio = {name.casefold(): [name, ""] for name in line.get("agents", ())}
    room = rooms[line["room"]] if not trio else {"people": {"anna": "Anna", "tom": "Tom"}, "agents": trio}
    people = [Participant(id, name, False) for id, name in room["people"].items()]
    agents = [
        Participant(id, name, True, role, muted=bool(flags))
        for id, (name, role, *flags) in room["agents"].items()
    ]
    talk = [_said(part) for part in line.get("talk", "").split(";") if part.strip()]
    ids = {p.id for p in [*people, *agents]}
    named = {line["by"], *line["to"], *line.get("add", ()), *line.get("last", ())}
    for said in talk:
        named |= {said.speaker_id, *said.to}
    assert named <= ids, f"{part}.jsonl:{number}: {named - ids} is not in this room"
    spoke = [said for said in talk if said.speaker_id in room["agents"]]
    order = line.get("last") or list(dict.fromkeys(s.speaker_id for s in reversed(spoke)))[::-1]
    partner, since = line.get("partner", "").split() or (None, "inf")
    context = DialogueContext(
        line["by"], [*people, *agents], partner, float(since), tuple(order), tuple(talk)
    )
    add = line.get("add")
    to = frozenset(line["to"])
    return Labelled(part, number, line["cat"], line["text"], context, to, None if add is None else tuple(add))


def _said(shorthand: str) -> PriorTurn:
    who, ago = shorthand.split()
    speaker, to = who.split(">")
    names = tuple(name for name in to.rstrip("?").split(",") if name)
    return PriorTurn(speaker, names, float(ago), to.endswith("?"))


@dataclass(frozen=True)
class Scored:
    """Right and all lines, per category; and every line that was not understood."""

    right: Counter[str]
    total: Counter[str]
    wrong: list[tuple[Labelled, Addressees]]

    @property
    def accuracy(self) -> float:
        return self.right.total() / self.total.total()

    def table(self) -> str:
        """Accuracy per category."""
        rows = [
            f"{c:12} {self.right[c]:4} of {self.total[c]:3}  {self.right[c] / self.total[c]:4.0%}"
            for c in sorted(self.total)
        ]
        return "\n".join([*rows, f"{'together':12} {self.right.total():4} of {self.total.total():3}"])

    def confusions(self) -> str:
        """How many lines for whom (rows) were taken to be for whom (columns)."""
        kinds = ("nobody", "one", "several")
        counts: dict[str, Counter[str]] = defaultdict(Counter)
        for line, decision in self.wrong:
            found = kinds[min(len(decision.ids), 2)]
            meant = kinds[min(len(line.to), 2)]
            counts[meant]["another one" if meant == found == "one" else found] += 1
        head = ("nobody", "one", "another one", "several")
        rows = [f"{'meant':10}" + "".join(f"{c:>13}" for c in head)]
        rows += [f"{k:10}" + "".join(f"{counts[k][c]:>13}" for c in head) for k in kinds]
        return "\n".join(rows)

    def mistakes(self) -> str:
        return "\n".join(
            f"{line.part}.jsonl:{line.number} [{line.category}] {line.text!r}: "
            f"meant {sorted(line.to)}{'' if line.add is None else f' + {list(line.add)}'}, "
            f"got {list(decision.ids)} + {list(decision.may_add)} ({decision.reason})"
            for line, decision in self.wrong
        )


def score(lines: Sequence[Labelled]) -> Scored:
    right: Counter[str] = Counter()
    total: Counter[str] = Counter()
    wrong: list[tuple[Labelled, Addressees]] = []
    for line in lines:
        decision = line.decide()
        total[line.category] += 1
        if line.right(decision):
            right[line.category] += 1
        else:
            wrong.append((line, decision))
    return Scored(right, total, wrong)
