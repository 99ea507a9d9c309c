"""The worker process: its start, its end, and failures."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import signal
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil
import pytest

from tests.support.waiting import GUARD
from voicebot.errors import MediaError
from voicebot.media.base import (
    AddAgentTrack,
    AwaitSilence,
    EndSpeech,
    HearingSettings,
    HoldSpeech,
    MediaGone,
    MediaStats,
    OpenHost,
    PeerOffer,
    PlayoutEnded,
    QueueAudio,
    ResumeSpeech,
    SilenceReached,
    SpeechAudio,
    VoiceActivityStopped,
)
from voicebot.media.process import wire, worker
from voicebot.media.process.plane import ProcessMediaPlane

if TYPE_CHECKING:
    from conftest import Stage

TONE = (9000 * np.sin(2 * np.pi * 440 * np.arange(4_800) / 24_000)).astype(np.int16)


async def test_an_interrupt_does_not_reach_the_worker(process_stage: Stage) -> None:
    plane, notices = process_stage.plane, process_stage.notices
    assert isinstance(plane, ProcessMediaPlane)
    assert plane.pid is not None
    assert os.getsid(plane.pid) == plane.pid  # a terminal's Ctrl-C goes to another group
    os.kill(plane.pid, signal.SIGINT)
    plane.send(AddAgentTrack("host", "marlin"))
    plane.send(QueueAudio("host", "marlin", "s", 0, TONE, 24_000))
    plane.send(EndSpeech("host", "marlin", "s"))
    assert (await notices.wait(PlayoutEnded)).complete
    assert notices.of(MediaGone) == []


async def test_a_killed_parent_leaves_no_worker_behind() -> None:
    program = """
    import asyncio, os, signal
    from voicebot.media.process.plane import ProcessMediaPlane

    async def main():
        plane = ProcessMediaPlane()
        await plane.start(lambda notice: None)
        print(plane.pid, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)

    asyncio.run(main())
    """
    run = await asyncio.create_subprocess_exec(
        sys.executable, "-c", textwrap.dedent(program), stdout=subprocess.PIPE
    )
    out, _ = await run.communicate()
    try:
        left = psutil.Process(int(out))
    except psutil.NoSuchProcess:
        return
    await asyncio.to_thread(psutil.wait_procs, [left], 20)
    assert not left.is_running() or left.status() == psutil.STATUS_ZOMBIE


async def test_closing_ends_the_worker_and_may_be_done_twice() -> None:
    plane = ProcessMediaPlane()
    await plane.start(lambda notice: None)
    pid = plane.pid
    assert pid is not None
    await plane.close()
    await plane.close()
    assert not psutil.pid_exists(pid)
    with pytest.raises(MediaError, match="not running"):
        await plane.answer(PeerOffer("host", "p", 1, "v=0", {}, ()))


async def test_a_worker_that_cannot_start_says_why(caplog: pytest.LogCaptureFixture) -> None:
    plane = ProcessMediaPlane(vad="nonsense")
    with pytest.raises(MediaError, match="did not start") as caught:
        await plane.start(lambda notice: None)
    assert "nonsense" in str(caught.value)


async def test_nothing_waits_for_a_worker_that_died(
    process_stage: Stage, speech: np.ndarray, speak: Any
) -> None:
    plane, notices = process_stage.plane, process_stage.notices
    assert isinstance(plane, ProcessMediaPlane)
    plane.send(AddAgentTrack("host", "marlin"))
    browser = process_stage.browser()
    await browser.join(["marlin"])
    await browser.mic.say(speak(speech))
    stopped = await notices.wait(VoiceActivityStopped)
    plane.send(AwaitSilence("host", "ada", stopped.time + 60))
    plane.send(QueueAudio("host", "marlin", "held", 0, np.tile(TONE, 9), 24_000))
    await browser.hear("marlin", 2)
    plane.send(HoldSpeech("host", "marlin", "held", "ada"))
    plane.send(QueueAudio("host", "marlin", "prepared", 0, TONE, 24_000, held=True))
    assert plane.pid is not None
    os.kill(plane.pid, signal.SIGKILL)
    await notices.wait(MediaGone)
    told = [n for n in notices.all if isinstance(n, SilenceReached | PlayoutEnded | MediaGone)]
    assert [type(n) for n in told] == [SilenceReached, PlayoutEnded, PlayoutEnded, MediaGone]
    plane.send(ResumeSpeech("host", "marlin", "held"))
    plane.send(HoldSpeech("host", "marlin", "prepared", "ada"))
    plane.send(AwaitSilence("host", "ada", stopped.time + 70))  # the new worker does not know ada
    await notices.wait(SilenceReached, lambda n: n.time == stopped.time + 70)


async def test_the_plane_survives_several_crashes(process_stage: Stage) -> None:
    plane, notices = process_stage.plane, process_stage.notices
    assert isinstance(plane, ProcessMediaPlane)
    plane.send(AddAgentTrack("host", "marlin"))
    for n in range(2):
        browser = process_stage.browser()
        await browser.join(["marlin"], epoch=n + 1)
        assert plane.pid is not None
        os.kill(plane.pid, signal.SIGSEGV)
        await notices.wait(MediaGone, count=n + 1)
        plane.send(QueueAudio("host", "marlin", f"s{n}", 0, TONE, 24_000))  # no worker can play it
        await notices.wait(PlayoutEnded, lambda e, n=n: e.speech_id == f"s{n}" and not e.complete)
    browser = process_stage.browser()
    await browser.join(["marlin"], epoch=9)


async def test_an_unreadable_message_counts_as_a_crash(
    process_stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    plane, notices = process_stage.plane, process_stage.notices
    plane.send(AddAgentTrack("host", "marlin"))
    understood = wire.receive

    async def receive(reader: asyncio.StreamReader) -> object:
        await understood(reader)
        monkeypatch.undo()
        raise AttributeError("no such class")  # as unpickling does

    monkeypatch.setattr("voicebot.media.process.plane.receive", receive)
    plane.send(QueueAudio("host", "marlin", "s", 0, TONE, 24_000))
    plane.send(EndSpeech("host", "marlin", "s"))
    await notices.wait(MediaGone)
    browser = process_stage.browser()
    await browser.join(["marlin"])


async def test_starting_the_worker_is_retried_when_the_machine_has_no_process_left(
    process_stage: Stage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    plane, notices = process_stage.plane, process_stage.notices
    assert isinstance(plane, ProcessMediaPlane)
    plane.send(AddAgentTrack("host", "marlin"))

    def refuse(*arguments: object, **named: object) -> None:
        monkeypatch.undo()
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(subprocess, "Popen", refuse)
    assert plane.pid is not None
    os.kill(plane.pid, signal.SIGKILL)
    await notices.wait(MediaGone)
    browser = process_stage.browser()
    await browser.join(["marlin"])
    assert any("trying again" in record.getMessage() for record in caplog.records)


@pytest.mark.parametrize("early", [True, False])
async def test_closing_before_or_during_the_start_ends_the_start(early: bool) -> None:
    plane = ProcessMediaPlane()
    if early:
        await plane.close()
    starting = asyncio.create_task(plane.start(lambda notice: None))
    for _ in range(3):
        await asyncio.sleep(0)
    assert early or plane.pid is not None
    await plane.close()
    with pytest.raises(MediaError, match="was closed"):
        await starting


async def test_log_records_of_the_worker_are_logged_in_the_parent(
    process_stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    plane, notices = process_stage.plane, process_stage.notices
    with caplog.at_level(logging.WARNING):
        plane.send(AddAgentTrack("host", "marlin"))
        plane.send(QueueAudio("host", "marlin", "s", 0, np.zeros((5, 2, 2), np.int16), 24_000))
        plane.send(QueueAudio("host", "marlin", "t", 0, TONE, 24_000))
        plane.send(EndSpeech("host", "marlin", "t"))
        await notices.wait(PlayoutEnded, lambda e: e.speech_id == "t")
    assert any("speech s cannot be played" in record.getMessage() for record in caplog.records)


class Stuck:
    """A transport whose other end does not read."""

    def __init__(self) -> None:
        self.waiting = 0
        self.written = 0

    def get_write_buffer_size(self) -> int:
        return self.waiting

    def is_closing(self) -> bool:
        return False

    def write(self, data: bytes) -> None:
        self.written += 1
        self.waiting += len(data)


def test_messages_to_a_blocked_notebook_are_bounded_and_important_ones_are_kept(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Writer:
        transport = Stuck()

    outbox = worker._Outbox(Writer())  # type: ignore[arg-type]
    audio = SpeechAudio("host", "ada", 1.0, np.zeros(512, np.int16))
    for _ in range(60_000):
        outbox.send(audio)
        outbox.send(MediaStats(1.0, 1, 0, 0))
    transport = Writer.transport
    assert transport.waiting < worker.SPEECH_LIMIT + 10_000
    written = transport.written
    outbox.send(MediaStats(1.0, 1, 0, 0))
    assert transport.written == written
    outbox.send(VoiceActivityStopped("host", "ada", 1.0))
    assert transport.written == written + 1
    assert not caplog.records
    transport.waiting = 0  # it reads again
    outbox.send(audio)
    outbox.send(audio)
    (record,) = caplog.records
    assert "pieces of speech are lost" in record.getMessage()


async def test_commands_before_the_start_are_kept_for_the_worker() -> None:
    plane = ProcessMediaPlane()
    plane.send(OpenHost("host", HearingSettings()))
    plane.send(AddAgentTrack("host", "marlin"))
    ended: asyncio.Future[PlayoutEnded] = asyncio.get_running_loop().create_future()
    await plane.start(lambda n: ended.set_result(n) if isinstance(n, PlayoutEnded) else None)
    plane.send(QueueAudio("host", "marlin", "s", 0, TONE, 24_000))
    plane.send(EndSpeech("host", "marlin", "s"))
    async with asyncio.timeout(GUARD):
        assert (await ended).complete
    await plane.close()
