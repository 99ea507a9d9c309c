"""When a person has finished a turn."""
