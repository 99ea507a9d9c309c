from __future__ import annotations

import json
from pathlib import Path

from voicebot.conversation.log import new_conversation
from voicebot.conversation.manifest import plain_settings
from voicebot.events import (
    ConsentGiven,
    ConsentWithdrawn,
    ConversationEnded,
    ModelSwapped,
    ParticipantJoined,
    ParticipantLeft,
    ParticipantUpdateEvent,
    PersonaCreated,
)
from voicebot.settings import load_settings

SECRETS = {"coturn_secret": "canary-1", "openai_api_key": "canary-2"}
ADDRESSES = {
    "openai_base_url": "http://user:canary-3@llm.local:9/v1?api-key=canary-4",
    "store": "redis://cache.local:6379/0?password=canary-5",
}


def test_the_manifest_on_disk_follows_the_events(tmp_path: Path) -> None:
    settings = load_settings(None, **SECRETS, **ADDRESSES, port=0)
    log = new_conversation(
        tmp_path, "lob", "Kitchen", settings=settings, models={"stt": "pocketsphinx"}, seeds={"voice": 3}
    )
    log.emit(ParticipantJoined(participant_id="ann", name="Ann", kind="human"))
    log.emit(PersonaCreated(participant_id="bot", persona={"name": "Bo"}, persona_hash="h1"))
    log.emit(ParticipantJoined(participant_id="bot", name="Bo", kind="agent", persona_hash="h1"))
    log.emit(ConsentGiven(participant_id="ann", scope="recording"))
    log.emit(ConsentGiven(participant_id="ann", scope="sharing"))
    log.emit(ConsentWithdrawn(participant_id="ann", scope="sharing"))
    log.emit(ModelSwapped(role="tts", old="espeak", new="flite:slt"))
    log.emit(ParticipantUpdateEvent(participant_id="ann", changes={"name": "Anne", "muted": True}))
    left = log.emit(ParticipantLeft(participant_id="ann"))
    ended = log.emit(ConversationEnded(reason="everyone left"))
    assert log.close()
    assert log.folder is not None
    text = (log.folder / "manifest.json").read_text()
    manifest = json.loads(text)
    assert manifest["participants"]["ann"]["consent"] == ["recording"]
    assert manifest["participants"]["ann"]["name"] == "Anne"
    assert manifest["participants"]["ann"]["left_t"] == left.t
    assert manifest["participants"]["bot"]["persona_hash"] == "h1"
    assert manifest["personas"] == {"h1": {"name": "Bo"}}
    assert manifest["models"] == {"stt": "pocketsphinx", "tts": "espeak"}
    assert manifest["ended_t"] == ended.t
    assert manifest["seeds"] == {"voice": 3}
    assert manifest["lobby_name"] == "Kitchen"
    assert manifest["schema_version"] == 1
    assert manifest["software"]["python"]
    assert manifest["software"]["aiortc"]
    assert manifest["settings"]["port"] == 0
    assert manifest["settings"]["openai_base_url"] == "http://llm.local:9/v1"
    assert "canary" not in text
    assert not list(log.folder.glob("*.part"))


def test_without_settings_the_manifest_has_none() -> None:
    assert plain_settings(None) == {}
