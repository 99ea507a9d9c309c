"""The media plane in a process of its own."""
