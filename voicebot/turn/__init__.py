"""Turn-taking: when a turn ends, whom it addresses, who has the floor, what was heard. Pure, no I/O."""

from voicebot.turn.addressing.addressees import Addressees, addressees, called_by_name
from voicebot.turn.addressing.context import DialogueContext, Participant, PriorTurn
from voicebot.turn.echo import Echo, PlayedSentence, detect_echo
from voicebot.turn.endpointing.pauses import PauseStatistics
from voicebot.turn.endpointing.policies import (
    DynamicEndpointing,
    EndpointDecision,
    Endpointing,
    FixedEndpointing,
    LearnedEndpointing,
    Pause,
)
from voicebot.turn.endpointing.settings import EndpointingSettings
from voicebot.turn.floor import Denial, Floor
from voicebot.turn.heard import Heard, Piece, heard, word_ends
from voicebot.turn.interruption import OverlapKind, classify_overlap
from voicebot.turn.words import is_question

__all__ = [
    "Addressees",
    "Denial",
    "DialogueContext",
    "DynamicEndpointing",
    "Echo",
    "EndpointDecision",
    "Endpointing",
    "EndpointingSettings",
    "FixedEndpointing",
    "Floor",
    "Heard",
    "LearnedEndpointing",
    "OverlapKind",
    "Participant",
    "Pause",
    "PauseStatistics",
    "Piece",
    "PlayedSentence",
    "PriorTurn",
    "addressees",
    "called_by_name",
    "classify_overlap",
    "detect_echo",
    "heard",
    "is_question",
    "word_ends",
]
