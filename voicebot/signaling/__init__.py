"""The signaling protocol: messages, sessions and negotiations. Pure, no I/O."""
