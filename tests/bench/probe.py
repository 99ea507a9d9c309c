"""Measure our server from outside over WebRTC: probe.py URL WAV --sessions N --turns N --barges N --pid PID.

Prints one JSON object. All times are milliseconds on one clock of this process.

- voice to voice: the frame with the last speech sample is handed to the sender, to the arrival of the
  first packet with sound of the answer.
- barge-in: the first speech frame is handed over while the agent talks, to the end of its last packet with
  the old answer's pitch.
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
import urllib.request
import wave
from pathlib import Path
from typing import Any

import av
import numpy as np
import psutil
import soxr
from aiortc import RTCConfiguration, RTCPeerConnection
from aiortc.mediastreams import MediaStreamTrack
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parent))
from lobby_call import LobbyCall
from zero_cost import PITCHES

RATE, FRAME, PTIME = 48_000, 960, 0.02
LOUD = 0.02
clock = time.perf_counter


def speech(path: str) -> NDArray[np.float32]:
    """The WAV's speech at 48 kHz, without the silence around it, ending on a frame."""
    with wave.open(path) as file:
        pcm = np.frombuffer(file.readframes(file.getnframes()), np.int16).astype(np.float32)
        pcm = soxr.resample(pcm.reshape(-1, file.getnchannels()).mean(axis=1), file.getframerate(), RATE)
    pcm *= 0.7 / np.abs(pcm).max()
    levels = np.sqrt((pcm[: len(pcm) // 480 * 480].reshape(-1, 480) ** 2).mean(axis=1))
    loud = np.flatnonzero(levels > levels.max() / 18)  # 25 dB below the loudest 10 ms
    pcm = pcm[loud[0] * 480 : (loud[-1] + 1) * 480]
    return np.concatenate([np.zeros(-len(pcm) % FRAME, np.float32), pcm]).astype(np.float32)


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
        self._noise, self._sentence = noise, sentence
        self._origin, self._sent, self._said = 0.0, 0, len(sentence)
        self.first = self.last = 0.0
        self._done = asyncio.Event()

    async def say(self) -> None:
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
    """One person in a lobby of their own. `heard` holds (arrival, pitch index) of packets with sound."""

    def __init__(self, url: str, noise: list[bytes], sentence: list[bytes]) -> None:
        self.call, self.mic = LobbyCall(url), Microphone(noise, sentence)
        self.heard: list[tuple[float, int]] = []
        self.v2v: list[float] = []
        self.barge: list[float] = []
        self.early = self.missed = 0

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
                    self.heard.append((now, int(np.abs(turn @ pcm).argmax())))

        self.pc.getTransceivers()[0].receiver._handle_rtp_packet = arrived
        await self.call.connect(self.pc)
        async with asyncio.timeout(20):
            while self.pc.connectionState != "connected":
                await asyncio.sleep(0.01)

    async def quiet(self, seconds: float) -> None:
        while self.heard and clock() - self.heard[-1][0] < seconds:
            await asyncio.sleep(0.02)

    async def answer(self, since: float, patience: float = 8) -> tuple[float, int] | None:
        while clock() - since < patience:
            found = next((sound for sound in self.heard if sound[0] > since), None)
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
        elif found[0] < self.mic.last:
            self.early += 1
        else:
            self.v2v.append((found[0] - self.mic.last) * 1000)

    async def interrupt(self) -> None:
        await self.quiet(0.6)
        await self.mic.say()
        found = await self.answer(self.mic.last)
        if found is None:
            self.missed += 1
            return
        await asyncio.sleep(1.2)
        await self.mic.say()
        old = [at for at, pitch in self.heard if at >= found[0] and pitch == found[1]]
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


async def main(a: argparse.Namespace) -> dict[str, Any]:
    rng = np.random.default_rng(1)
    noise = encode(rng.normal(0, 8e-4, 100 * FRAME).astype(np.float32))
    sentence = encode(speech(a.wav))
    server = psutil.Process(a.pid)
    sessions = [Session(a.url, noise, sentence) for _ in range(a.sessions)]
    for session in sessions:
        await session.connect()
    await asyncio.sleep(2.0)  # a greeting may begin

    async def talk(session: Session) -> None:
        for _ in range(a.turns):
            await session.turn()

    async def barge(session: Session) -> None:
        for _ in range(a.barges):
            await session.interrupt()

    before, began = cpu(server), clock()
    await asyncio.gather(*map(talk, sessions))
    spent, seconds = [b - c for b, c in zip(cpu(server), before, strict=True)], clock() - began
    if a.barges:
        request = urllib.request.Request(f"{a.url}/stub/tts?seconds=8", method="POST")
        await asyncio.to_thread(lambda: urllib.request.urlopen(request, timeout=5).read())
        await asyncio.gather(*map(barge, sessions))
    for session in sessions:
        await session.close()
    return {
        "v2v_ms": [value for session in sessions for value in session.v2v],
        "barge_ms": [value for session in sessions for value in session.barge],
        "early": sum(session.early for session in sessions),
        "missed": sum(session.missed for session in sessions),
        "control_cpu": spent[0] / seconds / a.sessions,
        "media_cpu": spent[1] / seconds / a.sessions,
        "rss_mb": sum(p.memory_info().rss for p in (server, *server.children(recursive=True))) / 1e6,
        "sentence_s": statistics.fmean([len(sentence) * PTIME]),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("wav")
    for option, default in (("--sessions", 1), ("--turns", 5), ("--barges", 0), ("--pid", 0)):
        parser.add_argument(option, type=int, default=default)
    print(json.dumps(asyncio.run(main(parser.parse_args()))))
