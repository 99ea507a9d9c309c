"""The recorded conversations of a lobby over HTTP, for its hosts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from fastapi import Path as PathParam
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from voicebot.conversation.excerpt import Span, excerpt, excerpt_manifest, presence, write_excerpt
from voicebot.conversation.manifest import Manifest
from voicebot.errors import SignalingError
from voicebot.folders import Folder
from voicebot.lobby.rights import has
from voicebot.server.downloads import conversation, events_of, manifest_of, manifests, zipped
from voicebot.server.http import Body, Caller, Wired, problems
from voicebot.server.lobby_routes import having
from voicebot.server.served_lobby import ServedLobby
from voicebot.server.sessions import Browser

conversations = APIRouter(prefix="/api/lobbies/{lobby_id}/conversations")
ConversationId = Annotated[str, PathParam(pattern=r"^[0-9]{8}T[0-9]{6}-[0-9a-f]{8}$")]


class Conversation(Body):
    id: str
    began: str
    """ISO 8601, UTC."""
    seconds: float | None
    """How long it was; null while it goes on, or when it was cut off."""
    participants: list[str]
    """Their names, people and agents."""


Reading = Annotated[ServedLobby, Depends(having("read_running"))]


def _readable(manifest: Manifest, served: ServedLobby, caller: Browser) -> bool:
    """Whether this host may read it, wholly or in part.

    An owner may read all that was said in the lobby since it was made: an earlier lobby of the same name was
    another one. An acting host may read the running conversation, as far as they were there.
    """
    if manifest.lobby_id != served.lobby.id:
        return False
    if has(served.standing(caller), "read_all"):
        try:
            return datetime.fromisoformat(manifest.wall_clock).timestamp() >= served.created - 1
        except ValueError:
            return False
    log = served.room.log
    return log is not None and manifest.conversation_id == log.conversation_id


def _spans(served: ServedLobby, caller: Browser) -> list[Span] | None:
    """When the caller was there in the running conversation; None for who may read all of every one."""
    log = served.room.log
    if has(served.standing(caller), "read_all") or log is None:
        return None
    return presence(tuple(log.events), served.seats.ids(caller.session.handle))


async def _written(served: ServedLobby) -> None:
    """What has been said until now is on the disk, too, if that is in order."""
    if served.room.log is not None:
        await run_in_threadpool(served.room.log.flush)


async def found(
    conversation_id: ConversationId, served: Reading, caller: Caller, wired: Wired
) -> AsyncIterator[Folder]:
    """The folder of a conversation that the caller may read, or one with an excerpt of it."""
    folder = conversation(wired.conversations, conversation_id)
    await _written(served)
    manifest = await run_in_threadpool(manifest_of, folder)
    if manifest is None or not _readable(manifest, served, caller):
        raise _unknown()
    spans = _spans(served, caller)
    if spans is None:
        yield folder
        return
    assert served.room.log is not None
    events = tuple(served.room.log.events)
    with TemporaryDirectory(prefix="voicebot-") as temporary:
        part = Folder(Path(temporary)).folder(conversation_id)
        await run_in_threadpool(write_excerpt, manifest, events, spans, folder, part.path)
        yield part


def _unknown() -> SignalingError:
    return SignalingError(
        "There is no such conversation of this lobby.",
        hint="GET the list of its conversations.",
        code="unknown_conversation",
    )


Found = Annotated[Folder, Depends(found)]


@conversations.get("", responses=problems(403, 404))
async def list_conversations(served: Reading, caller: Caller, wired: Wired) -> list[Conversation]:
    """The conversations of a lobby that you are host of, oldest first."""
    await _written(served)
    spans = _spans(served, caller)
    listed = []
    for manifest in await run_in_threadpool(manifests, wired.conversations):
        if not _readable(manifest, served, caller):
            continue
        if spans is not None and served.room.log is not None:
            manifest = excerpt_manifest(manifest, excerpt(tuple(served.room.log.events), spans))
        listed.append(
            Conversation(
                id=manifest.conversation_id,
                began=manifest.wall_clock,
                seconds=manifest.ended_t,
                participants=[person.name for person in manifest.participants.values() if person.name],
            )
        )
    return listed


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
