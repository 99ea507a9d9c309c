"""Audio without I/O: frames, Opus, Ogg, resampling, pacing, clocks and echo detection."""
