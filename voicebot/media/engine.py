"""The work of the media plane on the running loop, for `inline` and for the worker process."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Coroutine, Iterable
from pathlib import Path
from typing import Any

from voicebot.clock import Clock, monotonic
from voicebot.errors import MediaError
from voicebot.media import base as media
from voicebot.media.base import Answer, Command, OnNotice, PeerOffer
from voicebot.media.host import Host, HostContext
from voicebot.media.recording import Recorder
from voicebot.rtc.ice_servers.planner import Planner
from voicebot.vad.base import VAD

log = logging.getLogger(__name__)

UPKEEP_EVERY = 0.1
STATS_EVERY = 5.0
STALL = 0.25
"""Seconds of delay of the loop from which on it is logged."""


class Engine:
    """All hosts of one media process. Everything happens on the loop that created it."""

    def __init__(
        self,
        notify: OnNotice,
        *,
        vad: VAD,
        clock: Clock = monotonic,
        new_host: Callable[[HostContext, str, media.HearingSettings], Host] = Host,
    ) -> None:
        self._on_notice = notify
        self._clock = clock
        self._new_host = new_host
        self.hosts: dict[str, Host] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()
        now = clock()
        self._next_stats = now + STATS_EVERY
        self._recorder = Recorder(self._recording_failed)
        self._planner = Planner(clock=clock)
        self._context = HostContext(
            vad, clock, now, self.notify, self._spawn, self._recorder.packet, self._planner
        )
        self._gone = (0, 0, 0.0)
        """The losses of all closed hosts together."""
        self._stalls, self._stall_seconds = 0, 0.0
        self._last_upkeep, self._last_busy = now, time.process_time()
        self._timer = self._loop.call_later(UPKEEP_EVERY, self._upkeep)
        self._closed = False

    def notify(self, notice: media.Notice) -> None:
        """Give a notice to the control plane; never raises."""
        try:
            self._on_notice(notice)
        except Exception:  # an observer must not stop audio
            log.exception("a media notice could not be handled")

    def _spawn(self, coroutine: Coroutine[Any, Any, None], name: str) -> None:
        task = self._loop.create_task(coroutine, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("%s failed: %r", task.get_name(), error)

    def carry_out(self, command: Command) -> None:
        """Carry out a command; what it names may be gone by now."""
        host = self.hosts.get(command.host_id)
        match command:
            case media.OpenHost():
                self._open_host(command)
            case media.CloseHost():
                self._close_host(command.host_id)
            case media.StartRecording(host_id, participant_id, path, origin):
                self._recorder.start(host_id, participant_id, path, origin, self._clock())
            case media.StopRecording(host_id, participant_id):
                self._recorder.stop(host_id, participant_id, self._clock())
            case _ if host is not None:
                host.carry_out(command)
            case media.QueueAudio():
                self.notify(media.PlayoutEnded.unheard(command, self._clock()))
            case media.AwaitSilence(host_id, participant_id, until):  # nobody can speak there
                self.notify(media.SilenceReached(host_id, participant_id, until))
            case _:
                log.debug("there is no host %s (any more): %s", command.host_id, type(command).__name__)

    def _open_host(self, command: media.OpenHost) -> None:
        if command.host_id in self.hosts:
            log.warning("host %s is open already", command.host_id)
            return
        self.hosts[command.host_id] = self._new_host(self._context, command.host_id, command.hearing)

    def _close_host(self, host_id: str) -> None:
        host = self.hosts.pop(host_id, None)
        if host is not None:
            self._recorder.stop_host(host_id, self._clock())
            self._gone = _total([self._gone, host.losses()])
            self._spawn(host.aclose(), f"close host {host_id}")

    async def answer(self, offer: PeerOffer) -> Answer:
        """See `MediaPlane.answer`."""
        host = self.hosts.get(offer.host_id)
        if host is None:
            raise MediaError(
                f"There is no agent host {offer.host_id!r}.",
                hint="The lobby may have ended in the meantime. Join it again.",
                code="unknown_host",
            )
        return await host.answer(offer)

    def _recording_failed(self, host_id: str, participant_id: str, path: Path, reason: str) -> None:
        notice = media.RecordingFailed(host_id, participant_id, path, reason)
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self.notify, notice)

    def _upkeep(self) -> None:
        now, busy = self._clock(), time.process_time()
        if (stall := now - self._last_upkeep - UPKEEP_EVERY) > STALL:
            self._stalls += 1
            self._stall_seconds += stall
            log.warning("the media loop stalled for %.2f s (CPU time: %.2f s)", stall, busy - self._last_busy)
        self._last_upkeep, self._last_busy = now, busy
        for host in self.hosts.values():
            host.tick(now)
        self._recorder.tick(now)
        if now >= self._next_stats:
            self._next_stats = now + STATS_EVERY
            self.notify(self.stats())
        self._timer = self._loop.call_later(UPKEEP_EVERY, self._upkeep)

    def stats(self) -> media.MediaStats:
        """The current figures of the process."""
        hosts = self.hosts.values()
        late, lost, echo = _total([self._gone, *(host.losses() for host in hosts)])
        return media.MediaStats(
            cpu_seconds=time.process_time(),
            peers=sum(h.connections for h in hosts),
            late_frames=late,
            lost_packets=lost,
            queued_seconds=sum(voice.queued_seconds for h in hosts for voice in h.voices.values()),
            stalls=self._stalls,
            stall_seconds=self._stall_seconds,
            echo_seconds=echo,
        )

    async def aclose(self) -> None:
        """End everything. Safe to call twice."""
        if self._closed:
            return
        self._closed = True
        self._timer.cancel()
        for host_id in self.hosts:
            self._recorder.stop_host(host_id, self._clock())
        await asyncio.gather(
            asyncio.to_thread(self._recorder.finish), *(host.aclose() for host in self.hosts.values())
        )
        self.hosts.clear()
        await self._planner.aclose()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=5)


def _total(losses: Iterable[tuple[int, int, float]]) -> tuple[int, int, float]:
    late, lost, echo = zip(*losses, strict=True)
    return sum(late), sum(lost), sum(echo)
