"""The recorded conversations of a lobby over HTTP, for its hosts."""

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
from voicebot.server.endpoints.downloads import conversation, events_of, manifest_of, manifests, zipped
from voicebot.server.endpoints.http import Body, Caller, Wired, problems
from voicebot.server.endpoints.lobby_routes import having
from voicebot.server.lobby.controller import LobbyController
from voicebot.server.sessions.client_session import ClientSession

conversations = APIRouter(prefix="/api/lobbies/{lobby_id}/conversations")
ROUNDING = 1e-5
"""Seconds: manifests tell microseconds. No lobby is made, used, ended and made again in so short a time."""
ConversationId = Annotated[str, PathParam(pattern=r"^[0-9]{8}T[0-9]{6}-[0-9a-f]{8}$")]


class RecordedConversation(Body):
    id: str
    began: str
    """ISO 8601, UTC."""
    seconds: float | None
    """How long it was; null while it goes on, or when it was cut off."""
    participants: list[str]
    """Their names, people and agents."""


Reading = Annotated[LobbyController, Depends(having("read_running"))]


def _since_it_was_made(manifest: Manifest, controller: LobbyController) -> bool:
    """Whether it is this lobby's: an earlier lobby of the same name was another one."""
    if manifest.lobby_id != controller.lobby.id:
        return False
    try:
        return datetime.fromisoformat(manifest.wall_clock).timestamp() >= controller.created - ROUNDING
    except ValueError:
        return False


@dataclass(frozen=True)
class _Part:
    """What an acting host may have of the running conversation: that for which they were there."""

    events: tuple[Event, ...]
    participant_ids: set[str]
    """Theirs."""

    def spans(self) -> list[Interval]:
        return presence(self.events, self.participant_ids)

    def manifest(self, manifest: Manifest) -> Manifest:
        """That of the part. Takes a while."""
        return excerpt_manifest(manifest, excerpt(self.events, self.spans()))

    def write(self, manifest: Manifest, source: Folder, target: Path) -> None:
        """The folder of the part. Blocks. Raises OSError."""
        write_excerpt(manifest, self.events, self.spans(), source, target)


def _part(controller: LobbyController, caller: ClientSession, log: ConversationLog) -> _Part:
    return _Part(tuple(log.events), controller.presence.ids(caller.session.handle))


async def _written(controller: LobbyController) -> None:
    """What has been said until now is on the disk, too, if that is in order."""
    if controller.agent_session.log is not None:
        await run_in_threadpool(controller.agent_session.log.flush)


async def found(
    conversation_id: ConversationId, controller: Reading, caller: Caller, wired: Wired
) -> AsyncIterator[Folder]:
    """The folder of a conversation that the caller may read, or one with an excerpt of it."""
    folder = conversation(wired.conversations, conversation_id)
    await _written(controller)
    manifest = await run_in_threadpool(manifest_of, folder)
    if manifest is None:
        raise _unknown()
    if has(controller.standing(caller), "read_all"):
        if not _since_it_was_made(manifest, controller):
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
        "There is no such conversation of this lobby.",
        hint="GET the list of its conversations.",
        code="unknown_conversation",
    )


Found = Annotated[Folder, Depends(found)]


@conversations.get("", responses=problems(403, 404))
async def list_conversations(controller: Reading, caller: Caller, wired: Wired) -> list[RecordedConversation]:
    """The conversations of a lobby that you are host of, oldest first."""
    await _written(controller)
    if has(controller.standing(caller), "read_all"):
        every = await run_in_threadpool(manifests, wired.conversations)
        return [_listed(manifest) for manifest in every if _since_it_was_made(manifest, controller)]
    log = controller.agent_session.log
    if log is None:
        return []
    part = _part(controller, caller, log)
    running = await run_in_threadpool(manifest_of, conversation(wired.conversations, log.conversation_id))
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
    """Every event of a conversation so far, one JSON object a line."""
    try:
        content = await run_in_threadpool(events_of, folder)
    except OSError:
        raise _unknown() from None
    return _file(content, "application/x-ndjson", f"{folder.name}.jsonl")


@conversations.get(
    "/{conversation_id}.zip", response_class=StreamingResponse, responses=_answers("application/zip")
)
async def read_all(folder: Found) -> StreamingResponse:
    """Events, manifest and recordings of a conversation."""
    return _file(zipped(folder), "application/zip", f"{folder.name}.zip")
