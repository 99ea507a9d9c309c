"""Raw recordings: the original Opus packets, one file per participant, aligned to a clock.

The loop only hands packets over. One thread places and writes them, so a slow disk never delays audio.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import av

from voicebot.audio.frames import FRAME_SAMPLES, OPUS_RATE
from voicebot.audio.ogg import OggOpusWriter
from voicebot.audio.opus import silence_packets

log = logging.getLogger(__name__)

SLACK = FRAME_SAMPLES
"""Samples (20 ms) by which a stream may be off before it is corrected, because a correction clicks."""
WRITE_EVERY = 0.2
SETTLED = 5.0
"""Seconds after which no earlier packet can arrive any more, so that silence is written.

It is longer than the worker may stall, because packets from a stall are read after the next `tick`.
"""

OnFailed = Callable[[str, str, Path, str], None]
"""Called on the recorder's thread with host, participant, path and reason."""


class Timeline:
    """Decides what goes between packets, so that sample `n` of the file is time n / 48000. Pure.

    `written` is the length of the file in 48 kHz samples.
    """

    def __init__(self, written: int = 0) -> None:
        self.written = written

    def place(self, position: int, samples: int) -> list[bytes] | None:
        """The packets of silence to write before a packet at sample `position`; None to drop the packet.

        `samples` is the length of the packet. Both count at 48 kHz.
        """
        gap = position - self.written
        if gap <= -SLACK or position + samples <= 0:
            return None
        fill = silence_packets(gap) if gap >= SLACK else []
        self.written += (gap + 60) // 120 * 120 if fill else 0
        self.written += samples
        return fill

    def pad(self, position: int) -> list[bytes]:
        """The packets of silence up to sample `position`, before which no more packets will come."""
        gap = (position - self.written) // 120 * 120
        if gap < SLACK:
            return []
        self.written += gap
        return silence_packets(gap)


@dataclass
class _Track:
    host_id: str
    participant_id: str
    path: Path
    origin: float
    packets: list[tuple[bytes, float, int]] = field(default_factory=list)
    """Payload, clock time of the first sample and samples of the packets that were not handed over yet."""
    # used by the thread only
    writer: OggOpusWriter | None = None
    timeline: Timeline = field(default_factory=Timeline)
    failed: bool = False

    def collect(self) -> list[tuple[bytes, float, int]]:
        """Take the packets since the last call."""
        packets, self.packets = self.packets, []
        return packets

    def position(self, time: float) -> int:
        """The sample at a clock time."""
        return round((time - self.origin) * OPUS_RATE)


class Recorder:
    """All recordings of one media process."""

    def __init__(self, on_failed: OnFailed) -> None:
        self._on_failed = on_failed
        self._tracks: dict[tuple[str, str], _Track] = {}
        self._work: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._next_write = 0.0

    # ------------------------------------------------------------ on the loop

    def start(self, host_id: str, participant_id: str, path: Path, origin: float, now: float) -> None:
        """Begin a recording at clock time `now`, or continue if it is the same file."""
        before = self._tracks.get((host_id, participant_id))
        if before is not None and (before.path, before.origin) == (path, origin) and not before.failed:
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
            self._thread.start()
        self.stop(host_id, participant_id, now)
        track = self._tracks[host_id, participant_id] = _Track(host_id, participant_id, path, origin)
        self._work.put(lambda: self._open(track))

    def packet(self, host_id: str, participant_id: str, payload: bytes, time: float, samples: int) -> None:
        """Record one packet; `time` is the clock time of its first sample, `samples` its length at 48 kHz."""
        track = self._tracks.get((host_id, participant_id))
        if track is not None:
            track.packets.append((payload, time, samples))

    def tick(self, now: float) -> None:
        """Hand the collected packets over to the thread. Called regularly, with clock time `now`."""
        if now < self._next_write:
            return
        self._next_write = now + WRITE_EVERY
        if self._tracks:  # the thread wakes once for all of them
            batch = [(track, track.collect()) for track in self._tracks.values()]

            def write() -> None:
                for track, packets in batch:
                    self._write(track, packets, now - SETTLED)

            self._work.put(write)

    def stop(self, host_id: str, participant_id: str, now: float) -> None:
        """End a recording at clock time `now`."""
        track = self._tracks.pop((host_id, participant_id), None)
        if track is not None:
            packets = track.collect()
            self._work.put(lambda: self._write(track, packets, now))
            self._work.put(lambda: self._close(track))

    def stop_host(self, host_id: str, now: float) -> None:
        """End all recordings of a host at clock time `now`."""
        for host, participant_id in list(self._tracks):
            if host == host_id:
                self.stop(host, participant_id, now)

    def finish(self) -> None:
        """Wait until everything is written. Blocks; the recorder cannot be used afterwards."""
        if self._thread is not None:
            self._work.put(None)
            self._thread.join()
            self._thread = None

    # ------------------------------------------------------------ on the thread

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            work()

    def _open(self, track: _Track) -> None:
        with self._failing(track):
            track.writer = OggOpusWriter(track.path)
            track.timeline = Timeline(track.writer.samples)

    def _write(self, track: _Track, packets: list[tuple[bytes, float, int]], quiet_until: float) -> None:
        if track.writer is None or track.failed:
            return
        out: list[bytes] = []
        for payload, time, samples in packets:
            fill = track.timeline.place(track.position(time), samples)
            if fill is not None:
                out += fill
                out.append(payload)
        out += track.timeline.pad(track.position(quiet_until))
        if out:
            with self._failing(track):
                track.writer.write(out)

    def _close(self, track: _Track) -> None:
        if track.writer is not None:
            with self._failing(track):
                track.writer.close()

    @contextlib.contextmanager
    def _failing(self, track: _Track) -> Iterator[None]:
        try:
            yield
        except (OSError, av.FFmpegError) as error:
            if not track.failed:
                track.failed = True
                log.error("the recording %s has stopped: %s", track.path, error)
                self._on_failed(track.host_id, track.participant_id, track.path, str(error))
