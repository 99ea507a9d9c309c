"""The C interface of libopus, which PyAV's wheel contains.

A decoder may run at 16 kHz mono, which is what hearing needs, without decoding higher frequencies and
resampling. The system's library is used if PyAV has none of its own. `Decoder` and `Encoder` raise
OSError if there is neither; `voicebot.audio.opus` then uses PyAV.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import weakref
from functools import cache
from pathlib import Path
from typing import Any

import av
import numpy as np

from voicebot.audio.frames import EMPTY, OPUS_RATE, Pcm

# opus_defines.h
VOIP, LOW_DELAY = 2048, 2051
_SET_BITRATE, _SET_VBR_CONSTRAINT, _SET_COMPLEXITY = 4002, 4020, 4010
_LARGEST = 1500
"""Bytes of a packet, more than 20 ms of speech ever need."""
_LONGEST = 120
"""The most milliseconds in a packet."""


@cache
def library() -> Any:
    """Load the library once. Raises OSError if there is none."""
    folders = (Path(av.__file__).parents[1] / "av.libs", Path(av.__file__).parent / ".dylibs")
    found = [str(path) for folder in folders for path in sorted(folder.glob("libopus*"))]
    name = found[0] if found else ctypes.util.find_library("opus")
    if name is None:
        raise OSError("there is no libopus")
    lib: Any = ctypes.CDLL(name)
    pointer, whole = ctypes.c_void_p, ctypes.c_int
    lib.opus_decoder_create.restype = lib.opus_encoder_create.restype = pointer
    lib.opus_decoder_create.argtypes = [whole, whole, pointer]
    lib.opus_encoder_create.argtypes = [whole, whole, whole, pointer]
    lib.opus_decoder_destroy.argtypes = lib.opus_encoder_destroy.argtypes = [pointer]
    lib.opus_decode.argtypes = [pointer, ctypes.c_char_p, whole, pointer, whole, whole]
    lib.opus_encode.argtypes = [pointer, pointer, whole, pointer, whole]
    lib.opus_encoder_ctl.argtypes = [pointer, whole]  # the rest is variadic
    return lib


class Decoder:
    """Decodes the packets of one stream to mono int16 at `rate` Hz (8, 12, 16, 24 or 48 kHz)."""

    def __init__(self, rate: int) -> None:
        lib = library()
        self._decode = lib.opus_decode
        self._state = lib.opus_decoder_create(rate, 1, None)
        if not self._state:
            raise OSError(f"no Opus decoder at {rate} Hz")
        self._free = weakref.finalize(self, lib.opus_decoder_destroy, self._state)
        self._buffer = np.zeros(rate * _LONGEST // 1000, np.int16)
        self._at = self._buffer.ctypes.data
        self._room = len(self._buffer)

    def decode(self, payload: bytes) -> Pcm:
        """The samples of a packet, shape (n,); empty if it cannot be decoded."""
        count = self._decode(self._state, payload, len(payload), self._at, self._room, 0) if payload else 0
        return self._buffer[:count].copy() if count > 0 else EMPTY


class Encoder:
    """Encodes mono int16 at 48 kHz to packets of one stream."""

    def __init__(self, application: int, bit_rate: int, complexity: int) -> None:
        lib = library()
        self._encode = lib.opus_encode
        self._state = lib.opus_encoder_create(OPUS_RATE, 1, application, None)
        if not self._state:
            raise OSError("no Opus encoder")
        self._free = weakref.finalize(self, lib.opus_encoder_destroy, self._state)
        settings = {_SET_BITRATE: bit_rate, _SET_VBR_CONSTRAINT: 0, _SET_COMPLEXITY: complexity}
        for request, value in settings.items():
            lib.opus_encoder_ctl(self._state, request, ctypes.c_int(value))
        self._out = ctypes.create_string_buffer(_LARGEST)

    def encode(self, pcm: Pcm) -> bytes:
        """A packet of 2.5, 5, 10 or 20 ms. Raises ValueError for other lengths."""
        pcm = np.ascontiguousarray(pcm)
        count = self._encode(self._state, pcm.ctypes.data, len(pcm), self._out, _LARGEST)
        if count <= 0:
            raise ValueError(f"{len(pcm)} samples are not a frame that Opus can encode")
        return self._out.raw[:count]
