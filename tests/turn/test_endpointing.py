from __future__ import annotations

from voicebot.turn import FixedEndpointing, Pause


def test_fixed_endpointing_says_why() -> None:
    decision = FixedEndpointing(0.6).decide(Pause("h", 0.2, 1.5, "what is"))
    assert decision.delay_s == 0.6
    assert "0.6" in decision.reason
