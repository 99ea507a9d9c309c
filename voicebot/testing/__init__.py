"""Test doubles and helpers for tests of voicebot and of its plug-ins."""
