"""The models that agents use: choosing, loading and swapping them, and the learned end-of-turn model."""
