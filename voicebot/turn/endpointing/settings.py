"""Every constant of endpointing, with where it comes from."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class EndpointingSettings:
    """Seconds of silence, counted from the last speech sample; all but the bounds are held within them.

    Delays are for an average speaker; `PauseStatistics.pace` of this speaker multiplies them.

    Raises:
        ValueError: a bound lies on the wrong side of another value.
    """

    # ---- bounds
    min_delay: float = 0.3
    """Ends a turn whose words are complete. LiveKit Agents' default (min_delay) beside its streaming turn
    detector; people answer each other after 0.2 s in the mean (Stivers et al. 2009, PNAS 106:26)."""
    delay: float = 0.5
    """Nothing speaks for or against an end. LiveKit Agents' min_delay without a turn detector and OpenAI's
    server_vad (silence_duration_ms) are both 0.5."""
    max_delay: float = 3.0
    """Ends every turn. LiveKit Agents' max_delay, and stop_secs of Pipecat's Smart Turn: 3.0."""

    # ---- what the words say
    answer_delay: float = 0.35
    """A short answer ("yes", "no thanks"): complete, but "yes, and ..." begins the same. Ours, just above
    `min_delay`."""
    sentence_delay: float = 0.4
    """A full stop: Whisper writes one after nearly everything, so it says less than a question mark. Ours,
    between complete and neutral."""
    question_delay: float = 0.4
    """Shaped like a question, from a recogniser without punctuation: "what is the weather" may go on with
    "in Paris". Ours, between complete and neutral."""
    number_delay: float = 0.9
    """Ends with a number. Vapi waits 0.4 more on numbers than on other words (onNumberSeconds 0.5 against
    onPunctuationSeconds 0.1), because recognisers punctuate them too early: `delay` + 0.4."""
    clause_delay: float = 1.0
    """Ends with a comma or a colon. The longest silence that conversation takes for granted (Jefferson
    1989, "standard maximum silence", about 1 s)."""
    vocative_delay: float = 1.2
    """Only a name was called: what is wanted follows. Ours, a little over Jefferson's second."""
    unfinished_delay: float = 1.5
    """Ends with "and", "the", "to". Vapi's onNoPunctuationSeconds: 1.5."""
    filler_delay: float = 2.0
    """Ends with "um": announces a long delay (Clark and Fox Tree 2002, Cognition 84). OpenAI's semantic_vad
    at high eagerness waits 2 s at most."""
    dictation_delay: float = 2.0
    """Digits or letters are being dictated, one group after another. As for fillers; ours."""

    # ---- how it was said
    shortest_dictation: int = 3
    """Digits or letters in a row that are dictation even if nobody said what they are. Ours."""
    whole_number: int = 10
    """Digits after which a dictated number may be whole: a North American telephone number has 10, most of
    the others are about as long."""
    stale_text: float = 0.4
    """Speech that the partial transcript does not know; with more of it, no words count as complete.
    Ours: about one word at 180 words a minute."""
    doubtful_silence: float = 0.15
    """Mean VAD probability at the end of a silence above which it is doubtful: breath, a murmured sound.
    Ours: Silero v6 gives 0.01 to 0.13 from 0.2 s after synthetic speech on, in quiet and in faint noise."""
    doubt_factor: float = 1.5
    """Multiplies the delay of a doubtful silence. Ours."""
    slowest_pace: float = 2.5
    quickest_pace: float = 0.7
    """Limits of what a speaker's own pauses do to the delays. Ours: half a dozen odd pauses must not make
    the agent deaf or rude."""
    resumed_after: float = 1.0
    """Who speaks again so soon after an end had not ended: no answer can have been heard and answered by
    then (an end takes `min_delay`, an answer some tenths, a reaction to it 0.2 s more)."""

    # ---- a learned model
    complete_probability: float = 0.5
    """From which a learned model's turn is complete. Smart Turn's own threshold: 0.5."""

    # ---- asking again
    noticeable: float = 0.05
    """A decision that changes the delay by less is not told again. Ours."""

    def __post_init__(self) -> None:
        if not 0 < self.min_delay <= self.delay <= self.max_delay:
            raise ValueError(
                f"0 < min_delay ({self.min_delay:g}) <= delay ({self.delay:g}) <= max_delay "
                f"({self.max_delay:g}) must hold"
            )
        if not 0 < self.quickest_pace <= 1 <= self.slowest_pace:
            raise ValueError("0 < quickest_pace <= 1 <= slowest_pace must hold")
