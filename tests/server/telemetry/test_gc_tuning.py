from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import gc
from voicebot.server.telemetry.gc_tuning import THRESHOLDS, tune_gc
kept = [[] for _ in range(1000)]
tune_gc()
assert gc.get_freeze_count() > 1000 and gc.get_threshold() == THRESHOLDS
looked_at = len(gc.get_objects())
assert looked_at < 1000, looked_at
"""


def test_existing_objects_are_not_collected_again() -> None:
    subprocess.run([sys.executable, "-c", PROGRAM], check=True)  # the collector is the whole process's
