"""Reads stored conversations: frames, captions, excerpts and recordings."""
