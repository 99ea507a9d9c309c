"""`python -m voicebot` is `voicebot`."""

from __future__ import annotations

from voicebot.cli import main

if __name__ == "__main__":
    main()
