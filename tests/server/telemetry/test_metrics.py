"""What /metrics reports, who may read it, and what /ready finds missing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr

from voicebot import events
from voicebot.conversation.frames.latency import PARTS
from voicebot.conversation.stall import Stall
from voicebot.errors import StoreError
from voicebot.media.base import MediaGone, MediaStats
from voicebot.server.hosting import Hosting
from voicebot.server.sessions.outbox import Outbox
from voicebot.server.telemetry.metrics import MAX_CODES, Metrics
from voicebot.server.telemetry.telemetry import MAX_STARTED
from voicebot.settings import Settings
from voicebot.signaling.messages import Pong
from voicebot.signaling.negotiation import Begin, Failed, Ready, Restart
from voicebot.signaling.written import write
from voicebot.store.memory import MemoryStore
from voicebot.testing.media import FakeMediaPlane

Samples = dict[str, float]


async def scrape(hosting: Hosting) -> Samples:
    """Every sample by `name{label="value"}`."""
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{hosting.port}") as http:
        answer = await http.get("metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    found: Samples = {}
    for family in text_string_to_metric_families(answer.text):
        for sample in family.samples:
            labels = ",".join(f'{name}="{value}"' for name, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


async def test_what_people_do_is_counted(host: Any, visit: Any) -> None:
    hosting = await host()
    ada, bob = await visit(hosting, joined="Ada"), await visit(hosting, joined="Bob")
    await ada.send_text("no json")
    await ada.expect("error")
    await ada.send("agent_remove", {"participant_id": "agent-none"}, lobby="demo")
    await ada.expect("error")
    await bob.open()
    await bob.expect("session_established")
    await bob.send("resume", {"last_seq": bob.last_seq})
    await bob.settle()
    stats = MediaStats(cpu_seconds=7.5, peers=2, late_frames=3, lost_packets=4, queued_bytes=5)
    for notice in (stats, MediaGone("test")):
        hosting._on_notice(notice)
    seen = await scrape(hosting)
    expected = {
        "voicebot_sockets": 2,
        "voicebot_sockets_opened_total": 3,
        "voicebot_reconnects_total": 1,
        'voicebot_resumes_total{outcome="replayed"}': 1,
        "voicebot_lobbies": 1,
        "voicebot_sessions": 2,
        "voicebot_conversations": 1,
        'voicebot_participants{kind="human"}': 2,
        'voicebot_participants{kind="agent"}': 1,
        "voicebot_ready": 1,
        "voicebot_draining": 0,
        'voicebot_messages_received_total{type="join_lobby"}': 2,
        'voicebot_messages_received_total{type="invalid"}': 1,
        'voicebot_messages_sent_total{type="error"}': 2,
        'voicebot_message_errors_total{code="unknown_agent"}': 1,
        'voicebot_sockets_closed_total{code="4409"}': 0,
        "voicebot_media_cpu_seconds_total": 7.5,
        "voicebot_media_peers": 2,
        "voicebot_media_late_frames_total": 3,
        "voicebot_media_lost_packets_total": 4,
        "voicebot_media_command_queue_bytes": 5,
        "voicebot_media_restarts_total": 1,
    }
    assert {name: seen.get(name, 0) for name in expected} == expected
    assert seen['voicebot_http_request_seconds_count{method="POST",status="2xx"}'] >= 2
    assert seen['voicebot_negotiation_attempts_total{peer="person",rung="all"}'] >= 1
    assert seen['voicebot_negotiation_attempts_total{peer="agents",rung="all"}'] >= 2
    assert seen["voicebot_loop_lag_seconds_count"] > 0
    assert any(name.startswith("voicebot_store_seconds_count{") for name in seen)
    secrets = {ada.me, bob.me, "Ada", "Bob", hosting.agent_sessions["demo"].host_peer, 'demo"'}
    assert not [name for name in seen if any(secret in name for secret in secrets)]


async def test_each_server_of_a_notebook_has_its_own_metrics(
    host: Any, visit: Any, settings: Settings, models: Any
) -> None:
    one, other = await host(), await host(media=FakeMediaPlane())
    await visit(one, joined="Ada")
    assert (await scrape(one))["voicebot_sockets"] == 1
    assert (await scrape(other))["voicebot_sockets"] == 0


def test_outcomes_of_connections_are_counted_by_rung(hosting: Hosting) -> None:
    follow = hosting.telemetry.connections("host-1")
    read = hosting.telemetry.metrics.registry.get_sample_value
    for ends, last in (
        (("p-1", "p-2"), Ready(2)),
        (("p-1", "host-1"), Failed(2, "ice_failed", "No way.", retryable=True)),
        (("p-3", "p-4"), None),
    ):
        follow(ends, Begin(1, "all"))
        follow(ends, Begin(2, "relay_tcp"))
        follow(ends, last)
        follow(ends, Restart(2))
        follow(ends, None)  # what is over ends once
    name = "voicebot_negotiations_total"
    for peer, outcome in (("person", "ready"), ("agents", "failed"), ("person", "abandoned")):
        assert read(name, {"peer": peer, "rung": "relay_tcp", "outcome": outcome}) == 1
    assert read("voicebot_negotiation_connect_seconds_count", {"peer": "person"}) == 1
    assert read("voicebot_ice_restarts_total") == 3
    assert read("voicebot_negotiation_attempts_total", {"peer": "person", "rung": "relay_tcp"}) == 2


def test_turns_are_timed_with_their_parts(hosting: Hosting) -> None:
    hosting.telemetry.follow(None, events.LatencyMeasured(turn_id="t", e2e_latency=0.7, llm_node_ttft=0.2))
    hosting.telemetry.follow(None, events.LatencyMeasured(turn_id="u", cancelled=True, e2e_latency=9.0))
    read = hosting.telemetry.metrics.registry.get_sample_value
    assert read("voicebot_turn_seconds_sum") == pytest.approx(0.7)
    assert read("voicebot_turn_part_seconds_sum", {"part": "llm_node_ttft"}) == pytest.approx(0.2)
    assert read("voicebot_turns_cancelled_total") == 1


def follow(hosting: Hosting, *happened: events.Event) -> Callable[..., float | None]:
    """Pass events on as an agent session does; returns a function that reads a sample."""
    for event in happened:
        hosting.telemetry.follow(None, event)
    return hosting.telemetry.metrics.registry.get_sample_value


def test_all_parts_of_a_turn_are_measured_even_the_unaccounted_one(hosting: Hosting) -> None:
    parts = dict.fromkeys(PARTS, 0.1)
    read = follow(hosting, events.LatencyMeasured(turn_id="t", e2e_latency=0.8, **parts))
    sums = [read("voicebot_turn_part_seconds_sum", {"part": part}) for part in PARTS]
    assert sums == [pytest.approx(0.1)] * len(PARTS)


def test_real_time_factors_of_models_are_measured(hosting: Hosting) -> None:
    told = {"conversation_id": "c", "participant_id": "p"}
    said = {"utterance_id": "u", "text": "hello", "start_t": 1.0, "end_t": 3.0}
    read = follow(
        hosting,
        events.EndpointConfirmed(**told, seq=3, t=3.5, delay_s=0.5),
        events.TTSStarted(**told, seq=4, t=3.5, model="flite", characters=9),
        events.TranscriptFinal(**told, seq=5, t=4.5, cause_seq=3, stt_model="sphinx", **said),
        events.TTSFinished(**told, seq=6, t=3.9, cause_seq=4, model="flite", characters=9, audio_s=4.0),
        # told twice, cancelled, without a beginning, of an agent, without sound: nothing is known of the work
        events.TranscriptFinal(**told, seq=7, t=9.5, cause_seq=3, stt_model="sphinx", **said),
        events.TTSStarted(**told, seq=8, t=5.0, model="flite", characters=9),
        events.TTSFinished(
            **told, seq=9, t=5.1, cause_seq=8, model="flite", characters=9, audio_s=0.5, cancelled=True
        ),
        events.TranscriptFinal(**told, seq=10, t=9.5, **said),
        events.TTSStarted(**told, seq=11, t=6.0, model="flite", characters=1),
        events.TTSFinished(**told, seq=12, t=6.1, cause_seq=11, model="flite", characters=1),
        events.TTSFinished(
            **{**told, "conversation_id": "d"}, t=6.1, cause_seq=4, model="flite", characters=1, audio_s=9.0
        ),
    )
    assert read("voicebot_stt_real_time_factor_sum", {"model": "sphinx"}) == pytest.approx(0.5)
    assert read("voicebot_stt_real_time_factor_count", {"model": "sphinx"}) == 1
    assert read("voicebot_tts_real_time_factor_sum", {"model": "flite"}) == pytest.approx(0.1)
    assert read("voicebot_tts_real_time_factor_count", {"model": "flite"}) == 1


def test_turns_without_a_transcript_are_forgotten(hosting: Hosting) -> None:
    endless = [events.EndpointConfirmed(conversation_id="c", seq=n, t=1.0, delay_s=0.5) for n in range(5000)]
    follow(hosting, *endless)
    assert len(hosting.telemetry._started) == MAX_STARTED


def test_interruptions_echoes_and_speculation_are_counted(hosting: Hosting) -> None:
    cancelled = events.SpeculationCancelled(
        reason="went on", seconds=0.5, written=30, characters=12, audio_s=1.5
    )
    read = follow(
        hosting,
        *[events.InterruptionDetected()] * 3,
        events.InterruptionFalse(),
        events.InterruptionResumed(),
        *[events.InterruptionBackchannel(text="mhm")] * 2,
        events.EchoIgnored(text="hello", similarity=0.9),
        *[events.SpeculationStarted(text="hi")] * 3,
        events.SpeculationCommitted(),
        cancelled,
        cancelled,
    )
    for kind, count in (("detected", 3), ("false", 1), ("resumed", 1), ("backchannel", 2)):
        assert read("voicebot_interruptions_total", {"kind": kind}) == count
    for outcome, count in (("started", 3), ("committed", 1), ("cancelled", 2)):
        assert read("voicebot_speculations_total", {"outcome": outcome}) == count
    assert read("voicebot_echoes_ignored_total") == 1
    assert read("voicebot_speculation_wasted_seconds_total") == 1.0
    assert read("voicebot_speculation_wasted_characters_total") == 24
    assert read("voicebot_speculation_wasted_audio_seconds_total") == 3.0


async def test_stalls_and_queues_are_reported(host: Any, visit: Any) -> None:
    hosting = await host()
    await visit(hosting, joined="Ada")
    hosting._stalled(Stall(1.5, "cell:1 work"))
    stats = MediaStats(cpu_seconds=1.0, peers=1, late_frames=0, lost_packets=0)
    hosting._on_notice(stats)
    seen = await scrape(hosting)
    assert seen["voicebot_loop_stall_seconds_count"] == 1
    assert seen["voicebot_loop_stall_seconds_sum"] == 1.5
    assert seen["voicebot_media_loop_stalls_total"] == 0
    assert seen["voicebot_outbox_longest"] <= seen["voicebot_outbox_messages"]
    assert 'voicebot_model_queue{role="stt"}' not in seen  # this one does not tell
    hosting.models.stt.waiting = 3
    hosting._on_notice(replace(stats, stalls=2, stall_seconds=0.75, echo_seconds=4.5))
    seen = await scrape(hosting)
    assert seen['voicebot_model_queue{role="stt"}'] == 3
    assert seen["voicebot_media_loop_stalls_total"] == 2
    assert seen["voicebot_media_loop_stall_seconds_total"] == 0.75
    assert seen["voicebot_media_echo_seconds_total"] == 4.5


async def test_queued_messages_for_clients_are_counted() -> None:
    outbox = Outbox()
    for _ in range(3):
        outbox.put(write(Pong()))
    assert outbox.waiting == 3
    await outbox.get()
    assert outbox.waiting == 2


async def test_conversation_events_reach_the_metrics(host: Any, visit: Any) -> None:
    hosting = await host()
    await visit(hosting, joined="Ada")
    log = hosting.agent_sessions["demo"].log
    assert log is not None
    assert isinstance(log.events[0], events.ConversationStarted)
    log.emit(events.EchoIgnored(text="hello", similarity=0.9))
    assert (await scrape(hosting))["voicebot_echoes_ignored_total"] == 1


def test_the_number_of_labels_is_limited() -> None:
    metrics = Metrics()
    for label in (metrics.code, metrics.model):
        labels = {label(f"x-{number}") for number in range(1000)}
        assert len(labels) == MAX_CODES + 1
        assert label("x-0") == "x-0"


# ---------------------------------------------------------------- who may read them


async def asked(hosting: Hosting, **headers: str) -> int:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{hosting.port}") as http:
        return (await http.get("metrics", headers=headers)).status_code


async def test_only_this_machine_may_read_the_metrics(host: Any) -> None:
    hosting = await host()
    assert await asked(hosting) == 200
    assert await asked(hosting, Host="localhost") == 200
    assert await asked(hosting, **{"X-Forwarded-For": "192.0.2.7"}) == 404
    assert await asked(hosting, **{"X-Forwarded-For": "127.0.0.1"}) == 404
    assert await asked(hosting, Forwarded="for=127.0.0.1") == 404
    assert await asked(hosting, Host="rebound.localdomain") != 200


async def test_behind_a_proxy_metrics_need_the_token(host: Any, settings: Settings) -> None:
    public = settings.model_copy(update={"public_url": "https://voice.example.org"})
    assert await asked(await host(settings=public, media=FakeMediaPlane())) == 404
    with_token = public.model_copy(update={"metrics_token": SecretStr("s3cret")})
    hosting = await host(settings=with_token, media=FakeMediaPlane())
    for given, status in (
        ("Bearer s3cret", 200),
        ("bearer s3cret", 200),
        ("Bearer s3cre", 404),
        ("Bearer s3cret2", 404),
        ("Basic s3cret", 404),
        ("Bearer", 404),
    ):
        assert await asked(hosting, Authorization=given) == status, given
        forwarded = {"Authorization": given, "X-Forwarded-For": "192.0.2.7", "Host": "voice.example.org"}
        assert await asked(hosting, **forwarded) == status, given


# ---------------------------------------------------------------- health


class Broken(MemoryStore):
    broken = False

    async def get_session(self, key: str) -> Any:
        if self.broken:
            raise StoreError("The store is away.")
        return await super().get_session(key)


class Dead(FakeMediaPlane):
    dead = False

    @property
    def alive(self) -> bool:
        return not self.dead


async def test_ready_names_the_part_that_is_not_ready(host: Any) -> None:
    store, media = Broken(), Dead()
    hosting = await host(store=store, media=media)

    async def problems() -> tuple[int, dict[str, str]]:
        async with httpx.AsyncClient(base_url=hosting.url) as http:
            assert (await http.get("health")).json()["status"] == "ok"
            answer = await http.get("ready")
            assert (await http.head("ready")).status_code == answer.status_code
        body = answer.json()
        assert body["ready"] == (not body["problems"])
        return answer.status_code, body["problems"]

    assert await problems() == (200, {})
    store.broken = True
    status, found = await problems()
    assert (status, found["store"]) == (503, "The store is away.")
    media.dead, store.broken = True, False
    status, found = await problems()
    assert (status, list(found)) == (503, ["media"])
    media.dead = False
    assert await problems() == (200, {})


async def test_store_failures_are_counted(host: Any) -> None:
    store = Broken()
    hosting = await host(store=store)
    store.broken = True
    await hosting.problems()
    read = hosting.telemetry.metrics.registry.get_sample_value
    assert read("voicebot_store_errors_total", {"operation": "get_session"}) == 1
