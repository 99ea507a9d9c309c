from __future__ import annotations

import pytest

from voicebot.errors import SignalingError
from voicebot.lobby.capacity import CameraLimit, Capacity, LobbyFullError
from voicebot.lobby.lobby import Joined, Left, Lobby, LobbyEvent, Updated
from voicebot.signaling.messages import ParticipantInfo


def human(id: str, **fields: object) -> ParticipantInfo:
    return ParticipantInfo.model_validate({"id": id, "name": id, "kind": "human", **fields})


def agent(id: str) -> ParticipantInfo:
    return ParticipantInfo(id=id, name=id, kind="agent")


def test_changes_are_announced_in_order_and_versioned() -> None:
    lobby, seen = Lobby("l", "Lobby"), list[LobbyEvent]()
    unsubscribe = lobby.subscribe(seen.append)
    ada = lobby.join(human("ada"))
    muted = lobby.update("ada", muted=True)
    lobby.leave("ada", "lost")
    assert seen == [Joined(ada), Updated(muted, ada), Left(muted, "lost")]
    assert muted.muted
    assert lobby.version == 3
    unsubscribe()
    unsubscribe()
    lobby.join(human("bob"))
    assert len(seen) == 3


def test_a_change_without_effect_is_not_announced() -> None:
    lobby = Lobby("l", "Lobby")
    lobby.join(human("ada"))
    version = lobby.version
    lobby.update("ada", muted=False)
    lobby.leave("nobody")
    assert lobby.version == version


def test_wrong_changes_are_refused_and_leave_the_lobby_as_it_was() -> None:
    lobby = Lobby("l", "Lobby")
    before = lobby.join(human("ada"))
    for changes in ({"muted": "perhaps"}, {"id": "eve"}, {"kind": "agent"}, {"name": "\u202e"}, {"hat": 1}):
        with pytest.raises(SignalingError):
            lobby.update("ada", **changes)
    with pytest.raises(SignalingError) as caught:
        lobby.update("eve", muted=True)
    assert caught.value.code == "not_joined"
    with pytest.raises(SignalingError) as caught:
        lobby.join(human("ada"))
    assert caught.value.code == "already_joined"
    assert list(lobby.participants.values()) == [before]


def test_capacity_counts_people_cameras_and_agents_apart() -> None:
    lobby = Lobby("l", "Lobby", capacity=Capacity(humans=3, video=1, agents=1))
    lobby.join(human("a", camera=True))
    with pytest.raises(CameraLimit) as refused:
        lobby.join(human("b", camera=True))
    assert refused.value.code == "camera_limit"
    lobby.join(human("b"))
    with pytest.raises(CameraLimit):
        lobby.update("b", camera=True)
    lobby.join(agent("x"))
    with pytest.raises(LobbyFullError):
        lobby.join(agent("y"))
    lobby.join(human("c"))
    with pytest.raises(LobbyFullError) as caught:
        lobby.join(human("d"))
    assert (caught.value.limit, caught.value.code) == (3, "lobby_full")
    lobby.leave("a")
    lobby.update("b", camera=True)


def test_the_host_peer_is_announced_only_with_agents() -> None:
    lobby = Lobby("l", "Lobby")
    assert lobby.info().host_peer is None
    lobby.join(agent("x"))
    assert lobby.info().host_peer == lobby.host_peer == "host-l"


def test_a_failing_observer_does_not_affect_the_others(caplog: pytest.LogCaptureFixture) -> None:
    lobby, seen = Lobby("l", "Lobby"), list[LobbyEvent]()

    def broken(event: LobbyEvent) -> None:
        raise RuntimeError("observer")

    lobby.subscribe(broken)
    lobby.subscribe(seen.append)
    lobby.join(human("ada"))
    assert len(seen) == 1
    assert "observer" in caplog.text
