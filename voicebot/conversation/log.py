"""The conversation log: every event of one conversation, in memory and on disk.

The notebook, the captions, the latency waterfall and pandas all read this object. On disk, `events.jsonl`
has one JSON object per line and is only appended to; `manifest.json` sums it up. The log writes in a thread
of its own, so a slow or full disk never delays a conversation. Events that cannot be written stay in
memory, are reported once as an `error` event, and are written as soon as the disk allows.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import secrets
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voicebot.clock import Clock, WallClock, monotonic, utc_now
from voicebot.conversation.manifest import Manifest, plain_settings
from voicebot.conversation.quota import MIB, OVERDUE, SPENT, Quota
from voicebot.conversation.writer import LogWriter, line_of
from voicebot.events import ConversationEnded, ConversationStarted, ErrorEvent, Event

if TYPE_CHECKING:
    from voicebot.settings import Settings

logger = logging.getLogger(__name__)

OnEvent = Callable[[Event], None]


class ConversationLog:
    """An append-only log. `emit` is an `Emit` and may be called from any thread.

    Args:
        conversation_id: The id that every event gets.
        folder: The folder to write to, created if missing; None keeps the log in memory only.
        clock: Monotonic seconds. Its time now becomes t = 0.
        wall: The UTC time, read once for t = 0.
        manifest: The manifest at the start. The events update it.
        quota: The largest size; None for no limit.
    """

    def __init__(
        self,
        conversation_id: str,
        folder: Path | None,
        *,
        clock: Clock = monotonic,
        wall: WallClock = utc_now,
        manifest: Manifest | None = None,
        quota: Quota | None = None,
    ) -> None:
        self.conversation_id = conversation_id
        self.folder = folder
        self.origin = clock()
        self.wall_clock = wall()
        self.manifest = manifest or Manifest(conversation_id=conversation_id)
        if not self.manifest.wall_clock:
            self.manifest = self.manifest.model_copy(update={"wall_clock": self.wall_clock.isoformat()})
        self._quota = quota
        self._size = 0
        self._left_out = 0
        self._clock = clock
        self._events: list[Event] = []
        self._lock = threading.Lock()
        self._subscribers: list[OnEvent] = []
        self._undelivered: deque[Event] = deque()
        self._delivering = False
        self._closed = self._ended = False
        self._trouble: str | None = None
        self._audio_names: set[str] = set()
        try:
            self._loop: asyncio.AbstractEventLoop | None = asyncio.get_running_loop()
        except RuntimeError:
            self._loop = None
        self._writer = None if folder is None else LogWriter(folder, self._unwritten, self._on_trouble)

    @property
    def events(self) -> Sequence[Event]:
        """All events so far, in the order of `seq`. The list is live; do not change it."""
        return self._events

    @property
    def closed(self) -> bool:
        """Whether the conversation has ended. Later events belong to no conversation."""
        return self._closed or self._ended

    @property
    def full(self) -> str:
        """Why the conversation should end as soon as nobody speaks; "" while it may continue."""
        if self._quota is None:
            return ""
        return self._quota.full(len(self._events), self._size, len(self.manifest.participants))

    @property
    def overdue(self) -> bool:
        """Whether the conversation should end now, even if somebody speaks."""
        return self._beyond(OVERDUE)

    def hold(self, held: bool) -> None:
        """Keep events in memory while the disk is too full (`held`), or resume writing."""
        if self._writer is not None:
            self._writer.hold(held)

    def at(self, clock_time: float) -> float:
        """Convert a time of the clock into seconds since the conversation began; 0 for an earlier time."""
        return max(0.0, clock_time - self.origin)

    def emit(self, event: Event) -> Event:
        """Stamp, append and deliver an event, and return the stamped one. Never blocks and never raises.

        Beyond 1.5 times its quota, a log keeps no further events; they get the `seq` -1.
        """
        self._report_trouble()
        return self._append(event)

    def subscribe(self, fn: OnEvent, replay: bool = False) -> Callable[[], None]:
        """Call `fn` with every event from now on, and return a function that unsubscribes it.

        With `replay`, `fn` gets all earlier events first. Its exceptions are logged and not raised.
        """
        with self._lock:
            past = list(self._events) if replay else []
            self._subscribers.append(fn)
        for event in past:
            self._call(fn, event)

        def unsubscribe() -> None:
            with self._lock:
                if fn in self._subscribers:
                    self._subscribers.remove(fn)

        return unsubscribe

    def audio_path(self, participant_id: str) -> Path | None:
        """Return a new file for a recording of a participant, or None without a folder.

        The name is new each time, so that a participant who joins again overwrites nothing.
        """
        if self.folder is None:
            return None
        stem = re.sub(r"[^A-Za-z0-9_.-]", "_", participant_id).strip(".") or "unnamed"
        name, n = stem, 1
        while name in self._audio_names or os.path.lexists(self.folder / "audio" / f"{name}.ogg"):
            n += 1
            name = f"{stem}~{n}"
        self._audio_names.add(name)
        return self.folder / "audio" / f"{name}.ogg"

    def flush(self, timeout: float = 2.0) -> bool:
        """Wait until all events are on disk. Returns False if that fails or takes over `timeout` seconds."""
        return self._writer is None or self._writer.flush(timeout)

    def close(self, timeout: float = 2.0) -> bool:
        """Write the remaining events and stop. Safe to call twice. Returns what `flush` returns."""
        self._closed = True
        return self._writer is None or self._writer.close(timeout)

    # ------------------------------------------------------------ inside

    def _append(self, event: Event) -> Event:
        t = event.t if event.t >= 0 else self.at(self._clock())
        stamp = {"conversation_id": self.conversation_id, "seq": -1, "t": round(t, 6)}
        event, size = self._measured(event)
        with self._lock:
            if self._beyond(SPENT) and not isinstance(event, ConversationEnded):
                self._left_out += 1
                if self._left_out == 1:
                    logger.warning("%s is full, and stores no more events", self.conversation_id)
                return event.model_copy(update=stamp)
            self._size += size
            stamped = event.model_copy(update=stamp | {"seq": len(self._events)})
            self._events.append(stamped)
            self._ended = self._ended or isinstance(stamped, ConversationEnded)
            self.manifest = self.manifest.after(stamped)
            self._undelivered.append(stamped)
            if self._closed:
                logger.warning("%s came after the end of %s", stamped.type, self.conversation_id)
        if self._writer is not None:
            self._writer.wake()
        self._deliver()
        return stamped

    def _beyond(self, factor: float) -> bool:
        return self._quota is not None and self._quota.beyond(factor, len(self._events), self._size)

    def _measured(self, event: Event) -> tuple[Event, int]:
        """Return the event and its size in bytes. An `error` replaces an event larger than the quota."""
        if self._quota is None:
            return event, 0
        size = len(line_of(event))
        if size <= self._quota.size:
            return event, size
        message = f"An event was left out: {event.type} has {size / MIB:.1f} MiB (CONVERSATION_MIB)."
        event = ErrorEvent(participant_id=event.participant_id, code="too_large", message=message)
        return event, len(line_of(event))

    def _deliver(self) -> None:
        """Deliver events in order. If a subscriber emits another event, the present delivery includes it."""
        with self._lock:
            if self._delivering:
                return
            self._delivering = True
        while True:
            with self._lock:
                if not self._undelivered:
                    self._delivering = False
                    return
                event = self._undelivered.popleft()
                subscribers = tuple(self._subscribers)
            for fn in subscribers:
                self._call(fn, event)

    def _call(self, fn: OnEvent, event: Event) -> None:
        try:
            fn(event)
        except Exception:  # a failing observer must not affect the conversation
            logger.exception("A subscriber of %s failed on %s", self.conversation_id, event.type)

    def _unwritten(self, written: int) -> tuple[list[Event], Manifest]:
        with self._lock:
            return self._events[written:], self.manifest

    def _on_trouble(self, message: str) -> None:
        """Called on the writer's thread. The event loop reports the trouble, or the next `emit` does."""
        self._trouble = message
        if self._loop is not None and not self._loop.is_closed():
            try:
                self._loop.call_soon_threadsafe(self._report_trouble)
            except RuntimeError:
                logger.debug("The loop of %s has closed", self.conversation_id)

    def _report_trouble(self) -> None:
        message, self._trouble = self._trouble, None
        if message is not None:
            logger.error("%s", message)
            self._append(ErrorEvent(code="store", message=message, retryable=True))


def new_conversation(
    data_dir: Path | None,
    lobby_id: str,
    lobby_name: str = "",
    *,
    settings: Settings | None = None,
    models: Mapping[str, str] | None = None,
    seeds: Mapping[str, int] | None = None,
    clock: Clock = monotonic,
    wall: WallClock = utc_now,
    **more: Any,
) -> ConversationLog:
    """Begin a conversation in `<data_dir>/conversations/<id>/`, and emit `conversation.started`.

    Ids sort by time. A folder that cannot be created causes an `error` event, not an exception.

    Args:
        data_dir: The data folder; None keeps the log in memory.
        lobby_id: The lobby's id.
        lobby_name: The lobby's name.
        settings: The source of the quota, and of the settings in the manifest.
        models: "provider:model" by role.
        seeds: Seeds of random choices, by name.
        clock: Monotonic seconds.
        wall: The UTC time.
        more: Further fields of the manifest.
    """
    start = wall()
    conversation_id = f"{start:%Y%m%dT%H%M%S}-{secrets.token_hex(4)}"
    manifest = Manifest(
        conversation_id=conversation_id,
        lobby_id=lobby_id,
        lobby_name=lobby_name,
        models=dict(models or {}),
        seeds=dict(seeds or {}),
        settings=plain_settings(settings),
        **more,
    )
    quota = None
    if settings is not None:
        quota = Quota(settings.conversation_events, int(settings.conversation_mib * MIB))
    folder = None if data_dir is None else Path(data_dir) / "conversations" / conversation_id
    log = ConversationLog(
        conversation_id, folder, clock=clock, wall=lambda: start, manifest=manifest, quota=quota
    )
    log.emit(
        ConversationStarted(t=0.0, wall_clock=start.isoformat(), lobby_id=lobby_id, lobby_name=lobby_name)
    )
    return log
