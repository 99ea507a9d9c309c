"""Turn-taking: when a turn ends, who is meant, who speaks, what was heard. Pure, without I/O."""

from voicebot.turn.addressing.addressees import Addressees, addressees, called_by_name
from voicebot.turn.addressing.scene import Present, Said, Scene
from voicebot.turn.echo import Echo, Played, own_voice
from voicebot.turn.endpointing.base import EndpointDecision, Endpointing, FixedEndpointing, Pause
from voicebot.turn.endpointing.dynamic import DynamicEndpointing
from voicebot.turn.endpointing.learned import LearnedEndpointing
from voicebot.turn.endpointing.pauses import PauseStatistics
from voicebot.turn.endpointing.settings import EndpointingSettings
from voicebot.turn.floor import Denial, Floor
from voicebot.turn.heard import Heard, Piece, heard, word_ends
from voicebot.turn.interruption import Verdict, judge
from voicebot.turn.words import is_question

__all__ = [
    "Addressees",
    "Denial",
    "DynamicEndpointing",
    "Echo",
    "EndpointDecision",
    "Endpointing",
    "EndpointingSettings",
    "FixedEndpointing",
    "Floor",
    "Heard",
    "LearnedEndpointing",
    "Pause",
    "PauseStatistics",
    "Piece",
    "Played",
    "Present",
    "Said",
    "Scene",
    "Verdict",
    "addressees",
    "called_by_name",
    "heard",
    "is_question",
    "judge",
    "own_voice",
    "word_ends",
]
