"""WebRTC through aiortc: connections, tracks and ICE."""
