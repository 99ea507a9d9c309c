"""The recorded conversations of a lobby over HTTP, for its hosts."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from fastapi import Path as PathParam
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from voicebot.conversation.manifest import Manifest
from voicebot.errors import SignalingError
from voicebot.folders import Folder
from voicebot.server.downloads import conversation, events_of, manifest_of, manifests, zipped
from voicebot.server.http import Body, Caller, Wired, problems
from voicebot.server.lobby_routes import Hosted
from voicebot.server.served_lobby import ServedLobby

conversations = APIRouter(prefix="/api/lobbies/{lobby_id}/conversations")
PRIVATE = {"Cache-Control": "no-store"}
ConversationId = Annotated[str, PathParam(pattern=r"^[0-9]{8}T[0-9]{6}-[0-9a-f]{8}$")]


class Conversation(Body):
    id: str
    began: str
    """ISO 8601, UTC."""
    seconds: float | None
    """How long it was; null while it goes on, or when it was cut off."""
    participants: list[str]
    """Their names, people and agents."""


def _for(manifest: Manifest, served: ServedLobby, handle: str) -> bool:
    """Whether this host may read it.

    Who made the lobby, or was made host, may read all that was said in it since it was made: an
    earlier lobby of the same name was another one. Who is host only because the others have left
    may read the conversation they are in.
    """
    if manifest.lobby_id != served.lobby.id:
        return False
    if handle in served.door.hosts:
        try:
            return datetime.fromisoformat(manifest.wall_clock).timestamp() >= served.created - 1
        except ValueError:
            return False
    log = served.room.log
    return log is not None and manifest.conversation_id == log.conversation_id


async def _written(served: ServedLobby) -> None:
    """What has been said until now is on the disk, too, if that is in order."""
    if served.room.log is not None:
        await run_in_threadpool(served.room.log.flush)


async def found(conversation_id: ConversationId, served: Hosted, caller: Caller, wired: Wired) -> Folder:
    """The folder of a conversation that the caller may read."""
    folder = conversation(wired.conversations, conversation_id)
    await _written(served)
    manifest = await run_in_threadpool(manifest_of, folder)
    if manifest is None or not _for(manifest, served, caller.session.handle):
        raise _unknown()
    return folder


def _unknown() -> SignalingError:
    return SignalingError(
        "There is no such conversation of this lobby.",
        hint="GET the list of its conversations.",
        code="unknown_conversation",
    )


Found = Annotated[Folder, Depends(found)]


@conversations.get("", responses=problems(403, 404))
async def list_conversations(served: Hosted, caller: Caller, wired: Wired) -> list[Conversation]:
    """The conversations of a lobby that you are host of, oldest first."""
    await _written(served)
    return [
        Conversation(
            id=manifest.conversation_id,
            began=manifest.wall_clock,
            seconds=manifest.ended_t,
            participants=[person.name for person in manifest.participants.values() if person.name],
        )
        for manifest in await run_in_threadpool(manifests, wired.conversations)
        if _for(manifest, served, caller.session.handle)
    ]


def _file(content: Iterator[bytes], media_type: str, name: str) -> StreamingResponse:
    disposition = {"Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(content, media_type=media_type, headers=PRIVATE | disposition)


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
