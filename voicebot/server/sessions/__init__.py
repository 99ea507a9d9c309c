"""The sessions of browsers, their sockets and their cookies."""
