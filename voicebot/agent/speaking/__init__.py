"""How agents speak: sentences, synthesis, fillers, and what was heard."""
