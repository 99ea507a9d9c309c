"""Sockets, limits, security headers and close codes."""
