"""A small conversation with everything in it, as the golden example of the file format."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from voicebot.conversation.frames.latency import measure
from voicebot.conversation.log import ConversationLog
from voicebot.conversation.manifest import Manifest
from voicebot.events import (
    ConsentGiven,
    ConversationEnded,
    ConversationStarted,
    EndpointConfirmed,
    EndpointPredicted,
    LLMFinished,
    LLMFirstSentence,
    LLMFirstToken,
    LLMStarted,
    ParticipantJoined,
    ParticipantLeft,
    PersonaCreated,
    PlayoutFinished,
    PlayoutInterrupted,
    PlayoutSentence,
    PlayoutStarted,
    SpeechStarted,
    SpeechStopped,
    TranscriptFinal,
    TranscriptInterim,
    TTSFinished,
    TTSFirstAudio,
    TTSStarted,
    Word,
)

WALL = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)


def write_example(folder: Path | None, conversation_id: str = "golden") -> ConversationLog:
    """Ann asks two questions; Bo answers the first and is interrupted in the second."""
    now = 50.0
    log = ConversationLog(
        conversation_id,
        folder,
        clock=lambda: now,
        wall=lambda: WALL,
        manifest=Manifest(
            conversation_id=conversation_id,
            wall_clock=WALL.isoformat(),
            lobby_id="kitchen",
            lobby_name="Kitchen",
            models={"stt": "pocketsphinx", "tts": "espeak", "llm": "offline"},
            software={"python": "3.11.7"},
        ),
    )
    ann = {"participant_id": "ann"}
    bo = {"participant_id": "bo"}
    log.emit(ConversationStarted(t=0, wall_clock=WALL.isoformat(), lobby_id="kitchen", lobby_name="Kitchen"))
    log.emit(PersonaCreated(**bo, t=0, persona={"name": "Bo"}, persona_hash="h1"))
    log.emit(ParticipantJoined(**bo, t=0, name="Bo", kind="agent", persona_hash="h1"))
    log.emit(ParticipantJoined(**ann, t=0.1, name="Ann & Co", kind="human"))
    log.emit(ConsentGiven(**ann, t=0.2))
    for n, (start, end, said) in enumerate([(1.0, 2.0, "what is tea"), (6.0, 7.0, "and what is milk")], 1):
        turn = {"turn_id": f"t{n}"}
        speech = {**bo, **turn, "speech_id": f"s{n}"}
        log.emit(SpeechStarted(**ann, **turn, t=start))
        log.emit(TranscriptInterim(**ann, **turn, t=end - 0.3, utterance_id=f"u{n}", text=said[:7]))
        log.emit(SpeechStopped(**ann, **turn, t=end, duration_s=end - start))
        why = {"reason": "it may be complete: 0.5 s", "text": said}
        predicted = log.emit(EndpointPredicted(**ann, **turn, t=end + 0.2, delay_s=0.5, **why))
        confirmed = log.emit(
            EndpointConfirmed(**ann, **turn, t=end + 0.5, delay_s=0.5, cause_seq=predicted.seq, **why)
        )
        texts = said.split()
        step = (end - start) / len(texts)
        words = [
            Word(text=w, start=start + i * step, end=start + (i + 1) * step, confidence=0.9)
            for i, w in enumerate(texts)
        ]
        final = log.emit(
            TranscriptFinal(
                **ann,
                **turn,
                t=end + 0.6,
                utterance_id=f"u{n}",
                text=said,
                words=words,
                language="en",
                stt_model="pocketsphinx",
                start_t=start,
                end_t=end,
                cause_seq=confirmed.seq,
            )
        )
        log.emit(LLMStarted(**bo, **turn, t=end + 0.65, model="offline", cause_seq=final.seq))
        log.emit(LLMFirstToken(**bo, **turn, t=end + 0.9, model="offline"))
        log.emit(LLMFirstSentence(**bo, **turn, t=end + 1.0, model="offline"))
        log.emit(LLMFinished(**bo, **turn, t=end + 1.1, model="offline", text="A drink. A warm one."))
        log.emit(TTSStarted(**speech, t=end + 1.0, model="espeak", characters=8))
        log.emit(TTSFirstAudio(**speech, t=end + 1.1, model="espeak"))
        log.emit(TTSFinished(**speech, t=end + 1.15, model="espeak", characters=8, audio_s=1.0))
        log.emit(PlayoutStarted(**speech, t=end + 1.2))
        measured = measure(log.events, f"t{n}")
        assert measured is not None
        log.emit(measured.model_copy(update={"t": end + 1.2}))
        log.emit(PlayoutSentence(**speech, t=end + 1.2, index=0, text="A drink."))
        planned = "A drink. A warm one."
        if n == 1:
            log.emit(PlayoutSentence(**speech, t=end + 2.2, index=1, text="A warm one."))
            log.emit(
                PlayoutFinished(
                    **speech, t=end + 3.2, planned_text=planned, heard_text=planned, heard_until_s=2.0
                )
            )
        else:
            log.emit(
                PlayoutInterrupted(
                    **speech, t=end + 2.0, planned_text=planned, heard_text="A drink.", heard_until_s=0.8
                )
            )
    log.emit(ParticipantLeft(**ann, t=10.0))
    log.emit(ConversationEnded(t=10.0, reason="everyone left"))
    return log
