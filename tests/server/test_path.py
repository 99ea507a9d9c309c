"""The whole path: session, lobby, negotiation, offer, answer, candidates, state, ready."""

from __future__ import annotations

from typing import Any

from voicebot.events import ConnectionState
from voicebot.media.base import AddIceCandidate, ClosePeer, PeerOffer
from voicebot.server.hosting import Hosting
from voicebot.testing.media import FakeMediaPlane

CANDIDATE = {"candidate": "candidate:1 1 udp 1 192.0.2.1 5 typ host", "sdp_mid": "0", "sdp_m_line_index": 0}


async def test_a_person_connects_to_the_agent_host(
    hosting: Hosting, media: FakeMediaPlane, visit: Any
) -> None:
    ada = await visit(hosting, joined="Ada")
    state = (await ada.expect("lobby_state"))["data"]
    assert {p["name"] for p in state["participants"]} >= {"Ada"}
    host = state["lobby"]["host_peer"]
    start = await ada.expect("start_webrtc_negotiation")
    agent = next(p["id"] for p in state["participants"] if p["kind"] == "agent")
    assert start["peer"] == host
    assert start["data"]["role"] == "offerer"
    assert start["data"]["receive"] == [agent]
    epoch = start["epoch"]

    id = await ada.send(
        "webrtc_offer",
        {"sdp": "x", "tracks": {"0": ada.me, "1": agent, "2": "stranger"}},
        peer=host,
        epoch=epoch,
    )
    await ada.send("ice_candidate", CANDIDATE, peer=host, epoch=epoch)
    answer = await ada.expect("webrtc_answer")
    assert answer["id"] == id
    assert answer["data"] == {"sdp": "answer to x", "tracks": {"1": agent}}
    (offered,) = media.commanded(PeerOffer, host)
    assert offered.peer_id == ada.me
    assert offered.tracks == {"0": ada.me, "1": agent}
    (trickled,) = media.commanded(AddIceCandidate, host)
    assert (trickled.epoch, trickled.candidate) == (epoch, CANDIDATE["candidate"])

    assert not [m for m in await ada.settle() if m["type"] == "connection_ready"]
    await ada.send("webrtc_state_change", {"state": "connected", "local": "host"}, peer=host, epoch=epoch)
    assert (await ada.expect("connection_ready"))["epoch"] == epoch

    caption = await ada.expect("transcript", lambda m: m["data"]["final"])
    assert caption["data"]["participant_id"] == agent
    assert caption["data"]["text"]
    states = {m["data"]["state"] for m in ada.received if m["type"] == "agent_state"}
    assert "speaking" in states


async def test_two_people_connect_to_each_other(hosting: Hosting, visit: Any) -> None:
    ada = await visit(hosting, joined="Ada")
    bob = await visit(hosting, joined="Bob")
    assert (await ada.expect("user_joined"))["data"]["participant"]["name"] == "Bob"
    to_bob = await ada.expect("start_webrtc_negotiation", lambda m: m["peer"] == bob.me)
    to_ada = await bob.expect("start_webrtc_negotiation", lambda m: m["peer"] == ada.me)
    assert (to_bob["data"]["role"], to_ada["data"]["role"]) == ("impolite", "polite")
    assert to_bob["epoch"] == to_ada["epoch"]
    epoch = to_bob["epoch"]
    await bob.send("webrtc_offer", {"sdp": "offer"}, peer=ada.me, epoch=epoch)
    offer = await ada.expect("webrtc_offer")
    assert (offer["peer"], offer["data"]["sdp"], offer["epoch"]) == (bob.me, "offer", epoch)
    await ada.send("webrtc_answer", {"sdp": "answer"}, peer=bob.me, epoch=epoch)
    assert (await bob.expect("webrtc_answer"))["peer"] == ada.me
    await ada.send("ice_candidate", CANDIDATE, peer=bob.me, epoch=epoch)
    assert (await bob.expect("ice_candidate"))["data"] == CANDIDATE
    await bob.send("negotiation_needed", peer=ada.me, epoch=epoch)
    await ada.expect("negotiation_needed")
    await ada.send("webrtc_state_change", {"state": "connected"}, peer=bob.me, epoch=epoch)
    await bob.expect("webrtc_state_change")
    await bob.send("webrtc_state_change", {"state": "connected"}, peer=ada.me, epoch=epoch)
    for visitor in (ada, bob):
        await visitor.expect("connection_ready")


async def test_chat_reaches_everyone_and_repeats_the_id_to_its_author(hosting: Hosting, visit: Any) -> None:
    ada = await visit(hosting, joined="Ada")
    bob = await visit(hosting, joined="Bob")
    for text in ("one", "two"):
        id = await ada.send("chat_message", {"text": text}, lobby="demo")
        own, other = await ada.expect("chat_message"), await bob.expect("chat_message")
        assert own["data"] == other["data"] == {"text": text, "participant_id": ada.me}
        assert (own["id"], other.get("id")) == (id, None)


async def test_agents_join_and_leave(hosting: Hosting, media: FakeMediaPlane, visit: Any) -> None:
    ada = await visit(hosting, joined="Ida")
    start = await ada.expect("start_webrtc_negotiation")
    id = await ada.send(
        "agent_create", {"description": "a grumpy lighthouse keeper", "name": "Mara"}, lobby="demo"
    )
    made = await ada.expect("agent_created", lambda m: m.get("id") == id)
    new = made["data"]["participant"]["id"]
    ask = await ada.expect("renegotiate_request")
    assert ask["epoch"] == start["epoch"]
    assert ask["data"]["receive"] == [*start["data"]["receive"], new]
    await ada.settle()
    for agent in ask["data"]["receive"]:
        await ada.send("agent_remove", {"participant_id": agent}, lobby="demo")
        await ada.expect("agent_removed", lambda m, a=agent: m["data"]["participant_id"] == a)
    state = await ada.expect("lobby_state", lambda m: "host_peer" not in m["data"]["lobby"])
    assert [p["name"] for p in state["data"]["participants"]] == ["Ida"]
    assert ada.me in [c.peer_id for c in media.commanded(ClosePeer)]
    await ada.send("agent_create", {"description": "a pirate"}, lobby="demo")
    again = await ada.expect("start_webrtc_negotiation")
    assert again["epoch"] > start["epoch"]
    await ada.send("agent_remove", {"participant_id": ada.me}, lobby="demo")
    assert (await ada.expect("error"))["data"]["code"] == "unknown_agent"


async def test_a_lost_media_plane_starts_a_new_epoch(
    hosting: Hosting, media: FakeMediaPlane, visit: Any
) -> None:
    ada = await visit(hosting, joined="Ada")
    first = await ada.expect("start_webrtc_negotiation")
    media.die()
    second = await ada.expect("start_webrtc_negotiation")
    assert second["epoch"] > first["epoch"]
    await ada.send("webrtc_offer", {"sdp": "late"}, peer=first["peer"], epoch=first["epoch"])
    assert (await ada.expect("error"))["data"]["code"] == "stale_epoch"


async def test_a_connection_that_never_works_is_given_up(
    hosting: Hosting, media: FakeMediaPlane, visit: Any
) -> None:
    media.connects = False
    ada = await visit(hosting, joined="Ada")
    for _ in range(3):
        start = await ada.expect("start_webrtc_negotiation")
        await ada.send("webrtc_offer", {"sdp": "x"}, peer=start["peer"], epoch=start["epoch"])
        await ada.expect("webrtc_answer")
        media.lose_peer(ada.me, "no path (a TURN server may be needed)")
    failed = await ada.expect("webrtc_failed")
    assert failed["data"]["code"] == "ice_failed"
    assert "a TURN server may be needed" in failed["data"]["message"]
    assert failed["data"]["retryable"] is True
    await ada.send("chat_message", {"text": "still here"}, lobby="demo")
    assert (await ada.expect("chat_message"))["data"] == {"text": "still here", "participant_id": ada.me}
    media.connects = True
    await ada.send("negotiation_needed", {}, peer=failed["peer"], epoch=failed["epoch"])
    again = await ada.expect("start_webrtc_negotiation")
    assert again["epoch"] > failed["epoch"]


async def test_a_failed_answer_is_reported_and_retried(
    hosting: Hosting, media: FakeMediaPlane, visit: Any
) -> None:
    ada = await visit(hosting, joined="Ada")
    start = await ada.expect("start_webrtc_negotiation")
    media.refuse_answers = "This offer has no audio."
    id = await ada.send("webrtc_offer", {"sdp": "no-answer"}, peer=start["peer"], epoch=start["epoch"])
    error = await ada.expect("error")
    assert (error["id"], error["data"]["code"]) == (id, "media")
    for _ in range(2):
        start = await ada.expect("start_webrtc_negotiation", lambda m, e=start["epoch"]: m["epoch"] > e)
        await ada.send("webrtc_offer", {"sdp": "no-answer"}, peer=start["peer"], epoch=start["epoch"])
    failed = await ada.expect("webrtc_failed")
    assert (failed["data"]["code"], failed["data"]["message"]) == ("media", "This offer has no audio.")


async def test_a_new_agent_restarts_a_failed_connection(hosting: Hosting, visit: Any) -> None:
    ada = await visit(hosting, joined="Ada")
    start = await ada.expect("start_webrtc_negotiation")
    gone = {"state": "failed", "reason": "no_candidates"}
    await ada.send("webrtc_state_change", gone, peer=start["peer"], epoch=start["epoch"])
    await ada.expect("webrtc_failed")
    await ada.send("agent_create", {"description": "a pirate"}, lobby="demo")
    again = await ada.expect("start_webrtc_negotiation")
    assert again["epoch"] > start["epoch"]
    assert len(again["data"]["receive"]) == 2
    assert "renegotiate_request" not in [m["type"] for m in await ada.settle()]


async def test_states_of_old_connections_are_neither_logged_nor_relayed(hosting: Hosting, visit: Any) -> None:
    ada = await visit(hosting, joined="Ada")
    bob = await visit(hosting, joined="Bob")
    epoch = (await ada.expect("start_webrtc_negotiation", lambda m: m["peer"] == bob.me))["epoch"]
    await bob.settle()
    for peer, number in ((bob.me, epoch + 1), ("p-nobody", epoch), (ada.me, epoch)):
        await ada.send("webrtc_state_change", {"state": "failed"}, peer=peer, epoch=number)
    await ada.send("webrtc_state_change", {"state": "new", "local": "x" * 33}, peer=bob.me, epoch=epoch)
    assert (await ada.expect("error"))["data"]["code"] == "bad_message"
    await ada.send("webrtc_state_change", {"state": "new"}, peer=bob.me, epoch=epoch)
    await ada.settle()
    seen = [m for m in await bob.settle() if m["type"] == "webrtc_state_change"]
    assert [m["data"]["state"] for m in seen] == ["new"]
    log = hosting.agent_sessions["demo"].log
    assert log is not None
    mine = [e for e in log.events if isinstance(e, ConnectionState) and e.participant_id == ada.me]
    assert [
        (e.peer, e.epoch, e.state) for e in mine if e.peer != hosting.agent_sessions["demo"].host_peer
    ] == [(bob.me, epoch, "new")]
