"""The media plane's work itself, on the running loop; `inline` and `worker` put it to use."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voicebot.clock import Clock, monotonic
from voicebot.errors import MediaError
from voicebot.media.base import (
    Answer,
    HearingSettings,
    IceServerConfig,
    MediaStats,
    Notice,
    OnNotice,
    PlayoutEnded,
    RecordingFailed,
    SilenceReached,
)
from voicebot.media.host import Host
from voicebot.media.outbound_audio import OutboundAudio
from voicebot.media.recording import Recorder
from voicebot.rtc.planner import Planner
from voicebot.vad.base import VAD

log = logging.getLogger(__name__)

UPKEEP_EVERY = 0.1
STATS_EVERY = 5.0
STALL = 0.25
"""Seconds of lateness of the loop that are worth a warning."""


class Engine:
    """All hosts of one media process. Everything happens on the loop it was made on."""

    def __init__(self, notify: OnNotice, *, vad: VAD, clock: Clock = monotonic) -> None:
        self._on_notice = notify
        self._vad = vad
        self._clock = clock
        self._origin = clock()
        self._planner = Planner(clock=clock)
        self._hosts: dict[str, Host] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()
        self._next_stats = self._origin + STATS_EVERY
        self._recorder = Recorder(self._recording_failed)
        self._gone_late = self._gone_lost = 0
        self._gone_echo = self._stall_seconds = 0.0
        self._stalls = 0
        self._last_upkeep, self._last_busy = self._origin, time.process_time()
        self._timer = self._loop.call_later(UPKEEP_EVERY, self._upkeep)
        self._closed = False

    def _notify(self, notice: Notice) -> None:
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

    # ------------------------------------------------------------ hosts

    def open_host(self, host_id: str, hearing: HearingSettings) -> None:
        if host_id in self._hosts:
            log.warning("host %s is open already", host_id)
            return
        self._hosts[host_id] = Host(
            host_id,
            hearing,
            vad=self._vad,
            clock=self._clock,
            origin=self._origin,
            notify=self._notify,
            spawn=self._spawn,
            record=self._recorder.packet,
            planner=self._planner,
        )

    def close_host(self, host_id: str) -> None:
        host = self._hosts.pop(host_id, None)
        if host is not None:
            self._recorder.stop_host(host_id, self._clock())
            self._gone_late += host.late_frames
            self._gone_lost += host.lost_packets
            self._gone_echo += host.echo_seconds
            self._spawn(host.aclose(), f"close host {host_id}")

    def _host(self, host_id: str, what: str) -> Host | None:
        host = self._hosts.get(host_id)
        if host is None:
            log.debug("%s: there is no host %s (any more)", what, host_id)
        return host

    # ------------------------------------------------------------ peers

    async def answer(
        self,
        host_id: str,
        peer_id: str,
        epoch: int,
        sdp: str,
        tracks: Mapping[str, str],
        ice_servers: Sequence[IceServerConfig],
    ) -> Answer:
        host = self._hosts.get(host_id)
        if host is None:
            raise MediaError(
                f"There is no agent host {host_id!r}.",
                hint="The lobby may have ended meanwhile: join it again.",
                code="unknown_host",
            )
        return await host.answer(peer_id, epoch, sdp, tracks, ice_servers)

    def add_candidate(
        self, host_id: str, peer_id: str, epoch: int, candidate: str, sdp_mid: str | None, index: int | None
    ) -> None:
        if host := self._host(host_id, "add_candidate"):
            host.add_candidate(peer_id, epoch, (candidate, sdp_mid, index))

    def close_peer(self, host_id: str, peer_id: str) -> None:
        if host := self._host(host_id, "close_peer"):
            host.close_peer(peer_id)

    def await_silence(self, host_id: str, participant_id: str, until: float) -> None:
        if host := self._host(host_id, "await_silence"):
            host.await_silence(participant_id, until)
        else:  # nobody speaks there
            self._notify(SilenceReached(host_id, participant_id, until))

    # ------------------------------------------------------------ agents

    def add_agent(self, host_id: str, agent_id: str) -> None:
        if host := self._host(host_id, "add_agent"):
            host.add_agent(agent_id)

    def remove_agent(self, host_id: str, agent_id: str) -> None:
        if host := self._host(host_id, "remove_agent"):
            host.remove_agent(agent_id)

    def say(
        self,
        host_id: str,
        agent_id: str,
        speech_id: str,
        index: int,
        pcm: NDArray[np.int16],
        sample_rate: int,
        held: bool = False,
    ) -> None:
        host = self._hosts.get(host_id)
        if host is None or agent_id not in host.voices:
            self._never_played(host_id, agent_id, speech_id)
            return
        try:
            host.voices[agent_id].say(speech_id, index, pcm, sample_rate, held)
        except ValueError as error:
            log.error("audio of speech %s cannot be played: %s", speech_id, error)
            host.voices[agent_id].stop(speech_id)  # or it counted as heard

    def end(self, host_id: str, agent_id: str, speech_id: str) -> None:
        if voice := self._voice(host_id, agent_id):
            voice.end(speech_id)

    def hold(self, host_id: str, agent_id: str, speech_id: str, by: str) -> None:
        if voice := self._voice(host_id, agent_id):
            voice.hold(speech_id, by)

    def resume(self, host_id: str, agent_id: str, speech_id: str) -> None:
        if voice := self._voice(host_id, agent_id):
            voice.resume(speech_id)

    def stop(self, host_id: str, agent_id: str, speech_id: str) -> None:
        if voice := self._voice(host_id, agent_id):
            voice.stop(speech_id)

    def _voice(self, host_id: str, agent_id: str) -> OutboundAudio | None:
        host = self._hosts.get(host_id)
        return host.voices.get(agent_id) if host is not None else None

    def _never_played(self, host_id: str, agent_id: str, speech_id: str) -> None:
        log.debug("speech %s: there is no agent %s on host %s (any more)", speech_id, agent_id, host_id)
        self._notify(PlayoutEnded(host_id, agent_id, speech_id, self._clock(), 0.0, {}, complete=False))

    # ------------------------------------------------------------ recording

    def record(self, host_id: str, participant_id: str, path: Path, origin: float) -> None:
        self._recorder.start(host_id, participant_id, path, origin, self._clock())

    def stop_recording(self, host_id: str, participant_id: str) -> None:
        self._recorder.stop(host_id, participant_id, self._clock())

    def _recording_failed(self, host_id: str, participant_id: str, path: Path, reason: str) -> None:
        notice = RecordingFailed(host_id, participant_id, path, reason)
        with contextlib.suppress(RuntimeError):  # the loop is over: nobody listens any more
            self._loop.call_soon_threadsafe(self._notify, notice)

    # ------------------------------------------------------------ upkeep

    def _upkeep(self) -> None:
        now, busy = self._clock(), time.process_time()
        if (stall := now - self._last_upkeep - UPKEEP_EVERY) > STALL:
            self._stalls += 1
            self._stall_seconds += stall
            log.warning("the media loop stalled %.2f s (%.2f s of it at work)", stall, busy - self._last_busy)
        self._last_upkeep, self._last_busy = now, busy
        for host in self._hosts.values():
            host.tick(now)
        self._recorder.tick(now)
        if now >= self._next_stats:
            self._next_stats = now + STATS_EVERY
            self._notify(self.stats())
        self._timer = self._loop.call_later(UPKEEP_EVERY, self._upkeep)

    def stats(self) -> MediaStats:
        """What it costs and how it fares, now."""
        hosts = self._hosts.values()
        return MediaStats(
            cpu_seconds=time.process_time(),
            peers=sum(h.connections for h in hosts),
            late_frames=self._gone_late + sum(h.late_frames for h in hosts),
            lost_packets=self._gone_lost + sum(h.lost_packets for h in hosts),
            queued_seconds=sum(voice.queued_seconds for h in hosts for voice in h.voices.values()),
            stalls=self._stalls,
            stall_seconds=self._stall_seconds,
            echo_seconds=self._gone_echo + sum(h.echo_seconds for h in hosts),
        )

    async def aclose(self) -> None:
        """End everything; safe to call twice."""
        if self._closed:
            return
        self._closed = True
        self._timer.cancel()
        for host_id in self._hosts:
            self._recorder.stop_host(host_id, self._clock())
        await asyncio.gather(
            asyncio.to_thread(self._recorder.finish), *(host.aclose() for host in self._hosts.values())
        )
        self._hosts.clear()
        await self._planner.aclose()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=5)
