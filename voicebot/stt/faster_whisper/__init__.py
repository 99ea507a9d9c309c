"""Whisper by faster-whisper: accurate, many languages, CPU or GPU."""

from voicebot.stt.faster_whisper.backend import FasterWhisperSTT

__all__ = ["FasterWhisperSTT"]
