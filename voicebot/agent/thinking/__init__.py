"""How agents think: instructions, memory, summaries, generation and hand-offs."""
