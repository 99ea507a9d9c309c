"""How agents hear people: utterances, transcripts, the end of a turn, and echoes."""
