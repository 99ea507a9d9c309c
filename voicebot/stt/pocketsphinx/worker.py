"""The program of a PocketSphinx worker process: utterances go in, transcripts come out.

PocketSphinx holds the GIL while it decodes, so it must not share a process with an event loop. The program
is started by path, not as a package module, so that it imports only the decoder. Its standard input is a
socket; it ends when the socket closes.

A message is `kind` (1 byte), utterance number (4), length (4) and that many bytes. A live pass gives interim
results. The final result comes from a second pass over the whole segment: cepstral means from the segment
itself instead of a guess cut the word error rate of test speech from 25 % to 3 %. That pass starts at the
first short pause or when a draft is wanted; if that was the end, its result is ready.
"""

from __future__ import annotations

import contextlib
import json
import math
import select
import signal
import socket
import struct
import sys
from collections import deque
from collections.abc import Iterator
from typing import Any

HEADER = struct.Struct("!cII")
BEGIN, AUDIO, DRAFT, FINISH, CANCEL = b"B", b"A", b"D", b"F", b"C"
READY, PARTIAL, DRAFTED, FINAL, FAILED = b"R", b"P", b"D", b"F", b"E"

RATE = 16_000
FRAMES_PER_SECOND = 100
SLICE = RATE // 5 * 2
"""Bytes (0.2 s) decoded between two checks of the socket, so that a cancel is noticed soon."""
SEGMENT_AT_PAUSE = 10 * RATE * 2
SEGMENT_ANYWAY = 20 * RATE * 2
"""Bytes of a segment; long utterances are finalised in segments to bound memory and delay."""
PAUSE_FRAMES = 20
QUIETEST = 40
"""Peak (-58 dBFS) below which a segment holds no speech."""

LEVEL_WINDOW = RATE // 100 * 2
"""Bytes of 10 ms, the unit of `Level`."""
PAUSE = 0.15
"""Seconds of silence after which the accurate pass runs without being requested."""
DROP = 10 ** (-30 / 20)
"""Silence is this far (30 dB) below the loudest 10 ms heard; the quietest fricatives are louder."""

Word = tuple[str, float, float, float]
Message = tuple[bytes, int, bytes]


def seconds(size: int) -> float:
    """Duration of this many bytes of audio."""
    return size / 2 / RATE


def audible(pcm: bytes) -> bool:
    """Whether it is more than digital silence, whose cepstral means are NaN and spoil the decoder."""
    samples = memoryview(pcm).cast("h")
    return len(samples) > 0 and max(max(samples), -min(samples)) >= QUIETEST


class Level:
    """Measures how long the newest audio has been silent, compared with the loudest part before it."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._loudest = 0.0
        self.silence = 0.0
        """Seconds, in whole windows."""

    def add(self, pcm: bytes) -> None:
        self._rest += pcm
        whole = len(self._rest) // LEVEL_WINDOW * LEVEL_WINDOW
        for start in range(0, whole, LEVEL_WINDOW):
            samples = memoryview(bytes(self._rest[start : start + LEVEL_WINDOW])).cast("h")
            rms = math.sqrt(sum(x * x for x in samples) / len(samples))
            self._loudest = max(self._loudest, rms)
            quiet = rms < max(QUIETEST / 2, self._loudest * DROP)
            self.silence = self.silence + seconds(LEVEL_WINDOW) if quiet else 0.0
        del self._rest[:whole]

    @property
    def heard(self) -> bool:
        """Whether anything was loud enough to be speech."""
        return self._loudest >= QUIETEST


class Wire:
    """Framed messages over a socket."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._buffer = bytearray()
        self._inbox: deque[Message] = deque()

    def send(self, kind: bytes, utterance: int, payload: bytes = b"") -> None:
        self._sock.sendall(HEADER.pack(kind, utterance, len(payload)) + payload)

    def receive(self) -> Iterator[Message]:
        """Yield messages until the other side closes the socket."""
        while True:
            self.poll(block=not self._inbox)
            yield self._inbox.popleft()

    def poll(self, *, block: bool = False) -> None:
        """Read what has arrived; with `block`, wait for at least one complete message."""
        while block or select.select([self._sock], [], [], 0)[0]:
            data = self._sock.recv(1 << 18)
            if not data:
                raise EOFError
            self._buffer += data
            while len(self._buffer) >= HEADER.size:
                kind, utterance, length = HEADER.unpack_from(self._buffer)
                end = HEADER.size + length
                if len(self._buffer) < end:
                    break
                self._inbox.append((kind, utterance, bytes(self._buffer[HEADER.size : end])))
                del self._buffer[:end]
            block = block and not self._inbox

    def waiting(self, utterance: int, *kinds: bytes) -> bool:
        """Whether a message of one of `kinds` is waiting for `utterance`."""
        self.poll()
        return any(kind in kinds and number == utterance for kind, number, _ in self._inbox)


class Transcriber:
    """One decoder and its current utterance."""

    def __init__(self, decoder: Any) -> None:
        self._decoder = decoder
        self._means = ""
        self._reset()

    def _reset(self) -> None:
        self._pending = bytearray()
        self._segment = bytearray()
        self._words: list[Word] = []
        self._offset = 0.0
        self._live = False
        self._live_from = 0
        self._level = Level()
        self._early: list[Word] = []
        """Result of the accurate pass over the first `_early_to` bytes of the segment."""
        self._early_to = 0

    def begin(self) -> None:
        self.abandon()
        self._reset()

    def add(self, pcm: bytes) -> None:
        self._pending += pcm
        self._level.add(pcm)

    @property
    def behind(self) -> bool:
        """Whether there is a slice to decode. Less than a slice, and silence after a pass, can wait."""
        return len(self._pending) >= SLICE and not self._anticipated

    @property
    def paused(self) -> bool:
        """Whether silence has followed speech that still needs its accurate pass."""
        return self._level.heard and self._level.silence >= PAUSE and not self._anticipated

    @property
    def _anticipated(self) -> bool:
        """Whether the early result lacks only silence."""
        missing = len(self._segment) + len(self._pending) - self._early_to
        return self._early_to > 0 and seconds(missing) <= self._level.silence

    def advance(self) -> None:
        """Decode one slice of the added audio."""
        piece = bytes(self._pending[:SLICE])
        del self._pending[:SLICE]
        if not self._live:
            self._start_live()
        self._segment += piece
        self._decoder.process_raw(piece, False, False)
        if len(self._segment) >= SEGMENT_ANYWAY or (
            len(self._segment) >= SEGMENT_AT_PAUSE and self._in_pause()
        ):
            self._finalise_segment()

    def anticipate(self) -> None:
        """Run the accurate pass over the segment so far; it is repeated at the end if speech continues."""
        self._take_pending()
        self.abandon()
        self._early = self._decode(bytes(self._segment))
        self._early_to = len(self._segment)

    def draft(self) -> list[Word]:
        """Return what `finish` would return. The utterance continues."""
        if self._level.heard and not self._anticipated:
            self.anticipate()
        return self._words + self._early

    def partial(self) -> list[Word]:
        live = self._decoded(self._offset + seconds(self._live_from)) if self._live else []
        return self._words + self._early + live

    def finish(self) -> list[Word]:
        """Decode the rest and return all words of the utterance."""
        self._take_pending()
        self._finalise_segment()
        return self._words

    def abandon(self) -> None:
        if self._live:
            self._decoder.end_utt()
            self._live = False

    def _take_pending(self) -> None:
        """Move all added audio into the segment, or into several."""
        while self._pending:
            room = SEGMENT_ANYWAY - len(self._segment)
            self._segment += self._pending[:room]
            del self._pending[:room]
            if len(self._segment) >= SEGMENT_ANYWAY:
                self._finalise_segment()

    def _start_live(self) -> None:
        if self._means:  # the last speaker's means are the best guess for this one
            self._decoder.set_cmn(self._means)
        self._decoder.start_utt()
        self._live = True
        self._live_from = len(self._segment)  # everything before was decoded early

    def _finalise_segment(self) -> None:
        self.abandon()
        anticipated = self._anticipated
        audio, self._segment = bytes(self._segment), bytearray()
        self._words += self._early if anticipated else self._decode(audio)
        self._early, self._early_to = [], 0
        self._offset += seconds(len(audio))

    def _decode(self, audio: bytes) -> list[Word]:
        """The accurate pass."""
        if not audible(audio):
            return []
        self._decoder.reinit_feat(self._decoder.config)  # back from live to whole-segment means
        self._decoder.start_utt()
        try:
            self._decoder.process_raw(audio, False, True)
        finally:
            self._decoder.end_utt()
        self._means = self._decoder.get_cmn(False)
        return self._decoded(self._offset)

    def _in_pause(self) -> bool:
        if self._decoder.hyp() is None:
            return True
        last = list(self._decoder.seg())[-1]
        return last.word in ("<sil>", "</s>") and last.end_frame - last.start_frame >= PAUSE_FRAMES

    def _decoded(self, offset: float) -> list[Word]:
        if self._decoder.hyp() is None:
            return []
        words = []
        for part in self._decoder.seg():
            text = part.word.partition("(")[0]  # "a(2)" is a second pronunciation of "a"
            if text and text[0] not in "<[+":  # silence and noises
                start = offset + part.start_frame / FRAMES_PER_SECOND
                end = offset + (part.end_frame + 1) / FRAMES_PER_SECOND
                words.append((text, round(start, 3), round(end, 3), round(min(1.0, part.prob), 4)))
        return words


def serve(wire: Wire, transcriber: Transcriber) -> None:
    """Serve until the socket closes (EOFError)."""
    current = 0
    for kind, utterance, payload in wire.receive():
        if kind == BEGIN:
            current = utterance
            transcriber.begin()
        if utterance != current:
            continue
        try:
            if kind == AUDIO:
                transcriber.add(payload)
                # if the end is already here, the live pass would only delay the final one
                while transcriber.behind and not wire.waiting(current, AUDIO, DRAFT, FINISH, CANCEL):
                    transcriber.advance()
                    wire.send(PARTIAL, current, json.dumps(transcriber.partial()).encode())
                if transcriber.paused and not wire.waiting(current, AUDIO, DRAFT, FINISH, CANCEL):
                    transcriber.anticipate()
                    wire.send(PARTIAL, current, json.dumps(transcriber.partial()).encode())
            elif kind == DRAFT:
                wire.send(DRAFTED, current, json.dumps(transcriber.draft()).encode())
            elif kind == FINISH:
                wire.send(FINAL, current, json.dumps(transcriber.finish()).encode())
            elif kind == CANCEL:
                transcriber.begin()
        except RuntimeError as error:  # what the decoder raises
            wire.send(FAILED, current, str(error).encode())
            transcriber.begin()


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # interrupting a notebook cell interrupts its whole group
    wire = Wire(socket.socket(fileno=sys.stdin.fileno()))
    from pocketsphinx import Decoder

    transcriber = Transcriber(Decoder(samprate=RATE, loglevel="FATAL"))
    wire.send(READY, 0)
    with contextlib.suppress(EOFError, ConnectionError):
        serve(wire, transcriber)


if __name__ == "__main__":
    main()
