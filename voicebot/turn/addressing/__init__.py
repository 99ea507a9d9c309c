"""Who is meant by what was said."""
