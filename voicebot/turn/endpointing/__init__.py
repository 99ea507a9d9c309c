"""When a person has finished speaking."""
