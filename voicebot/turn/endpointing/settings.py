"""All constants of endpointing and their sources."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class EndpointingSettings:
    """Delays in seconds of silence since the last speech sample; all of them are kept within the bounds.

    They are for an average speaker; this speaker's `PauseStatistics.pace` multiplies them.

    Raises:
        ValueError: a bound lies on the wrong side of another value.
    """

    # ---- bounds
    min_delay: float = 0.3
    """Ends a turn whose words are complete. LiveKit Agents' min_delay with its streaming turn detector;
    people answer each other after 0.2 s on average (Stivers et al. 2009, PNAS 106:26)."""
    delay: float = 0.5
    """For words that suggest neither an end nor more. LiveKit Agents' min_delay without a turn detector
    and OpenAI's server_vad (silence_duration_ms) are both 0.5."""
    max_delay: float = 3.0
    """Ends every turn. LiveKit Agents' max_delay, and stop_secs of Pipecat's Smart Turn: 3.0."""

    # ---- what the words say
    answer_delay: float = 0.35
    """A short answer ("yes", "no thanks") is complete, but "yes, and ..." begins the same way. Ours, just
    above `min_delay`."""
    sentence_delay: float = 0.4
    """A full stop says less than a question mark, because Whisper writes one after nearly everything. Ours,
    between complete and neutral."""
    question_delay: float = 0.4
    """The form of a question, from a recogniser without punctuation: "in Paris" may follow "what is the
    weather". Ours, between complete and neutral."""
    number_delay: float = 0.9
    """Ends with a number. Vapi waits 0.4 more on numbers than on other words (onNumberSeconds 0.5 against
    onPunctuationSeconds 0.1), because recognisers punctuate them too early: `delay` + 0.4."""
    clause_delay: float = 1.0
    """Ends with a comma or a colon. The longest silence that conversation takes for granted (Jefferson
    1989, "standard maximum silence", about 1 s)."""
    vocative_delay: float = 1.2
    """Only a name was called; the request follows. Ours, a little over Jefferson's second."""
    unfinished_delay: float = 1.5
    """Ends with "and", "the", "to". Vapi's onNoPunctuationSeconds: 1.5."""
    filler_delay: float = 2.0
    """Ends with "um": announces a long delay (Clark and Fox Tree 2002, Cognition 84). OpenAI's semantic_vad
    at high eagerness waits 2 s at most."""
    dictation_delay: float = 2.0
    """Digits or letters are being dictated in groups. Ours, the same as for fillers."""

    # ---- how it was said
    shortest_dictation: int = 3
    """This many digits or letters in a row are dictation, even unannounced. Ours."""
    whole_number: int = 10
    """Digits after which a dictated number may be complete: North American telephone numbers have 10, most
    others about as many."""
    stale_text: float = 0.4
    """Seconds of speech missing from the interim transcript beyond which no words count as complete.
    Ours: about one word at 180 words a minute."""
    doubtful_silence: float = 0.15
    """Mean VAD probability at the end of a silence above which the silence is doubtful (breath, murmur).
    Ours: Silero v6 gives 0.01 to 0.13 from 0.2 s after synthetic speech on, in quiet and in faint noise."""
    doubt_factor: float = 1.5
    """Multiplies the delay of a doubtful silence. Ours."""
    slowest_pace: float = 2.5
    quickest_pace: float = 0.7
    """Limits of a speaker's pace. Ours: half a dozen odd pauses must not make the agent slow or rude."""
    resumed_after: float = 1.0
    """A turn had not ended if its speaker resumes within this time: nobody can have reacted to an answer by
    then (an end takes `min_delay`, an answer some tenths, a reaction 0.2 s)."""

    # ---- a learned model
    complete_probability: float = 0.5
    """Probability at which a learned model's turn is complete. Smart Turn's own threshold: 0.5."""

    # ---- asking again
    noticeable: float = 0.05
    """A decision that changes the delay by less is not reported again. Ours."""

    def __post_init__(self) -> None:
        if not 0 < self.min_delay <= self.delay <= self.max_delay:
            raise ValueError(
                f"0 < min_delay ({self.min_delay:g}) <= delay ({self.delay:g}) <= max_delay "
                f"({self.max_delay:g}) must hold"
            )
        if not 0 < self.quickest_pace <= 1 <= self.slowest_pace:
            raise ValueError("0 < quickest_pace <= 1 <= slowest_pace must hold")
