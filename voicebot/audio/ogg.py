"""Writes Opus packets to an Ogg file without encoding them again (RFC 7845, with libavformat)."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

import av

from voicebot.audio.frames import OPUS_RATE, TIME_BASE
from voicebot.audio.opus import packet_samples
from voicebot.folders import make_folder, open_file

PAGE_MICROSECONDS = 200_000
"""Length of a page. A killed process loses at most two pages."""


class OggOpusWriter:
    """Writes one mono Opus stream, without gaps.

    An existing file (of a killed process) is continued: its packets are copied to a new file, which then
    replaces it.
    """

    def __init__(self, path: Path) -> None:
        """Raises OSError if the folder cannot be written, or if the path is a link or no regular file."""
        self.path = path
        self.samples = 0
        """Samples written, at `OPUS_RATE`."""
        make_folder(path.parent)
        old = read_packets(path) if _made(path) else []
        target = path.with_name(path.name + ".part") if old else path
        _made(target)
        self._container = av.open(
            str(target),
            "w",
            format="ogg",
            options={"page_duration": str(PAGE_MICROSECONDS), "flush_packets": "1"},
        )
        self._stream = self._container.add_stream("libopus", rate=OPUS_RATE, layout="mono")
        self._stream.time_base = TIME_BASE
        self._container.start_encoding()
        if old:
            self.write(old)
            os.replace(target, path)

    def write(self, payloads: Iterable[bytes]) -> None:
        """Append packets. Those that are not Opus are ignored."""
        for payload in payloads:
            samples = packet_samples(payload)
            if not samples:
                continue
            packet = av.Packet(payload)
            packet.stream = self._stream
            packet.time_base = TIME_BASE
            packet.pts = packet.dts = self.samples
            packet.duration = samples
            self._container.mux(packet)
            self.samples += samples

    def close(self) -> None:
        """Finish the file."""
        self._container.close()


def _made(path: Path) -> int:
    """Make sure that there is a regular file, because libavformat would follow a link; returns its size."""
    handle = open_file(path, os.O_RDWR | os.O_CREAT)
    try:
        return os.fstat(handle).st_size
    finally:
        os.close(handle)


def read_packets(source: Path | BinaryIO) -> list[bytes]:
    """The packets of an Ogg Opus file, which may be truncated; empty if it is unreadable.

    Other formats are not read, because libavformat would open the files that a playlist names.
    """
    packets: list[bytes] = []
    try:
        with av.open(str(source) if isinstance(source, Path) else source, "r", format="ogg") as container:
            packets.extend(bytes(packet) for packet in container.demux(audio=0) if packet.size)
    except (av.FFmpegError, IndexError):
        pass
    return packets
