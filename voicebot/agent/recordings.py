"""The recordings of one conversation: one file per participant."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from voicebot.conversation.log import ConversationLog
from voicebot.conversation.notices import NOT_RECORDED, RECORDED_AGAIN
from voicebot.events import ErrorEvent
from voicebot.media.base import MediaPlane, RecordingFailed, StartRecording, StopRecording

RESUMED = "The disk has free space again: voices are recorded as before."


class Recordings:
    """Lets the media plane record. A file that fails is reported once; the other files are not affected."""

    def __init__(
        self, log: ConversationLog, plane: MediaPlane, host_id: str, *, name: Callable[[str], str]
    ) -> None:
        self._log, self._plane, self._host_id, self._name = log, plane, host_id, name
        self._failed: set[Path] = set()
        self._held = False

    def hold(self, problem: str, participants: Iterable[str]) -> None:
        """Stop all recordings while there is a `problem`, and resume them when it is over."""
        if bool(problem) == self._held:
            return
        self._held = bool(problem)
        for participant_id in participants:
            if problem:
                self._plane.send(StopRecording(self._host_id, participant_id))
            else:
                self.start(participant_id)
        code, message = (NOT_RECORDED, problem) if problem else (RECORDED_AGAIN, RESUMED)
        self._log.emit(ErrorEvent(code=code, message=message, retryable=True))

    def start(self, participant_id: str) -> None:
        """Record a participant. The media plane resumes that by itself if its process dies."""
        if not self._held and (path := self._log.audio_path(participant_id)) is not None:
            self._plane.send(StartRecording(self._host_id, participant_id, path, self._log.origin))

    def on_failed(self, notice: RecordingFailed) -> bool:
        """Report a failure. Returns False if it concerns another conversation's file."""
        if self._log.folder is None or self._log.folder not in notice.path.parents:
            return False
        if notice.path not in self._failed:
            self._failed.add(notice.path)
            who = self._name(notice.participant_id)
            self._log.emit(
                ErrorEvent(
                    participant_id=notice.participant_id,
                    code="recording",
                    message=f"The recording of {who} has stopped: {notice.path}: {notice.reason}. Other "
                    "people are still recorded. Check that the disk has room and that the folder exists "
                    "(DATA_DIR).",
                )
            )
        return True
