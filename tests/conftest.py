from __future__ import annotations

pytest_plugins = ["voicebot.testing.pytest_plugin"]
