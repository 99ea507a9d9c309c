"""Several servers that share a store and forward connections to each other."""
