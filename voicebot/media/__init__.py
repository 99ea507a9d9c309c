"""The media plane: WebRTC, Opus, voice activity detection, playout and recording."""
