"""Turn-taking: when a turn ends, whom it addresses, who has the floor, what was heard. Pure, no I/O."""
