"""Turn-taking: when a turn ends, who is meant, who speaks, what was heard. Pure, without I/O."""

from voicebot.turn.addressing import (
    Addressees,
    Present,
    Said,
    Scene,
    addressees,
    called_by_name,
    is_question,
)
from voicebot.turn.endpointing import EndpointDecision, Endpointing, FixedEndpointing, Pause
from voicebot.turn.floor import Denial, Floor
from voicebot.turn.interruption import Heard, Piece, heard, is_backchannel

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
    "Said",
    "Scene",
    "addressees",
    "called_by_name",
    "heard",
    "is_backchannel",
    "is_question",
]
