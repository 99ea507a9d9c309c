"""The rivals' probe (VOICEBOT_PEERS/probe.py) with our signaling added to those it knows."""

from __future__ import annotations

import os
import runpy
import sys
from pathlib import Path
from typing import Any

folder = os.environ["VOICEBOT_PEERS"]
sys.path[:0] = [folder, str(Path(__file__).parent)]
signaling: Any = __import__("signaling")
lobby_call: Any = __import__("lobby_call")
signaling.ADAPTERS["voicebot"] = lobby_call.LobbyCall
sys.argv[0] = f"{folder}/probe.py"
runpy.run_path(sys.argv[0], run_name="__main__")
