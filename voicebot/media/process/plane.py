"""The media plane in a process of its own: the form that notebooks and servers use."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from dataclasses import replace
from typing import cast

from voicebot.clock import monotonic
from voicebot.errors import MediaError, VoicebotError
from voicebot.media import base as media
from voicebot.media.base import Answer, Command, OnNotice, PeerOffer
from voicebot.media.process.child import MediaWorker
from voicebot.media.process.wire import FromWorker, Reply, Request, ToWorker, WorkerReady, pack, receive

log = logging.getLogger(__name__)

START_TIMEOUT = 30.0
ANSWER_TIMEOUT = 20.0
CLOSE_TIMEOUT = 8.0
LONGEST_BACKOFF = 10.0
STEADY = 30.0
"""Seconds that a worker must live for its crash to count as the first one."""
MAX_QUEUED = 128 * 1024 * 1024
"""Bytes of unread commands above which a worker is taken for dead."""


def _backoff(crashes: int) -> float:
    """Seconds before the next worker, after two or more crashes in a row."""
    return float(min(LONGEST_BACKOFF, 0.5 * 2 ** (crashes - 2)))


def _log(record: logging.LogRecord) -> None:
    """Log a record of the worker as if it came from this process."""
    logger = logging.getLogger(record.name)
    if logger.isEnabledFor(record.levelno):
        logger.handle(record)


class ProcessMediaPlane:
    """A `MediaPlane` whose work is done by a worker process, which is restarted when it dies.

    After a crash, all speeches and utterances are reported as ended and all awaited silences as reached,
    and `MediaGone` follows. The new worker gets the hosts, agents and recordings again, and `answer`
    waits for it, so browsers can offer at once.
    """

    def __init__(self, *, vad: str = "silero", log_level: str = "INFO") -> None:
        self._vad = vad
        self._log_level = log_level
        self._on_notice: OnNotice | None = None
        self._child: MediaWorker | None = None
        self._runner: asyncio.Task[None] | None = None
        self._up = asyncio.Event()
        self._closing = False
        self._known: dict[str, dict[object, Command]] = {}
        """For each host, the commands that a new worker must carry out first."""
        self._requests: dict[int, asyncio.Future[Answer]] = {}
        self._last_request = 0
        self._playing: dict[tuple[str, str, str], None] = {}
        """Speeches that have not ended: host, agent and speech, in order."""
        self._over: deque[tuple[str, str, str]] = deque(maxlen=1024)
        self._speaking: set[tuple[str, str]] = set()
        """Host and participant of each utterance that has not ended."""
        self._awaited: dict[tuple[str, str], float] = {}
        """Silences that were not reported yet, by host and participant."""

    @property
    def pid(self) -> int | None:
        """The process id of the worker, if one runs."""
        return self._child.process.pid if self._child is not None else None

    @property
    def alive(self) -> bool:
        return self._up.is_set()

    # ------------------------------------------------------------ life

    async def start(self, on_notice: OnNotice) -> None:
        if self._runner is not None:
            raise MediaError("The media plane has already been started.")
        self._on_notice = on_notice
        self._loop = asyncio.get_running_loop()
        first: asyncio.Future[None] = self._loop.create_future()
        self._runner = self._loop.create_task(self._run(first), name="media worker")
        try:
            await first
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        self.abandon()
        if self._runner is not None:
            await asyncio.wait([self._runner], timeout=CLOSE_TIMEOUT + 2)
            self._runner.cancel()
            await asyncio.gather(self._runner, return_exceptions=True)

    def abandon(self) -> None:
        self._closing = True
        if self._child is not None:
            self._child.commands.end()

    async def _run(self, first: asyncio.Future[None]) -> None:
        problem = "The media plane was closed."
        try:
            await self._keep_running(first)
        except Exception as error:
            log.exception("the media worker cannot be run")
            problem = f"The media worker cannot be run: {error}."
        finally:
            self._fail_requests(problem)
            if not first.done():  # start() must not wait for ever
                first.set_exception(MediaError(problem, code="media_gone"))

    async def _keep_running(self, first: asyncio.Future[None]) -> None:
        """Start one worker after the other until `close`."""
        crashes = 0
        while not self._closing:
            try:
                child = self._child = MediaWorker(self._vad, self._log_level)
            except OSError as error:  # no processes or files left
                if not first.done():
                    raise
                log.error("the media worker cannot be started: %s; trying again", error)
                crashes += 1
                await asyncio.sleep(_backoff(crashes))
                continue
            try:
                await self._follow(child, first)
            finally:
                self._up.clear()
                child.commands.end()
                if not self._closing:
                    child.process.kill()
                how = await asyncio.shield(asyncio.to_thread(child.wait, CLOSE_TIMEOUT))
                self._child = None
            if self._closing:
                break
            if not first.done():
                first.set_exception(
                    MediaError(
                        f"The media worker did not start ({how}).",
                        hint="The log has its last lines. If a module is missing, install the package again.",
                        code="media_worker",
                    )
                )
                return
            self._lost(how)
            crashes = 1 if monotonic() - child.began > STEADY else crashes + 1
            if crashes > 1:
                await asyncio.sleep(_backoff(crashes))

    async def _follow(self, child: MediaWorker, first: asyncio.Future[None]) -> None:
        """Handle the messages of a worker until they end."""
        try:
            reader, writer = await asyncio.open_unix_connection(sock=child.notices)
        except OSError:
            child.notices.close()
            raise
        try:
            async with asyncio.timeout(START_TIMEOUT) as patience:
                while (message := cast("FromWorker | None", await receive(reader))) is not None:
                    if isinstance(message, WorkerReady):
                        patience.reschedule(None)
                        for known in self._known.values():
                            for command in known.values():
                                self._put(command)
                        self._up.set()
                        if not (first.done() or self._closing):
                            first.set_result(None)
                    else:
                        self._handle(message)
        except TimeoutError:
            log.error("the media worker did not start in %g s", START_TIMEOUT)
        except Exception:  # a new worker is better than none
            log.exception("the messages of the media worker cannot be handled")
        finally:
            writer.close()

    def _lost(self, how: str) -> None:
        """Answer everything that waits for a dead worker, so that nobody waits for ever."""
        log.error("the media worker died (%s); a new one is started", how)
        self._fail_requests("The media worker died while it answered.")
        now = monotonic()
        for host_id, participant_id in sorted(self._speaking):
            self._notify(media.VoiceActivityStopped(host_id, participant_id, now))
        for (host_id, participant_id), until in sorted(self._awaited.items()):
            self._notify(media.SilenceReached(host_id, participant_id, until))
        for host_id, agent_id, speech_id in list(self._playing):
            self._notify(media.PlayoutEnded(host_id, agent_id, speech_id, now, 0.0, {}, complete=False))
        self._notify(media.MediaGone(how))

    def _fail_requests(self, message: str) -> None:
        for future in self._requests.values():
            if not future.done():
                future.set_exception(
                    MediaError(message, hint="Try again in a moment.", code="media_gone", retryable=True)
                )

    # ------------------------------------------------------------ messages

    def _handle(self, message: media.Notice | Reply | logging.LogRecord) -> None:
        match message:
            case logging.LogRecord():
                _log(message)
            case Reply(number, answer):
                future = self._requests.get(number)
                if future is None or future.done():
                    return
                if isinstance(answer, VoicebotError):
                    future.set_exception(answer)
                else:
                    future.set_result(answer)
            case media.MediaStats():
                waiting = self._child.commands.waiting if self._child is not None else 0
                self._notify(replace(message, queued_bytes=waiting))
            case _:
                self._notify(message)

    def _notify(self, notice: media.Notice) -> None:
        match notice:
            case media.PlayoutEnded(host_id, agent_id, speech_id):
                self._playing.pop((host_id, agent_id, speech_id), None)
                self._over.append((host_id, agent_id, speech_id))
            case media.VoiceActivityStarted(host_id, participant_id):
                self._speaking.add((host_id, participant_id))
                self._awaited.pop((host_id, participant_id), None)
            case media.SilenceReached(host_id, participant_id, until):
                if self._awaited.get((host_id, participant_id), until) <= until:
                    self._awaited.pop((host_id, participant_id), None)
            case media.VoiceActivityStopped(host_id, participant_id):
                self._speaking.discard((host_id, participant_id))
        assert self._on_notice is not None
        try:
            self._on_notice(notice)
        except Exception:  # an observer must not end the stream of notices
            log.exception("a media notice could not be handled")

    def _put(self, message: ToWorker) -> bool:
        """Send a message; returns False if there is no worker to read it."""
        child = self._child
        if child is None or self._closing:
            return False
        if child.commands.waiting > MAX_QUEUED:
            log.error("the media worker reads no commands: it is ended")
            child.process.kill()
            return False
        child.commands.put(pack(message))
        return True

    # ------------------------------------------------------------ MediaPlane

    def send(self, command: Command) -> None:
        if isinstance(command, media.StartRecording):
            command = replace(command, path=command.path.absolute())
        match command:
            case media.OpenHost(host_id):
                if host_id in self._known:
                    return
                self._known[host_id] = {media.OpenHost: command}
            case media.CloseHost(host_id):
                self._known.pop(host_id, None)
            case media.AddAgentTrack(host_id, who) | media.StartRecording(host_id, who):
                self._known.get(host_id, {})[type(command), who] = command
            case media.RemoveAgentTrack(host_id, agent_id):
                self._known.get(host_id, {}).pop((media.AddAgentTrack, agent_id), None)
            case media.StopRecording(host_id, participant_id):
                self._known.get(host_id, {}).pop((media.StartRecording, participant_id), None)
            case media.QueueAudio(host_id, agent_id, speech_id):
                if (host_id, agent_id, speech_id) in self._over:
                    return
                self._playing[host_id, agent_id, speech_id] = None
        # a worker that is not up yet gets what is in `_known` once it is
        sent = self._up.is_set() and self._put(command)
        match command:
            case media.AwaitSilence(host_id, participant_id, until):
                if sent:
                    self._awaited[host_id, participant_id] = until
                elif self._runner is not None:  # without a worker nobody can speak
                    self._loop.call_soon(self._notify, media.SilenceReached(host_id, participant_id, until))
            case media.QueueAudio() | media.EndSpeech() | media.StopSpeech() if not sent:
                # without a worker the speech ends unheard, which is reported once
                key = (command.host_id, command.agent_id, command.speech_id)
                if self._playing.pop(key, 0) is None and self._runner is not None:
                    self._loop.call_soon(self._notify, media.PlayoutEnded.unheard(command, monotonic()))

    async def answer(self, offer: PeerOffer) -> Answer:
        if self._closing or self._runner is None or self._runner.done():
            raise MediaError(
                "The media plane is not running.",
                hint="Agents cannot hear or speak until the server is restarted.",
                code="media_gone",
            )
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT):
                await self._up.wait()
                self._last_request += 1
                number = self._last_request
                future = self._requests[number] = asyncio.get_running_loop().create_future()
                try:
                    if not self._put(Request(number, offer)):
                        raise MediaError("The media plane is closed.", code="media_gone")
                    answer: Answer = await future
                    return answer
                finally:
                    del self._requests[number]
        except TimeoutError:
            raise MediaError(
                f"The media worker did not answer in {ANSWER_TIMEOUT:g} s.",
                hint="Try again. If it keeps happening, look at the log of the server.",
                code="media_gone",
                retryable=True,
            ) from None
