"""The plane with a real browser: Chromium, whose microphone plays a file."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from playwright.async_api import Page, async_playwright

from voicebot.media.base import (
    AddAgentTrack,
    AddIceCandidate,
    EndSpeech,
    PeerOffer,
    PeerState,
    PlayoutEnded,
    QueueAudio,
    RemoveAgentTrack,
    SpeechAudio,
    VoiceActivityStopped,
)
from voicebot.testing.speech import speak_file

if TYPE_CHECKING:
    from conftest import Stage

CHROMIUM = shutil.which("chromium")
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium at hand"),
    pytest.mark.needs("flite"),
]

PAGE = """
<body></body><script>
window.heard = {};
window.setUp = async (agents) => {
  const stream = await navigator.mediaDevices.getUserMedia({audio: true});
  window.pc = new RTCPeerConnection({iceServers: []});
  window.candidates = [];
  pc.onicecandidate = e => candidates.push(e.candidate ? e.candidate.candidate : "");
  window.mic = pc.addTransceiver(stream.getAudioTracks()[0], {direction: "sendonly"});
  pc.ontrack = e => {
    const player = document.createElement("audio");
    player.autoplay = true;
    player.srcObject = new MediaStream([e.track]);
    document.body.append(player);
  };
  window.agents = {};
  for (const a of agents) agents_add(a);
  return offer();
};
window.agents_add = (a) => { agents[a] = pc.addTransceiver("audio", {direction: "recvonly"}); };
window.offer = async () => {
  await pc.setLocalDescription(await pc.createOffer());
  const tracks = {[mic.mid]: "ada"};
  for (const [a, t] of Object.entries(agents)) tracks[t.mid] = a;
  return {sdp: pc.localDescription.sdp, tracks};
};
window.accept = (sdp) => pc.setRemoteDescription({type: "answer", sdp});
window.stats = async () => {
  const out = {};
  for (const s of (await pc.getStats()).values())
    if (s.type === "inbound-rtp") out[s.mid] = {packets: s.packetsReceived, concealed: s.concealedSamples,
      silent: s.silentConcealedSamples, energy: s.totalAudioEnergy, lost: s.packetsLost};
  return out;
};
</script>
"""


@pytest.fixture
async def page(tmp_path: Path) -> AsyncIterator[Page]:
    wav = speak_file(tmp_path / "mic.wav", "hello what is the weather in paris today", before=2.0, after=2.0)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=[
                "--no-sandbox",
                "--disable-gpu",
                "--use-fake-ui-for-media-stream",
                "--use-fake-device-for-media-stream",
                f"--use-file-for-fake-audio-capture={wav}",
                "--autoplay-policy=no-user-gesture-required",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                "--no-first-run",
            ],
        )
        page = await browser.new_page()
        await page.route(
            "http://localhost/", lambda route: route.fulfill(body=PAGE, content_type="text/html")
        )
        await page.goto("http://localhost/")
        yield page
        await browser.close()


async def negotiate(stage: Stage, page: Page, offer: dict[str, Any], epoch: int = 1) -> dict[str, str]:
    answer = await stage.plane.answer(PeerOffer("host", "p", epoch, offer["sdp"], offer["tracks"], ()))
    await page.evaluate("sdp => accept(sdp)", answer.sdp)
    return dict(answer.tracks)


async def test_chromium_speaks_hears_and_renegotiates(process_stage: Stage, page: Page) -> None:
    stage, plane, notices = process_stage, process_stage.plane, process_stage.notices
    plane.send(AddAgentTrack("host", "marlin"))
    await negotiate(stage, page, await page.evaluate("setUp(['marlin'])"))
    await page.wait_for_function("candidates.includes('')")
    for candidate in await page.evaluate("candidates"):
        plane.send(AddIceCandidate("host", "p", 1, candidate, "0", 0))
    state = await notices.wait(PeerState, lambda n: n.state == "connected")
    assert state.local
    await notices.wait(VoiceActivityStopped)
    pcm = np.concatenate([n.pcm for n in notices.of(SpeechAudio)])
    assert 2.0 < len(pcm) / 16_000 < 5.5
    assert np.abs(pcm).max() > 3000

    tone = (9000 * np.sin(2 * np.pi * 440 * np.arange(48_000) / 24_000)).astype(np.int16)
    plane.send(QueueAudio("host", "marlin", "s1", 0, tone, 24_000, False))
    plane.send(EndSpeech("host", "marlin", "s1"))
    assert (await notices.wait(PlayoutEnded)).complete
    await page.wait_for_function("stats().then(s => s['1'] && s['1'].packets >= 101)")
    heard = (await page.evaluate("stats()"))["1"]
    assert heard["energy"] > 0.02
    assert heard["lost"] == 0

    # another agent joins; the section of the first becomes inactive and is then used by a third
    plane.send(AddAgentTrack("host", "coral"))
    await page.evaluate("agents_add('coral')")
    assert "coral" in (await negotiate(stage, page, await page.evaluate("offer()"))).values()
    plane.send(RemoveAgentTrack("host", "marlin"))
    await page.evaluate("agents.marlin.direction = 'inactive'")
    assert list((await negotiate(stage, page, await page.evaluate("offer()"))).values()) == ["coral"]
    plane.send(AddAgentTrack("host", "reef"))
    await page.evaluate(
        "agents.reef = agents.marlin, delete agents.marlin, agents.reef.direction = 'recvonly'"
    )
    answered = await negotiate(stage, page, await page.evaluate("offer()"))
    assert sorted(answered.values()) == ["coral", "reef"]
    for agent, mid in (("coral", "2"), ("reef", "1")):
        before = (await page.evaluate("stats()")).get(mid, {"packets": 0})["packets"]
        plane.send(QueueAudio("host", agent, f"{agent}-s", 0, tone[:24_000], 24_000, False))
        plane.send(EndSpeech("host", agent, f"{agent}-s"))
        await page.wait_for_function(
            "([mid, n]) => stats().then(s => s[mid] && s[mid].packets >= n + 50)", arg=[mid, before]
        )

    # if a browser stops a transceiver, its section is rejected, which is no error
    await page.evaluate("agents.coral.stop(), delete agents.coral")
    assert list((await negotiate(stage, page, await page.evaluate("offer()"))).values()) == ["reef"]
    assert await page.evaluate("pc.signalingState") == "stable"
    count = len(notices.of(VoiceActivityStopped))
    await notices.wait(VoiceActivityStopped, count=count + 1)  # the microphone still works
    await page.evaluate("pc.close()")
    await notices.wait(PeerState, lambda n: n.state == "closed")
