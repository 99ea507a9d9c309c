"""The log of a conversation, on disk and as pandas frames."""
