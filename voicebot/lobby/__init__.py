"""The rules of a lobby: participants, capacity, names, rights and the door. Pure, no I/O."""
