"""Trying things out on whole conversations: simulated people, replays, comparisons."""
