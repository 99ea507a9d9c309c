"""Measure our server from outside over WebRTC: probe.py URL FOLDER --sessions N --turns N --pid PID ...

FOLDER has question.wav, and what `--pauses` and `--sounds` need: first.wav, second.wav and backchannel.wav.

Prints one JSON object. All times are milliseconds on one clock of this process.

- voice to voice: the frame with the last speech sample is handed to the sender, to the arrival of the
  first packet with sound of the answer.
- barge-in: the first speech frame is handed over while the agent talks, to the end of its last packet with
  the old answer's pitch.
- early: turns out of `--pauses` that were answered in the pause of 150 ms inside the sentence.
- sounds: each of noise, cough and "uh-huh" made `--sounds` times over an answer: what became of that answer.
- underruns: packets of an answer that a browser with a playout buffer of 60 ms could not play.
- CPU: seconds of the server (`control`) and of its child processes (`media`) per session and second.

The microphone is encoded beforehand, and packets are taken before aiortc's jitter buffer: neither the
probe's encoder nor its 80 ms of buffer are in the figures.
"""

from __future__ import annotations

import argparse
import asyncio
import fractions
import json
import statistics
import sys
import time
import urllib.parse
import urllib.request
from dataclasses import asdict
from pathlib import Path
from typing import Any

import av
import numpy as np
import psutil
from aiortc import RTCConfiguration, RTCPeerConnection
from aiortc.mediastreams import MediaStreamTrack
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parent))
from heard import FRAME, PTIME, RATE, Disturbance, Sound, disturbance, underruns
from lobby_call import LobbyCall
from sounds import cough, paused, pink, speech
from zero_cost import PITCHES, TRANSCRIPT

LOUD = 0.02
PAUSE = 0.15
LONG = 8.0
"""Seconds of the answers that are interrupted."""
clock = time.perf_counter


def encode(pcm: NDArray[np.float32]) -> list[bytes]:
    codec: Any = av.CodecContext.create("libopus", "w")
    codec.bit_rate, codec.format, codec.layout, codec.sample_rate = 48_000, "s16", "mono", RATE
    codec.options = {"application": "voip"}
    packets: list[bytes] = []
    for begin in range(0, len(pcm), FRAME):
        samples = (pcm[begin : begin + FRAME] * 32767).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
        frame.sample_rate, frame.pts = RATE, begin
        packets += [bytes(packet) for packet in codec.encode(frame)]
    return packets


class Microphone(MediaStreamTrack):
    """Noise, and a sentence when told so; `first` and `last` are when its ends were handed over."""

    kind = "audio"

    def __init__(self, noise: list[bytes], sentence: list[bytes]) -> None:
        super().__init__()
        self._noise, self._question, self._sentence = noise, sentence, sentence
        self._origin, self._sent, self._said = 0.0, 0, len(sentence)
        self.first = self.last = 0.0
        self._done = asyncio.Event()

    async def say(self, sentence: list[bytes] | None = None) -> None:
        """The question, or something else; returns when its last frame was handed over."""
        self._sentence = sentence or self._question
        self._done.clear()
        self._said = 0
        await self._done.wait()

    async def recv(self) -> Any:
        self._origin = self._origin or clock()
        await asyncio.sleep(max(0.0, self._origin + self._sent * PTIME - clock()))
        speaking = self._said < len(self._sentence)
        data = self._sentence[self._said] if speaking else self._noise[self._sent % len(self._noise)]
        if speaking:
            self.first = clock() if self._said == 0 else self.first
            self._said += 1
            if self._said == len(self._sentence):
                self.last = clock()
                self._done.set()
        packet: Any = av.Packet(data)
        packet.pts, packet.time_base = self._sent * FRAME, fractions.Fraction(1, RATE)
        self._sent += 1
        return packet


class Session:
    """One person in a lobby of their own with `agents` agents, of whom one answers."""

    def __init__(self, url: str, noise: list[bytes], sentence: list[bytes], agents: int) -> None:
        self.call, self.mic = LobbyCall(url, agents), Microphone(noise, sentence)
        self.heard: list[Sound] = []
        """Packets with sound."""
        self.v2v: list[float] = []
        self.barge: list[float] = []
        self.early = self.missed = self.underruns = self.paused_early = 0
        self.answers = 0

    async def connect(self) -> None:
        self.pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.pc.addTrack(self.mic)
        decoder: Any = av.CodecContext.create("libopus", "r")
        decoder.format, decoder.layout, decoder.sample_rate = "s16", "mono", RATE

        async def arrived(packet: Any, arrival_time_ms: int) -> None:
            now = clock()
            for frame in decoder.decode(av.Packet(packet.payload)) if packet.payload else ():
                pcm = frame.to_ndarray().reshape(-1).astype(np.float32) / 32768
                if len(pcm) and np.sqrt((pcm**2).mean()) > LOUD:
                    turn = np.exp(-2j * np.pi * np.arange(len(pcm)) / RATE * np.array(PITCHES)[:, None])
                    self.heard.append(Sound(now, int(np.abs(turn @ pcm).argmax()), packet.timestamp))

        self.pc.getTransceivers()[0].receiver._handle_rtp_packet = arrived
        await self.call.connect(self.pc)
        async with asyncio.timeout(20):
            while self.pc.connectionState != "connected":
                await asyncio.sleep(0.01)

    async def quiet(self, seconds: float) -> None:
        while self.heard and clock() - self.heard[-1].at < seconds:
            await asyncio.sleep(0.02)

    async def answer(self, since: float, patience: float = 8) -> Sound | None:
        while clock() - since < patience:
            found = next((sound for sound in self.heard if sound.at > since), None)
            if found:
                return found
            await asyncio.sleep(0.005)
        return None

    async def turn(self) -> None:
        await self.quiet(0.6)
        await self.mic.say()
        found = await self.answer(self.mic.first, 12)
        if found is None:
            self.missed += 1
        elif found.at < self.mic.last:
            self.early += 1
        else:
            self.v2v.append((found.at - self.mic.last) * 1000)
            await self.quiet(0.4)
            self.answers += 1
            self.underruns += underruns([sound for sound in self.heard if sound.at >= found.at])

    async def pause(self, sentence: list[bytes]) -> None:
        """A question with a pause in it: whoever answers in the pause was too early."""
        await self.quiet(0.6)
        count = len(self.heard)
        await self.mic.say(sentence)
        self.paused_early += len(self.heard) > count
        if await self.answer(self.mic.last) is None:
            self.missed += 1

    async def disturb(self, sound: list[bytes], text: str) -> Disturbance | None:
        """Make a sound that is understood as `text` while the agent talks; None when it never did."""
        await self.quiet(1.0)
        await self.mic.say()
        found = await self.answer(self.mic.last)
        if found is None:
            self.missed += 1
            return None
        await control(self.call.url, f"stt?text={urllib.parse.quote(text)}")
        await asyncio.sleep(1.5)
        await self.mic.say(sound)
        begun = self.mic.first
        await asyncio.sleep(LONG - 1.5)
        await self.quiet(1.5)
        answer = [heard for heard in self.heard if heard.at >= found.at and heard.pitch == found.pitch]
        return disturbance(answer, begun, LONG)

    async def interrupt(self) -> None:
        await self.quiet(0.6)
        await self.mic.say()
        found = await self.answer(self.mic.last)
        if found is None:
            self.missed += 1
            return
        await asyncio.sleep(1.2)
        await self.mic.say()
        old = [heard.at for heard in self.heard if heard.at >= found.at and heard.pitch == found.pitch]
        self.barge.append((old[-1] + PTIME - self.mic.first) * 1000)
        await self.answer(self.mic.last)  # to the interruption; it plays on into the next `quiet`

    async def close(self) -> None:
        await self.call.close()
        await self.pc.close()


def cpu(server: psutil.Process) -> tuple[float, float]:
    """CPU seconds so far of the server's own process and of its children."""
    own = server.cpu_times()
    children = [child.cpu_times() for child in server.children(recursive=True)]
    return own.user + own.system, sum(times.user + times.system for times in children)


async def control(url: str, what: str) -> None:
    """Set the models that cost nothing to something else."""
    request = urllib.request.Request(f"{url}/stub/{what}", method="POST")
    await asyncio.to_thread(lambda: urllib.request.urlopen(request, timeout=5).read())


async def streams(url: str) -> int:
    """How many utterances were given to a recogniser so far."""
    request = f"{url}/stub/streams"
    answer = await asyncio.to_thread(lambda: urllib.request.urlopen(request, timeout=5).read())
    return int(json.loads(answer)["streams"])


async def disturb_all(a: argparse.Namespace, session: Session) -> dict[str, list[dict[str, bool]]]:
    """Each sound, by its name, and what a recogniser makes of it."""
    sounds = {
        "noise": (encode(pink()), ""),
        "cough": (encode(cough()), ""),
        "backchannel": (encode(speech(Path(a.folder) / "backchannel.wav")), "uh-huh"),
    }
    seen: dict[str, list[dict[str, bool]]] = {}
    for name, (sound, text) in sounds.items():
        for _ in range(a.sounds):
            what = await session.disturb(sound, text)
            await control(a.url, f"stt?text={urllib.parse.quote(TRANSCRIPT)}")
            if what is not None:
                seen.setdefault(name, []).append(asdict(what))
    return seen


async def main(a: argparse.Namespace) -> dict[str, Any]:
    rng = np.random.default_rng(1)
    folder = Path(a.folder)
    noise = encode(rng.normal(0, 8e-4, 100 * FRAME).astype(np.float32))
    sentence = encode(speech(folder / "question.wav"))
    server = psutil.Process(a.pid)
    sessions = [Session(a.url, noise, sentence, a.agents) for _ in range(a.sessions)]
    for session in sessions:
        await session.connect()
    await asyncio.sleep(2.0)  # a greeting may begin

    async def talk(session: Session) -> None:
        for _ in range(a.turns):
            await session.turn()

    async def barge(session: Session) -> None:
        for _ in range(a.barges):
            await session.interrupt()

    asked = await streams(a.url)
    before, began, own = cpu(server), clock(), time.process_time()
    await asyncio.gather(*map(talk, sessions))
    spent, seconds = [b - c for b, c in zip(cpu(server), before, strict=True)], clock() - began
    own = time.process_time() - own
    asked = await streams(a.url) - asked
    if a.pauses:
        halves = [speech(folder / name) for name in ("first.wav", "second.wav")]
        hesitating = encode(paused(*halves, PAUSE))
        for _ in range(a.pauses):
            await sessions[0].pause(hesitating)
    if a.barges or a.sounds:
        await control(a.url, f"tts?seconds={LONG}")
    await asyncio.gather(*map(barge, sessions))
    sounds = await disturb_all(a, sessions[0]) if a.sounds else {}
    for session in sessions:
        await session.close()
    return {
        "v2v_ms": [value for session in sessions for value in session.v2v],
        "barge_ms": [value for session in sessions for value in session.barge],
        "early": sum(session.early for session in sessions),
        "missed": sum(session.missed for session in sessions),
        "paused_early": sum(session.paused_early for session in sessions),
        "sounds": sounds,
        "underruns": sum(session.underruns for session in sessions),
        "answers": sum(session.answers for session in sessions),
        "streams_per_question": asked / max(1, a.sessions * a.turns),
        "control_cpu": spent[0] / seconds / a.sessions,
        "media_cpu": spent[1] / seconds / a.sessions,
        "rss_mb": sum(p.memory_info().rss for p in (server, *server.children(recursive=True))) / 1e6,
        "probe_cpu": own / seconds,
        "sentence_s": statistics.fmean([len(sentence) * PTIME]),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("folder")
    counts = {"sessions": 1, "agents": 1, "turns": 5, "barges": 0, "pauses": 0, "sounds": 0, "pid": 0}
    for option, default in counts.items():
        parser.add_argument(f"--{option}", type=int, default=default)
    print(json.dumps(asyncio.run(main(parser.parse_args()))))
