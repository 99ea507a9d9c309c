"""Experiments with whole conversations: simulated people."""
