"""Lobbies as their clients see them: seats, moderation, connections and persistence."""
