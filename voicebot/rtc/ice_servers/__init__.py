"""STUN and TURN servers: finding, choosing, probing and testing them."""
