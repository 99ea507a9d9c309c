from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from datetime import UTC

from voicebot.clock import monotonic, utc_now


def test_the_wall_clock_is_aware_utc() -> None:
    assert utc_now().tzinfo is UTC


def test_a_loop_and_another_process_read_the_same_monotonic_clock() -> None:
    before = monotonic()
    with asyncio.Runner() as runner:
        loop = runner.get_loop().time()
    program = "from voicebot.clock import monotonic; print(monotonic())"
    other = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert before <= loop <= float(other.stdout) <= time.monotonic()
