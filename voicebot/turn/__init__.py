"""Turn-taking: when a turn ends, who is meant, who speaks, what was heard. Pure, without I/O."""

from voicebot.turn.addressing import Addressees, Present, Scene, addressees, called_by_name
from voicebot.turn.endpointing import EndpointDecision, Endpointing, FixedEndpointing, Pause
from voicebot.turn.floor import Denial, Floor
from voicebot.turn.heard import Heard, Piece, heard, word_ends
from voicebot.turn.interruption import Verdict, is_backchannel, judge

__all__ = [
    "Addressees",
    "Denial",
    "EndpointDecision",
    "Endpointing",
    "FixedEndpointing",
    "Floor",
    "Heard",
    "Pause",
    "Piece",
    "Present",
    "Scene",
    "Verdict",
    "addressees",
    "called_by_name",
    "heard",
    "is_backchannel",
    "judge",
    "word_ends",
]
