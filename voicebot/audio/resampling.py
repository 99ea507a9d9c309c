"""Streaming sample rate conversion of mono int16, with libsoxr."""

from __future__ import annotations

from typing import cast

import soxr

from voicebot.audio.frames import EMPTY, Pcm


class Resampler:
    """Converts chunk by chunk without clicks.

    Output sample `i` is input time `i / rate_out`: the filter withholds its delay until `flush()`, after
    which the lengths agree. "LQ" withholds 6 ms from 48 to 16 kHz, and is enough for hearing; "HQ"
    withholds 21 ms, and is for speech output. Raises ValueError for a rate that is not positive.
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
        """The output samples that are available after these input samples; may be empty."""
        if self._stream is None:
            return pcm
        return cast(Pcm, self._stream.resample_chunk(pcm))

    def flush(self) -> Pcm:
        """The remaining samples. The next input begins a new stream."""
        if self._stream is None:
            return EMPTY
        rest = cast(Pcm, self._stream.resample_chunk(EMPTY, last=True))
        self._stream.clear()
        return rest
