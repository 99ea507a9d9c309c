"""Opus packets into an Ogg file without encoding them again (RFC 7845, written by libavformat)."""

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
"""A page is on disk after at most two of these: what a killed process loses."""


class OggOpusWriter:
    """One mono Opus stream. Packets follow one another without gaps.

    A file that is there already (of a process that was killed) is continued: its packets
    are copied into the new file, which then takes its place.
    """

    def __init__(self, path: Path) -> None:
        """Raises OSError when the folder cannot be written, or what is there is a link or no file."""
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
        """Append packets; those that are not Opus are left out."""
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
        self._container.close()


def _made(path: Path) -> int:
    """The size of a regular file that is there afterwards; libavformat would follow a link."""
    handle = open_file(path, os.O_RDWR | os.O_CREAT)
    try:
        return os.fstat(handle).st_size
    finally:
        os.close(handle)


def read_packets(source: Path | BinaryIO) -> list[bytes]:
    """The packets of an Ogg Opus file, up to where it was torn off; empty when unreadable.

    Whatever else it is stays unread: libavformat would open the files that a playlist names.
    """
    packets: list[bytes] = []
    try:
        with av.open(str(source) if isinstance(source, Path) else source, "r", format="ogg") as container:
            packets.extend(bytes(packet) for packet in container.demux(audio=0) if packet.size)
    except (av.FFmpegError, IndexError):
        pass
    return packets
