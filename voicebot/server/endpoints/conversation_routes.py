"""HTTP routes for the recorded conversations of a lobby, for its hosts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from fastapi import Path as PathParam
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from voicebot.conversation.log import ConversationLog
from voicebot.conversation.manifest import Manifest
from voicebot.conversation.reading.excerpt import Interval, excerpt, excerpt_manifest, presence, write_excerpt
from voicebot.errors import SignalingError
from voicebot.events import Event
from voicebot.folders import Folder
from voicebot.lobby.rights import has
from voicebot.server.endpoints.downloads import events_of, manifest_of, manifests, zipped
from voicebot.server.endpoints.http import Body, Caller, Wired, problems
from voicebot.server.endpoints.lobby_routes import having
from voicebot.server.lobby.controller import LobbyController
from voicebot.server.sessions.client_session import ClientSession

conversations = APIRouter(prefix="/api/lobbies/{lobby_id}/conversations")
ROUNDING = 1e-5
"""Seconds. Manifests have microseconds, and no lobby is used and created again in so short a time."""
ConversationId = Annotated[str, PathParam(pattern=r"^[0-9]{8}T[0-9]{6}-[0-9a-f]{8}$")]


class RecordedConversation(Body):
    """A recorded conversation, for the list of downloads."""

    id: str
    began: str
    """ISO 8601, UTC."""
    seconds: float | None
    """Its length; null while it is running, or if the server was killed."""
    participants: list[str]
    """Names of people and agents."""


Reading = Annotated[LobbyController, Depends(having("read_running"))]


def _belongs_to(manifest: Manifest, controller: LobbyController) -> bool:
    """Whether the conversation belongs to this lobby, not to an earlier one with the same id."""
    if manifest.lobby_id != controller.lobby.id:
        return False
    try:
        return datetime.fromisoformat(manifest.wall_clock).timestamp() >= controller.created - ROUNDING
    except ValueError:
        return False


@dataclass(frozen=True)
class _Part:
    """The part of the running conversation that an acting host may read: while they were present."""

    events: tuple[Event, ...]
    participant_ids: set[str]
    """The acting host's own."""

    def spans(self) -> list[Interval]:
        return presence(self.events, self.participant_ids)

    def manifest(self, manifest: Manifest) -> Manifest:
        """Make the manifest of the part. Slow: call it in a thread."""
        return excerpt_manifest(manifest, excerpt(self.events, self.spans()))

    def write(self, manifest: Manifest, source: Folder, target: Path) -> None:
        """Write the folder of the part. Slow: call it in a thread. Raises OSError."""
        write_excerpt(manifest, self.events, self.spans(), source, target)


def _part(controller: LobbyController, caller: ClientSession, log: ConversationLog) -> _Part:
    return _Part(tuple(log.events), controller.presence.ids(caller.session.handle))


async def _flush(controller: LobbyController) -> None:
    """Write the events so far to the disk, if possible."""
    if controller.agent_session.log is not None:
        await run_in_threadpool(controller.agent_session.log.flush)


async def found(
    conversation_id: ConversationId, controller: Reading, caller: Caller, wired: Wired
) -> AsyncIterator[Folder]:
    """Yield the folder of a conversation that the caller may read, or a temporary one with their part."""
    folder = Folder(wired.conversations).folder(conversation_id)
    await _flush(controller)
    manifest = await run_in_threadpool(manifest_of, folder)
    if manifest is None:
        raise _unknown()
    if has(controller.standing(caller), "read_all"):
        if not _belongs_to(manifest, controller):
            raise _unknown()
        yield folder
        return
    log = controller.agent_session.log
    if log is None or log.conversation_id != conversation_id:
        raise _unknown()
    part = _part(controller, caller, log)
    with TemporaryDirectory(prefix="voicebot-") as temporary:
        target = Folder(Path(temporary)).folder(conversation_id)
        await run_in_threadpool(part.write, manifest, folder, target.path)
        yield target


def _unknown() -> SignalingError:
    return SignalingError(
        "This lobby has no conversation with that id, or you may not read it.",
        hint="GET the list of its conversations.",
        code="unknown_conversation",
    )


Found = Annotated[Folder, Depends(found)]


@conversations.get("", responses=problems(403, 404))
async def list_conversations(controller: Reading, caller: Caller, wired: Wired) -> list[RecordedConversation]:
    """List the conversations of a lobby of which you are a host, oldest first."""
    await _flush(controller)
    if has(controller.standing(caller), "read_all"):
        every = await run_in_threadpool(manifests, wired.conversations)
        return [_listed(manifest) for manifest in every if _belongs_to(manifest, controller)]
    log = controller.agent_session.log
    if log is None:
        return []
    part = _part(controller, caller, log)
    running = await run_in_threadpool(manifest_of, Folder(wired.conversations).folder(log.conversation_id))
    return [] if running is None else [_listed(await run_in_threadpool(part.manifest, running))]


def _listed(manifest: Manifest) -> RecordedConversation:
    return RecordedConversation(
        id=manifest.conversation_id,
        began=manifest.wall_clock,
        seconds=manifest.ended_t,
        participants=[person.name for person in manifest.participants.values() if person.name],
    )


def _file(content: Iterator[bytes], media_type: str, name: str) -> StreamingResponse:
    disposition = {"Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(content, media_type=media_type, headers=disposition)


def _answers(media_type: str) -> dict[int | str, dict[str, Any]]:
    return {200: {"content": {media_type: {}}}, **problems(403, 404, 422)}


@conversations.get(
    "/{conversation_id}/events.jsonl",
    response_class=StreamingResponse,
    responses=_answers("application/x-ndjson"),
)
async def read_events(folder: Found) -> StreamingResponse:
    """Download all events of a conversation so far, one JSON object per line."""
    try:
        content = await run_in_threadpool(events_of, folder)
    except OSError:
        raise _unknown() from None
    return _file(content, "application/x-ndjson", f"{folder.name}.jsonl")


@conversations.get(
    "/{conversation_id}.zip", response_class=StreamingResponse, responses=_answers("application/zip")
)
async def read_all(folder: Found) -> StreamingResponse:
    """Download the events, manifest and recordings of a conversation."""
    return _file(zipped(folder), "application/zip", f"{folder.name}.zip")
