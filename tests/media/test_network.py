"""Bad networks, bad timing and blocked processes."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
import textwrap
import time
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from tests.support.sound import tone
from tests.support.waiting import GUARD
from voicebot.media.base import (
    AddAgentTrack,
    AddIceCandidate,
    EndSpeech,
    MediaStats,
    PeerOffer,
    PeerState,
    PlayoutEnded,
    QueueAudio,
    SpeechAudio,
    VoiceActivityStarted,
    VoiceActivityStopped,
)
from voicebot.media.inline import InlineMediaPlane
from voicebot.signaling.messages import IceServer

if TYPE_CHECKING:
    from conftest import Browser, Stage

RATE = 24_000


def disturb(browser: Browser, loss: float, swap: float) -> list[int]:
    """Lose and reorder datagrams from the browser to the host; returns a counter of the losses."""
    rng, counts, held = random.Random(7), [0], []
    transport = browser.pc.getTransceivers()[0].sender.transport.transport
    send = transport._send

    async def badly(data: bytes) -> None:
        if not 128 <= data[0] < 192 or 192 <= data[1] <= 223:  # only RTP
            await send(data)
        elif rng.random() < loss:
            counts[0] += 1
        elif not held and rng.random() < swap:
            held.append(data)
        else:
            await send(data)
            while held:
                await send(held.pop())

    transport._send = badly
    return counts


async def test_words_survive_loss_and_reordering(stage: Stage, speech: np.ndarray, speak: Any) -> None:
    notices = stage.notices
    browser = stage.browser()
    await browser.join([])
    lost = disturb(browser, loss=0.05, swap=0.2)
    await browser.mic.say(speak(speech))
    await notices.wait(VoiceActivityStopped)
    pcm = np.concatenate([n.pcm for n in notices.of(SpeechAudio)])
    assert lost[0] > 0
    assert len(notices.of(VoiceActivityStarted)) == 1
    said = speech[4000:20_000].astype(float)
    match = np.correlate(pcm.astype(float), said, "valid")
    got = pcm[int(match.argmax()) :][:16_000].astype(float)
    assert np.corrcoef(said, got)[0, 1] > 0.75
    stats = await notices.wait(MediaStats, lambda n: n.lost_packets > 0)
    assert stats.lost_packets <= lost[0]  # reordered packets are not lost ones


async def test_a_blocked_loop_causes_no_burst_and_loses_no_words(inline_stage: Stage) -> None:
    plane, notices = inline_stage.plane, inline_stage.notices
    plane.send(AddAgentTrack("host", "marlin"))
    browser = inline_stage.browser()
    await browser.join(["marlin"])
    plane.send(QueueAudio("host", "marlin", "s", 0, tone(440, 2, RATE), RATE))
    plane.send(EndSpeech("host", "marlin", "s"))
    await browser.hear("marlin", 20)
    time.sleep(1.0)  # noqa: ASYNC251  the blocked loop
    await asyncio.sleep(0)
    ended = await notices.wait(PlayoutEnded)
    packets = await browser.hear("marlin", 101)
    assert ended.complete
    assert ended.played == pytest.approx(2, abs=0.001)
    steps = [((b.timestamp - a.timestamp) & 0xFFFFFFFF) for a, b in pairwise(packets)]
    assert min(steps) >= 960
    assert max(steps) > 40_000  # the stall is a gap in time
    assert isinstance(plane, InlineMediaPlane)
    assert plane.engine.stats().late_frames >= 40


LISTENER = """
import asyncio, json, sys
from pathlib import Path
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from voicebot.clock import monotonic
from voicebot.rtc.tap import Tap

async def main():
    pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    transceiver = pc.addTransceiver("audio", direction="recvonly")
    await pc.setLocalDescription(await pc.createOffer())
    print(json.dumps({"sdp": pc.localDescription.sdp, "mid": transceiver.mid}), flush=True)
    loop = asyncio.get_running_loop()
    answer = json.loads(await loop.run_in_executor(None, sys.stdin.readline))
    await pc.setRemoteDescription(RTCSessionDescription(answer, "answer"))
    arrived, enough = [], asyncio.Event()
    def hear(packet):
        arrived.append(packet)
        if len(arrived) == 100:
            enough.set()
    Tap(transceiver.receiver, hear, monotonic)
    await enough.wait()
    Path(sys.argv[1]).touch()
    await pc.close()

asyncio.run(main())
"""


def block_until(path: Path) -> bool:
    """Block like a cell until the file exists or the test gives up."""
    end = time.monotonic() + GUARD
    while not path.exists() and time.monotonic() < end:
        time.sleep(0.05)
    return path.exists()


async def test_queued_speech_plays_while_the_parent_process_is_blocked(
    process_stage: Stage, tmp_path: Path
) -> None:
    """The receiver is another process, which our blocked loop does not affect."""
    import json

    plane, notices = process_stage.plane, process_stage.notices
    plane.send(AddAgentTrack("host", "marlin"))
    heard = tmp_path / "heard"
    listener = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        textwrap.dedent(LISTENER),
        str(heard),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        limit=2**20,
    )
    assert listener.stdin is not None
    assert listener.stdout is not None
    try:
        offer = json.loads(await listener.stdout.readline())
        answer = await plane.answer(PeerOffer("host", "p", 1, offer["sdp"], {offer["mid"]: "marlin"}, ()))
        listener.stdin.write(json.dumps(answer.sdp).encode() + b"\n")
        await notices.wait(PeerState, lambda n: n.state == "connected")
        plane.send(QueueAudio("host", "marlin", "s", 0, tone(440, 4, RATE), RATE))
        plane.send(EndSpeech("host", "marlin", "s"))
        assert block_until(heard), "half of it has not been heard"
    finally:
        listener.stdin.close()
        if listener.returncode is None:
            listener.kill()
        await listener.wait()


async def test_candidates_may_arrive_before_the_offer(stage: Stage) -> None:
    plane, notices = stage.plane, stage.notices
    browser = stage.browser()
    sdp, tracks = await browser.offer([])
    lines = sdp.splitlines()
    candidates = [line.removeprefix("a=") for line in lines if line.startswith("a=candidate")]
    bare = "\r\n".join(line for line in lines if not line.startswith(("a=candidate", "a=end-of-candidates")))
    assert candidates
    mid = browser.mic_transceiver.mid
    plane.send(AddIceCandidate("host", browser.peer_id, 1, candidates[0], mid, 0))
    plane.send(AddIceCandidate("host", browser.peer_id, 1, "candidate:nonsense", mid, 0))
    answer = await plane.answer(PeerOffer("host", browser.peer_id, 1, bare + "\r\n", tracks, ()))
    for candidate in candidates[1:]:
        plane.send(AddIceCandidate("host", browser.peer_id, 1, candidate, mid, 0))
    plane.send(AddIceCandidate("host", browser.peer_id, 1, "", mid, 0))
    await browser.accept(answer)
    await notices.wait(PeerState, lambda n: n.state == "connected")


async def test_a_browser_without_candidates_fails_at_once(stage: Stage) -> None:
    browser = stage.browser()
    sdp, tracks = await browser.offer([])
    nowhere = "\r\n".join(line for line in sdp.splitlines() if not line.startswith("a=candidate"))
    await stage.plane.answer(PeerOffer("host", browser.peer_id, 1, nowhere + "\r\n", tracks, ()))
    failed = await stage.notices.wait(PeerState, lambda n: n.state == "failed")
    assert "offers no candidates" in failed.reason


async def test_a_browser_that_never_answers_fails_after_the_timeout(
    inline_stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("voicebot.rtc.peer.CONNECT_TIMEOUT", 0.2)
    browser = inline_stage.browser()
    sdp, tracks = await browser.offer([])
    endless = sdp.replace("a=end-of-candidates\r\n", "")
    await inline_stage.plane.answer(PeerOffer("host", browser.peer_id, 1, endless, tracks, ()))
    failed = await inline_stage.notices.wait(PeerState, lambda n: n.state == "failed")
    assert "did not connect in 0.2 s" in failed.reason


async def test_a_wrong_ice_server_is_refused(stage: Stage) -> None:
    browser = stage.browser()
    sdp, tracks = await browser.offer([])
    with pytest.raises(Exception, match="not a STUN or TURN address"):
        await stage.plane.answer(PeerOffer("host", "p", 1, sdp, tracks, [IceServer(urls=["http://x"])]))


async def test_video_and_rejected_sections_are_answered_inactive(stage: Stage) -> None:
    plane = stage.plane
    plane.send(AddAgentTrack("host", "marlin"))
    browser = stage.browser()
    browser.pc.addTransceiver("video", direction="sendonly")
    answer = await browser.join(["marlin", "nobody"])
    assert list(answer.tracks.values()) == ["marlin"]
    directions = {t.kind: t.currentDirection for t in browser.pc.getTransceivers() if t.kind == "video"}
    assert directions == {"video": "inactive"}
    nobody = browser.transceivers["nobody"]
    assert nobody.currentDirection == "inactive"
    plane.send(QueueAudio("host", "marlin", "s", 0, tone(440, 0.2, RATE), RATE))
    plane.send(EndSpeech("host", "marlin", "s"))
    await browser.hear("marlin", 10)
