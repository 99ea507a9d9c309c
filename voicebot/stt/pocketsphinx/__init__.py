"""CMU PocketSphinx: embedded, English, offline."""

from voicebot.stt.pocketsphinx.backend import PocketSphinxSTT

__all__ = ["PocketSphinxSTT"]
