"""Whom an utterance addresses."""
