"""A running server and its visitors, as in tests/server, and a victim's files."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.security.folders.hostile import PRIVATE, record
from tests.server.conftest import host, hosting, media, models, nodes, redis, settings, visit
from tests.workbench.conftest import page
from voicebot.conversation.log import ConversationLog
from voicebot.events import ParticipantJoined, UserChat

__all__ = ["host", "hosting", "media", "models", "nodes", "page", "redis", "settings", "visit"]


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    """The files of somebody else: a conversation and other things."""
    home = tmp_path / "home"
    log = ConversationLog("private", home / "private")
    log.emit(ParticipantJoined(participant_id="cy", name="Cy", kind="human"))
    log.emit(UserChat(participant_id="cy", text=PRIVATE))
    assert log.close()
    record(home / "private/audio/cy.ogg")
    (home / "photos").mkdir()
    (home / "photos" / "one.png").write_bytes(b"png")
    return home
