"""Turn-taking: when a turn ends, who is meant, who speaks, what was heard. Pure, without I/O."""

from voicebot.turn.addressing import Addressees, Present, Scene, addressees, called_by_name
from voicebot.turn.echo import Echo, Played, own_voice
from voicebot.turn.endpointing import EndpointDecision, Endpointing, FixedEndpointing, Pause
from voicebot.turn.floor import Denial, Floor
from voicebot.turn.interruption import Heard, Piece, heard, is_backchannel

__all__ = [
    "Addressees",
    "Denial",
    "Echo",
    "EndpointDecision",
    "Endpointing",
    "FixedEndpointing",
    "Floor",
    "Heard",
    "Pause",
    "Piece",
    "Played",
    "Present",
    "Scene",
    "addressees",
    "called_by_name",
    "heard",
    "is_backchannel",
    "own_voice",
]
