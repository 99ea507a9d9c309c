"""Call libespeak-ng through ctypes.

The library keeps its state in globals, so one lock serialises all calls. ctypes releases the GIL during a
call; a sentence takes a few milliseconds. Constants and signatures come from espeak-ng's `speak_lib.h`.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from voicebot.errors import MissingDependency, ModelFailed, ModelLoadError

AUDIO_OUTPUT_SYNCHRONOUS = 2
INITIALIZE_DONT_EXIT = 0x8000
CHARS_UTF8, END_PAUSE = 1, 0x1000
RATE, VOLUME, PITCH = 1, 2, 3
"""espeak_PARAMETER: words a minute, percent, 0 to 100 (50 is the voice's own)."""

WORD = 1
"""espeak_EVENT_TYPE: a word begins."""


class _Voice(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p),
        ("languages", ctypes.c_char_p),
        ("identifier", ctypes.c_char_p),
        ("gender", ctypes.c_ubyte),
        ("age", ctypes.c_ubyte),
        ("variant", ctypes.c_ubyte),
        ("reserved", ctypes.c_ubyte),
        ("score", ctypes.c_int),
        ("spare", ctypes.c_void_p),
    )


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", ctypes.c_char * 8),
    )


SynthCallback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


@dataclass(frozen=True)
class Mark:
    """A word begins at `sample` of the audio."""

    sample: int
    position: int
    """Characters of the text before the word."""


class EspeakLibrary:
    """The loaded library. There can be only one per process, so use `shared()`."""

    _shared: EspeakLibrary | None = None
    _lock = threading.Lock()

    def __init__(self) -> None:
        try:
            import espeakng_loader
        except ImportError as error:
            raise MissingDependency(
                "espeakng-loader is not installed.", hint="pip install espeakng-loader."
            ) from error
        try:
            self._lib = ctypes.CDLL(espeakng_loader.get_library_path())
            data = espeakng_loader.get_data_path().encode()
        except (OSError, RuntimeError) as error:
            raise ModelLoadError(
                f"libespeak-ng cannot be loaded: {error}.",
                hint="pip install --force-reinstall espeakng-loader.",
            ) from error
        self.sample_rate: int = self._lib.espeak_Initialize(
            AUDIO_OUTPUT_SYNCHRONOUS, 0, data, INITIALIZE_DONT_EXIT
        )
        if self.sample_rate <= 0:
            raise ModelLoadError(
                "espeak-ng cannot find its data.", hint="pip install --force-reinstall espeakng-loader."
            )
        self._chunks: list[NDArray[np.int16]] = []
        self._marks: list[Mark] = []
        self._cancelled: Callable[[], bool] = bool
        self._callback = SynthCallback(self._on_audio)  # must live as long as the library
        self._lib.espeak_SetSynthCallback(self._callback)
        self.voices = self._list_voices()
        """Voice identifiers ("gmw/en") by language code ("en-gb")."""

    @classmethod
    def shared(cls) -> EspeakLibrary:
        """The instance of this process. Blocks for a few milliseconds the first time."""
        with cls._lock:
            if EspeakLibrary._shared is None:
                EspeakLibrary._shared = cls()
            return EspeakLibrary._shared

    def synthesize(
        self,
        text: str,
        voice: str,
        cancelled: Callable[[], bool] = bool,
        *,
        words_per_minute: int = 175,
        pitch: int = 50,
    ) -> tuple[NDArray[np.int16], list[Mark]]:
        """The audio, and where words begin in it. Blocking; stops early if `cancelled()`.

        `voice` is a voice's identifier and perhaps a variant, such as "gmw/en-US+f2".
        """
        encoded = text.encode() + b"\0"
        with self._lock:
            self._chunks, self._marks, self._cancelled = [], [], cancelled
            if self._lib.espeak_SetVoiceByName(voice.encode()):
                raise ModelFailed(f"espeak-ng has no voice {voice!r}.", retryable=False)
            self._lib.espeak_SetParameter(RATE, words_per_minute, 0)
            self._lib.espeak_SetParameter(VOLUME, 90, 0)  # 100 reaches full scale with some variants
            self._lib.espeak_SetParameter(PITCH, pitch, 0)
            status = self._lib.espeak_Synth(
                encoded, ctypes.c_size_t(len(encoded)), 0, 1, 0, CHARS_UTF8 | END_PAUSE, None, None
            )
            chunks, marks = self._chunks, self._marks
            self._chunks, self._marks = [], []
        if status != 0:
            raise ModelFailed(f"espeak-ng failed with status {status}.")
        return np.concatenate(chunks) if chunks else np.zeros(0, np.int16), marks

    def speaks(self, language: str) -> bool:
        """Whether the language can be spoken; some are listed without a dictionary. Blocking."""
        return bool(self.synthesize("a 1", self.voices[language])[0].any())

    def _on_audio(
        self, samples: ctypes._Pointer[ctypes.c_short], count: int, events: ctypes._Pointer[_Event]
    ) -> int:
        index = 0
        while events[index].type:  # the list ends with type 0
            event = events[index]
            if event.type == WORD:
                self._marks.append(Mark(event.sample, event.text_position - 1))
            index += 1
        if samples and count > 0:
            self._chunks.append(np.ctypeslib.as_array(samples, (count,)).astype(np.int16))
        return 1 if self._cancelled() else 0

    def _list_voices(self) -> dict[str, str]:
        self._lib.espeak_ListVoices.restype = ctypes.POINTER(ctypes.POINTER(_Voice))
        listed = self._lib.espeak_ListVoices(None)
        voices: dict[str, str] = {}
        index = 0
        while listed[index]:
            voice = listed[index].contents
            # a priority byte, then the code of the voice's first language
            voices.setdefault(voice.languages[1:].decode().lower(), voice.identifier.decode())
            index += 1
        return dict(sorted(voices.items()))
