"""The voice server: HTTP, WebSockets, sessions, lobbies and telemetry."""
