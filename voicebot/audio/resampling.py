"""Streaming sample rate conversion of mono int16, with libsoxr."""

from __future__ import annotations

from typing import cast

import soxr

from voicebot.audio.frames import EMPTY, Pcm


class Resampler:
    """Converts chunk by chunk without clicks.

    Output sample `i` corresponds to input time `i / rate_out`. The filter holds back its delay until
    `flush()`; after that, input and output are equally long. From 48 to 16 kHz, quality "LQ" holds back 6 ms,
    and is good enough for recognition; "HQ" holds back 21 ms, and is meant for speech output.

    Raises:
        ValueError: `rate_in` is not positive.
    """

    def __init__(self, rate_in: int, rate_out: int, quality: str = "HQ") -> None:
        if rate_in <= 0:
            raise ValueError(f"sample rate must be positive, not {rate_in}")
        self.rate_in = rate_in
        self.rate_out = rate_out
        self._stream = (
            None
            if rate_in == rate_out
            else soxr.ResampleStream(rate_in, rate_out, 1, dtype="int16", quality=quality)
        )

    def feed(self, pcm: Pcm) -> Pcm:
        """Convert samples of shape (n,); returns the output that is available so far, perhaps none."""
        if self._stream is None:
            return pcm
        return cast(Pcm, self._stream.resample_chunk(pcm))

    def flush(self) -> Pcm:
        """Return the remaining output samples. The next input begins a new stream."""
        if self._stream is None:
            return EMPTY
        rest = cast(Pcm, self._stream.resample_chunk(EMPTY, last=True))
        self._stream.clear()
        return rest
