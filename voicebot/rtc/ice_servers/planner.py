"""Chooses a STUN and a TURN server that work for the connections of an agent host.

aiortc uses the first STUN and the first TURN address that it is given, and a dead one costs 5.0 s of
gathering (hard-coded). So we probe the servers first: each has a short head start over the next one, as
addresses have in RFC 8305, and the first that works is taken. Results are remembered, and renewed in the
background while connections are made. So only the first connection may have to wait, for at most
`PATIENCE` seconds.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass

from voicebot.clock import Clock, monotonic
from voicebot.rtc.ice import for_agents
from voicebot.rtc.ice_servers.probe import Probe, probe
from voicebot.signaling.messages import IceServer
from voicebot.tasks import cancel

log = logging.getLogger(__name__)

PATIENCE = 2.0
"""Seconds to wait for the answer of a server."""
STAGGER = 0.25
"""Head start in seconds of a server over the next one (RFC 8305, section 5)."""
STUN_GRACE = 0.25
"""Seconds to wait for STUN after TURN, which needs twice as many round trips."""
REMEMBERED = 30.0
"""Seconds for which a result is valid."""
REFRESHED = 20.0
"""Seconds between two probes of a server in use."""
IDLE = 120.0
"""Seconds after the last connection when the probes end. Credentials live longer."""


@dataclass(frozen=True)
class ServerChoice:
    """At most one STUN and one TURN server, each with one URL."""

    servers: tuple[IceServer, ...] = ()
    warning: str = ""
    """Why no TURN server was chosen although one is configured."""


@dataclass(frozen=True)
class _Health:
    found: Probe
    at: float
    username: str | None


class Planner:
    """Chooses servers for the connections of one process, on one loop."""

    def __init__(self, *, ask: Callable[..., Awaitable[Probe]] = probe, clock: Clock = monotonic) -> None:
        """`ask` takes the arguments of `probe`."""
        self._probe = ask
        self._clock = clock
        self._health: dict[str, _Health] = {}
        self._asking: dict[str, asyncio.Task[Probe]] = {}
        self._in_use: dict[str, IceServer] = {}
        self._used_at = clock()
        self._keeping: asyncio.Task[None] | None = None
        self._warned = ""

    async def choose(self, servers: Iterable[IceServer]) -> ServerChoice:
        """The first servers that work, after at most `PATIENCE` seconds. Raises MediaError for a bad URL."""
        ways, left_out = for_agents(servers)
        self._use(ways)
        stun = asyncio.create_task(self._first(_named("stun", ways)), name="choose stun")
        turn = asyncio.create_task(self._first(_named("turn", ways)), name="choose turn")
        try:
            relay = await turn
            if relay is not None:
                await asyncio.wait({stun}, timeout=STUN_GRACE)
                address = stun.result() if stun.done() else None
            else:
                address = await stun
        finally:
            for race in (stun, turn):
                race.cancel()
        warning = self._no_relay(_named("turn", ways), left_out) if relay is None else ""
        if warning != self._warned:
            self._warned = warning
            if warning:
                log.warning(warning)
        return ServerChoice(tuple(way for way in (address, relay) if way is not None), warning)

    async def aclose(self) -> None:
        """Stop all probes."""
        await cancel([*self._asking.values(), *([self._keeping] if self._keeping else [])])

    async def _first(self, ways: Sequence[IceServer]) -> IceServer | None:
        """The first server that works, from memory or probed now."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + PATIENCE
        waiting: dict[asyncio.Task[Probe], IceServer] = {}
        for number, way in enumerate(ways, 1):
            known = self._known(way)
            if known is not None and known.ok:
                return way
            if known is None:
                waiting[self._ask(way)] = way
            while waiting:
                left = deadline - loop.time()
                patience = left if number == len(ways) else min(left, STAGGER)
                done, _ = await asyncio.wait(
                    waiting, timeout=max(0.0, patience), return_when=asyncio.FIRST_COMPLETED
                )
                if not done:
                    break  # probe the next one, too
                found = [waiting.pop(task) for task in list(waiting) if task in done and _worked(task)]
                if found:
                    return found[0]
                for task in done:
                    waiting.pop(task, None)
        return None

    def _known(self, way: IceServer) -> Probe | None:
        """The remembered result, or None if the server must be probed."""
        health = self._health.get(_url(way))
        if health is None or self._clock() - health.at > REMEMBERED:
            return None
        if health.found.outcome == "unauthorized" and health.username != way.username:
            return None  # other credentials may work
        return health.found

    def _ask(self, way: IceServer) -> asyncio.Task[Probe]:
        """The probe of a server, which may be under way already. It continues when nobody waits for it."""
        url = _url(way)
        task = self._asking.get(url)
        if task is None:
            task = self._asking[url] = asyncio.create_task(self._examine(way), name=f"probe {url}")
        return task

    async def _examine(self, way: IceServer) -> Probe:
        url = _url(way)
        try:
            found = await self._probe(url, way.username, way.credential, patience=PATIENCE)
        finally:
            self._asking.pop(url, None)
        before = self._health.get(url)
        self._health[url] = _Health(found, self._clock(), way.username)
        if not found.ok and (before is None or before.found.ok):
            log.warning("%s %s: agents do not use it", found.url, found.detail)
        elif found.ok and before is not None and not before.found.ok:
            log.info("%s works again", found.url)
        return found

    def _use(self, ways: Sequence[IceServer]) -> None:
        """Renew the results of these servers for a while."""
        self._used_at = self._clock()
        self._in_use.update((_url(way), way) for way in ways)
        if ways and (self._keeping is None or self._keeping.done()):
            self._keeping = asyncio.create_task(self._keep(), name="turn planner")

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(REFRESHED)
            if self._clock() - self._used_at > IDLE:
                self._in_use.clear()
                return
            for way in self._in_use.values():
                self._ask(way)

    def _no_relay(self, ways: Sequence[IceServer], left_out: Sequence[str]) -> str:
        reasons = list(left_out)
        for way in ways:
            known = self._known(way)
            reasons.append(f"{_url(way)} {known.detail if known else f'no answer within {PATIENCE:g} s'}")
        if not reasons:
            return ""
        return f"Agents have no working TURN server, so they connect only directly ({'; '.join(reasons)})."


def _url(way: IceServer) -> str:
    """The URL of a server; here each has one."""
    return way.urls[0]


def _named(scheme: str, ways: Iterable[IceServer]) -> list[IceServer]:
    return [way for way in ways if _url(way).startswith(scheme)]


def _worked(task: asyncio.Task[Probe]) -> bool:
    return not task.cancelled() and task.exception() is None and task.result().ok
