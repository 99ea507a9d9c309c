"""Pandas frames made from the events of conversations."""
