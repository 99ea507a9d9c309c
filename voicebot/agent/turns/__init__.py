"""The turns of a conversation: whom words are for, who speaks next, and interruptions."""
