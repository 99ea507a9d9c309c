"""Two people chat while a proxy cuts their connections at random: the loop of the tests and of the bench."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.support.faults import SILENCES, FaultProxy
from tests.support.waiting import GUARD
from tests.support.wire_client import WireClient


@dataclass
class CutReport:
    """What came of the cuts; `resumes` are seconds from noticing each cut to having all that was missed."""

    sent: int = 0
    lost: int = 0
    twice: int = 0
    disordered: int = 0
    resumes: list[float] = field(default_factory=list)
    seats_lost: int = 0
    kinds: dict[str, int] = field(default_factory=dict)


class Person:
    """A client behind a proxy of its own, and the numbered chat messages it got of each author."""

    def __init__(self, proxy: FaultProxy, client: WireClient, name: str) -> None:
        self.proxy, self.client, self.name = proxy, client, name
        self.sent = 0
        self.got: dict[str, list[int]] = {}
        self.changed = asyncio.Event()

    def say(self) -> None:
        self.sent += 1
        self.client.send("chat_message", {"text": f"{self.name} {self.sent}"})

    def hear(self, message: dict[str, Any]) -> None:
        if message["type"] == "chat_message":
            author, number = message["data"]["text"].split()
            self.got.setdefault(author, []).append(int(number))
            self.changed.set()

    async def has(self, author: str, number: int) -> None:
        while number not in self.got.get(author, []):
            self.changed.clear()
            await self.changed.wait()


async def _person(url: str, lobby: str, name: str, seed: int) -> Person:
    port = httpx.URL(url).port
    assert port is not None
    proxy = await FaultProxy(port, seed=seed).start()
    async with httpx.AsyncClient(base_url=url) as http:
        (await http.post("api/session", headers={"Origin": url.rstrip("/")})).raise_for_status()
        cookie = "; ".join(f"{c.name}={c.value}" for c in http.cookies.jar)
    heard: list[Person] = []
    client = WireClient(
        url.replace("http", "ws", 1) + "ws",
        origin=url.rstrip("/"),
        cookie=cookie,
        lobby=lobby,
        name=name,
        address=("127.0.0.1", proxy.port),
        on_message=lambda message: heard[0].hear(message),
    )
    person = Person(proxy, client, name)
    heard.append(person)
    await client.start()
    return person


async def random_cuts(url: str, lobby: str, cuts: int, *, seed: int = 1) -> CutReport:
    """Cut the connections of two people in `lobby` so often, one cut after the other.

    Both say something all the time, also into connections that are dead already. The server must
    allow for many messages (`Limits`), or it takes long.
    """
    chance, report = random.Random(seed), CutReport()
    people = [await _person(url, lobby, name, seed + number) for number, name in enumerate(("ada", "bob"))]
    try:
        for _ in range(cuts):
            victim, other = chance.sample(people, 2)
            before = victim.client.connects
            fault = victim.proxy.random_fault()
            report.kinds[fault.kind] = report.kinds.get(fault.kind, 0) + 1
            while not fault.happened.is_set():
                await _talk(victim, other, fault.happened)
            for person in (*people, *people):
                person.say()
            if fault.kind in SILENCES:
                victim.client.drop()  # the device notices by itself that its network is another one
            await victim.client.settled(before + 1)
        for person in people:
            for author in people:
                async with asyncio.timeout(GUARD):
                    await person.has(author.name, author.sent)
    finally:
        for person in people:
            await person.client.aclose()
            await person.proxy.aclose()
    for person in people:
        report.resumes += person.client.resumes
        report.seats_lost += person.client.fresh_starts - 1
        for author in people:
            got = person.got.get(author.name, [])
            report.sent += author.sent
            report.lost += author.sent - len(set(got))
            report.twice += len(got) - len(set(got))
            report.disordered += got != sorted(got)
    return report


async def _talk(one: Person, other: Person, until: asyncio.Event) -> None:
    """Each says something and hears the other, unless `until` comes first."""
    one.say()
    other.say()
    heard = asyncio.gather(one.has(other.name, other.sent), other.has(one.name, one.sent))
    stopped = asyncio.ensure_future(until.wait())
    await asyncio.wait({heard, stopped}, return_when=asyncio.FIRST_COMPLETED)
    for each in (heard, stopped):
        each.cancel()
    await asyncio.gather(heard, stopped, return_exceptions=True)
