"""Recordings are as long as the conversation, have each sound at its time, and survive a killed process."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import numpy as np
import pytest

from tests.support.sound import tone
from tests.support.waiting import GUARD
from voicebot.audio.ogg import OggOpusWriter, read_packets
from voicebot.audio.opus import OpusEncoder, packet_samples, silence_packet, silence_packets
from voicebot.clock import monotonic
from voicebot.media.base import (
    AddAgentTrack,
    AddIceCandidate,
    CloseHost,
    ClosePeer,
    EndSpeech,
    HearingSettings,
    MediaGone,
    OpenHost,
    PeerState,
    PlayoutAudible,
    PlayoutEnded,
    QueueAudio,
    RecordingFailed,
    StartRecording,
    StopRecording,
    VoiceActivityStarted,
    VoiceActivityStopped,
)
from voicebot.media.process.plane import ProcessMediaPlane
from voicebot.media.recording import Recorder, Timeline

if TYPE_CHECKING:
    from conftest import Stage

RATE = 48_000
PACKET = 0.04
"""Seconds of two packets: the one that contains a moment, and the one before it."""
WINDOW = 0.1
"""Seconds by which the detected start of speech may be off."""


def decode(path: Path) -> np.ndarray:
    """The samples of a file, mono float32 at 48 kHz, as a player decodes them."""
    with av.open(str(path)) as container:
        return np.concatenate([f.to_ndarray().reshape(-1) for f in container.decode(audio=0)])


def onsets(pcm: np.ndarray, quiet: float = 0.3) -> list[float]:
    """Seconds at which sound begins after at least `quiet` seconds of silence."""
    loud = np.flatnonzero(np.abs(pcm) > 0.02) / RATE
    return [float(t) for i, t in enumerate(loud) if i == 0 or t - loud[i - 1] > quiet]


def first_word(speech: np.ndarray) -> float:
    """Seconds before the first sound in mono int16 at 16 kHz."""
    return float(np.flatnonzero(np.abs(speech) > 0.02 * 32768)[0]) / 16_000


async def written(path: Path, packets: int) -> list[bytes]:
    """Wait until the file has so many packets."""
    async with asyncio.timeout(GUARD):
        while True:
            with suppress(FileNotFoundError):
                if len(found := read_packets(path)) >= packets:
                    return found
            await asyncio.sleep(0.05)  # another process writes the file, so there is nothing to await


class TestTimeline:
    def test_packets_in_time_follow_one_another(self) -> None:
        line = Timeline()
        assert [line.place(n * 960, 960) for n in range(3)] == [[], [], []]
        assert line.written == 2880

    def test_a_gap_is_silence_of_the_same_length(self) -> None:
        line = Timeline()
        line.place(0, 960)
        fill = line.place(960 + 48_000 + 130, 960)
        assert fill is not None
        assert sum(map(packet_samples, fill)) == 48_120
        assert line.written == 960 + 48_120 + 960

    def test_a_slow_or_fast_sender_drifts_by_at_most_a_packet(self) -> None:
        for drift in (-0.0005, 0.0005):
            line = Timeline()
            for n in range(20_000):
                position = round(n * 960 * (1 + drift))
                line.place(position, 960)
                assert abs(line.written - position - 960) <= 960

    def test_packets_before_the_origin_are_left_out(self) -> None:
        line = Timeline()
        assert line.place(-2000, 960) is None
        assert line.place(0, 960) == []

    @pytest.mark.parametrize("samples", [120, 960, 1080, 48_000, 12_345])
    def test_silence_has_the_requested_length_to_two_milliseconds(self, samples: int) -> None:
        assert abs(sum(map(packet_samples, silence_packets(samples))) - samples) <= 60


def test_a_file_of_a_killed_process_is_continued(tmp_path: Path) -> None:
    path = tmp_path / "a.ogg"
    first = OggOpusWriter(path)
    encoder = OpusEncoder()
    first.write([encoder.encode(frame) for frame in tone(440, 2).reshape(-1, 960)])
    kept = read_packets(path)  # the first writer was never closed
    assert len(kept) > 70
    second = OggOpusWriter(path)
    assert second.samples == len(kept) * 960
    second.write([silence_packet()] * 50)
    second.close()
    assert read_packets(path)[: len(kept)] == kept
    assert len(decode(path)) == pytest.approx((len(kept) + 50) * 960, abs=400)
    first.close()


def test_packets_from_a_stall_of_the_worker_are_recorded(tmp_path: Path) -> None:
    """The clock's tick may come before the packets that waited in the sockets."""
    failures: list[str] = []
    recorder = Recorder(lambda host, who, path, reason: failures.append(reason))
    path = tmp_path / "ada.ogg"
    recorder.start("host", "ada", path, 100.0, 100.0)
    encoder = OpusEncoder()
    packets = [encoder.encode(frame) for frame in tone(440, 4).reshape(-1, 960)]
    for n, payload in enumerate(packets):
        if n in (50, 175):  # from 101 to 103.5, no packet was read
            recorder.tick(103.5)
        recorder.packet("host", "ada", payload, 100 + n * 0.02, 960)
    recorder.stop("host", "ada", 104.0)
    recorder.finish()
    assert read_packets(path) == packets
    assert not failures


async def test_a_person_and_an_agent_are_recorded_at_the_right_times(
    stage: Stage, speech: np.ndarray, speak: Any, tmp_path: Path
) -> None:
    plane, notices = stage.plane, stage.notices
    plane.send(AddAgentTrack("host", "marlin"))
    browser = stage.browser()
    await browser.join(["marlin"])
    origin = monotonic()
    plane.send(StartRecording("host", "marlin", tmp_path / "audio/marlin.ogg", origin))
    plane.send(StartRecording("host", "ada", tmp_path / "audio/ada.ogg", origin))
    await browser.mic.say(speak(speech))
    spoke = browser.mic.sent[0]
    await notices.wait(VoiceActivityStopped)
    for n in range(2):
        plane.send(QueueAudio("host", "marlin", f"s{n}", 0, tone(440, 0.5), RATE))
        plane.send(EndSpeech("host", "marlin", f"s{n}"))
        await notices.wait(PlayoutEnded, lambda e, n=n: e.speech_id == f"s{n}")
        await browser.mic.say([silence_packet()] * 40)
    plane.send(StopRecording("host", "marlin"))
    plane.send(StopRecording("host", "ada"))
    stopped = monotonic()
    await plane.close()
    closed = monotonic()

    begun = [n.time - origin for n in notices.of(PlayoutAudible)]
    silence = {silence_packet(samples) for samples in (120, 240, 480, 960)}
    packets = read_packets(tmp_path / "audio/marlin.ogg")
    times = itertools.accumulate((packet_samples(packet) / RATE for packet in packets), initial=0.0)
    sound = [time for packet, time in zip(packets, times, strict=False) if packet not in silence]
    half = 25 + 1  # packets in 0.5 s, and one that has the encoder's delay
    assert len(sound) == 2 * half
    assert sound[::half] == pytest.approx(begun, abs=0.02)

    person = decode(tmp_path / "audio/ada.ogg")
    at = onsets(person, quiet=5)[0]
    assert at >= spoke + first_word(speech) - origin - PACKET  # sound cannot arrive before it was spoken
    assert at == pytest.approx(notices.of(VoiceActivityStarted)[0].time - origin, abs=WINDOW)
    for recorded in (decode(tmp_path / "audio/marlin.ogg"), person):
        assert stopped - origin - PACKET <= len(recorded) / RATE <= closed - origin


async def test_packets_are_not_encoded_again(stage: Stage, tmp_path: Path) -> None:
    plane, notices = stage.plane, stage.notices
    plane.send(AddAgentTrack("host", "marlin"))
    browser = stage.browser()
    await browser.join(["marlin"])
    plane.send(StartRecording("host", "marlin", tmp_path / "marlin.ogg", monotonic()))
    plane.send(QueueAudio("host", "marlin", "s", 0, tone(440, 0.5), RATE))
    plane.send(EndSpeech("host", "marlin", "s"))
    await notices.wait(PlayoutEnded)
    sent = [p.payload for p in await browser.hear("marlin", 26)]
    plane.send(StopRecording("host", "marlin"))
    await plane.close()
    written = iter(read_packets(tmp_path / "marlin.ogg"))
    assert all(packet in written for packet in sent)  # in this order; on a busy machine with silence between


async def test_a_recording_failure_is_reported_and_everything_else_continues(
    stage: Stage, tmp_path: Path
) -> None:
    plane, notices = stage.plane, stage.notices
    plane.send(AddAgentTrack("host", "marlin"))
    (tmp_path / "file").write_text("not a folder")
    plane.send(StartRecording("host", "marlin", tmp_path / "file" / "marlin.ogg", monotonic()))
    failed = await notices.wait(RecordingFailed)
    assert failed.participant_id == "marlin"
    assert failed.reason
    plane.send(QueueAudio("host", "marlin", "s", 0, tone(440, 0.1), RATE))
    plane.send(EndSpeech("host", "marlin", "s"))
    assert (await notices.wait(PlayoutEnded)).complete


async def test_recordings_survive_a_killed_worker_which_is_replaced(
    process_stage: Stage, speech: np.ndarray, speak: Any, tmp_path: Path
) -> None:
    plane, notices = process_stage.plane, process_stage.notices
    assert isinstance(plane, ProcessMediaPlane)
    plane.send(AddAgentTrack("host", "marlin"))
    browser = process_stage.browser()
    await browser.join(["marlin"])
    origin = monotonic()
    path = tmp_path / "ada.ogg"
    plane.send(StartRecording("host", "ada", path, origin))
    await browser.mic.say(speak(speech))
    await notices.wait(VoiceActivityStopped)
    await browser.mic.say(speak(speech)[:60])
    await notices.wait(VoiceActivityStarted, count=2)
    plane.send(QueueAudio("host", "marlin", "s", 0, tone(440, 20), RATE))
    await notices.wait(PlayoutAudible)
    kept = await written(path, round((notices.of(VoiceActivityStopped)[0].time - origin) / 0.02))
    assert plane.pid is not None
    os.kill(plane.pid, signal.SIGKILL)
    killed = monotonic()
    gone = await notices.wait(MediaGone)
    assert "SIGKILL" in gone.reason
    assert [n.complete for n in notices.of(PlayoutEnded)] == [False]
    assert len(notices.of(VoiceActivityStopped)) == len(notices.of(VoiceActivityStarted))
    assert read_packets(path)[: len(kept)] == kept
    assert len(onsets(decode(path), quiet=5)) == 1

    again = process_stage.browser()
    await again.join(["marlin"], epoch=2)  # the new worker knows the host and the agent
    plane.send(QueueAudio("host", "marlin", "s2", 0, tone(440, 0.2), RATE))
    plane.send(EndSpeech("host", "marlin", "s2"))
    await again.hear("marlin", 10)
    begun = len(notices.of(VoiceActivityStarted))
    await again.mic.say(speak(speech))
    await notices.wait(VoiceActivityStarted, count=begun + 1)
    spoke = again.mic.sent[0]
    plane.send(StopRecording("host", "ada"))
    await plane.close()
    whole = decode(path)
    late = [t for t in onsets(whole, quiet=0.8) if t > killed - origin]
    assert late[0] >= spoke + first_word(speech) - origin - PACKET
    assert late[0] == pytest.approx(notices.of(VoiceActivityStarted)[-1].time - origin, abs=WINDOW)
    assert notices.of(PeerState)[-1].epoch == 2


async def test_commands_before_and_after_a_host_are_harmless(stage: Stage, tmp_path: Path) -> None:
    plane, notices = stage.plane, stage.notices
    plane.send(StartRecording("nowhere", "ada", tmp_path / "x.ogg", monotonic()))
    plane.send(StopRecording("nowhere", "bo"))
    plane.send(CloseHost("nowhere"))
    plane.send(OpenHost("host", HearingSettings()))
    plane.send(AddIceCandidate("host", "nobody", 1, "", None, None))
    plane.send(ClosePeer("host", "nobody"))
    plane.send(EndSpeech("nowhere", "marlin", "s"))
    plane.send(QueueAudio("nowhere", "marlin", "s", 0, tone(440, 0.1), RATE))
    assert not (await notices.wait(PlayoutEnded)).complete
