"""An event loop whose clock jumps to the next timer when there is nothing else to do.

An hour of conversation passes in a moment, and every run is the same.

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(conversation())

In pytest, load `voicebot.testing.pytest_plugin` and mark the test with `@pytest.mark.virtual_time`.
Code under test must take the time from the loop: pass `asyncio.get_running_loop().time` as its `Clock`.

Work outside the loop takes real time, and virtual time must not run past it. So the clock stands still
during work in `run_in_executor` or `asyncio.to_thread`; for other threads, use `loop.hold()`. Sockets
and pipes are refused unless `io_grace` is set, and subprocesses always are.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

T = TypeVar("T")

START = 1000.0
"""The clock time at the start. It is not 0, so that it differs from conversation time."""


class VirtualTimeError(RuntimeError):
    """Something is impossible in virtual time, or took too long."""


class Deadlock(VirtualTimeError):
    """Nothing is ready, scheduled or held, so the tasks in the message would wait for ever."""


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """A selector event loop in virtual time.

    Args:
        io_grace: None refuses sockets and pipes. A number allows them, and is the real seconds to wait for
            data before each jump: 0.002 is enough if both ends are on this loop, and a guess otherwise.
        limit: virtual seconds after which the run fails, because it may never end.
        patience: real seconds to wait for a thread or a socket if nothing else can happen.
    """

    def __init__(
        self, io_grace: float | None = None, *, limit: float = 3600.0, patience: float = 30.0
    ) -> None:
        self._now = START
        self._holds = 0
        self._io_grace = io_grace
        self._end = START + limit
        self._patience = patience
        super().__init__(_JumpSelector(self))

    def time(self) -> float:
        """The virtual time in seconds; it is a `voicebot.clock.Clock`."""
        return self._now

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Stop the clock inside the block, because something outside the loop is at work."""
        self._holds += 1
        try:
            yield
        finally:
            self._holds -= 1

    def run_in_executor(self, executor: Any, func: Callable[..., T], *args: Any) -> asyncio.Future[T]:  # type: ignore[override]
        """Run `func` in the executor, and stop the clock until it has returned."""
        future: asyncio.Future[T] = super().run_in_executor(executor, func, *args)
        self._holds += 1

        def release(_: asyncio.Future[T]) -> None:
            self._holds -= 1

        future.add_done_callback(release)
        return future

    async def shutdown_default_executor(self, *args: Any) -> None:
        with self.hold():
            await super().shutdown_default_executor(*args)

    async def subprocess_exec(self, *args: Any, **kwargs: Any) -> Any:
        raise VirtualTimeError("A subprocess lives in real time; start it outside virtual time.")

    subprocess_shell = subprocess_exec

    def _jump(self, seconds: float) -> None:
        self._now += seconds
        if self._now > self._end:
            self._end = float("inf")  # only once, because the clean-up after this error needs time, too
            raise VirtualTimeError(f"Still running at virtual time {self._now:.1f} s.{self._waiting()}")

    def _waiting(self) -> str:
        lines = []
        for task in asyncio.all_tasks(self):
            frames = task.get_stack()
            where = f"{frames[-1].f_code.co_filename}:{frames[-1].f_lineno}" if frames else "?"
            lines.append(f"\n  {task.get_name()} waits at {where}")
        return "".join(sorted(lines))


class _JumpSelector(selectors.DefaultSelector):
    """The real selector, except that waiting for a timer makes the loop's clock jump."""

    def __init__(self, loop: VirtualTimeLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or (timeout is not None and timeout <= 0):
            return ready
        loop = self._loop
        outside = len(self.get_map()) > 1  # more than asyncio's own wake-up socket
        if loop._holds or (timeout is None and outside):
            ready = super().select(loop._patience)
            if not ready:
                raise VirtualTimeError(
                    f"Waited {loop._patience} real seconds for a thread or a socket.{loop._waiting()}"
                )
            return ready
        if timeout is None:
            raise Deadlock(f"Nothing will ever happen again.{loop._waiting()}")
        if outside and loop._io_grace and (ready := super().select(loop._io_grace)):
            return ready
        loop._jump(timeout)
        return []

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        if self._loop._io_grace is None and self.get_map():
            raise VirtualTimeError(
                "Sockets and pipes are refused in virtual time; use fakes, or set io_grace"
                " when both ends are on this loop."
            )
        return super().register(fileobj, events, data)


def run(main: Coroutine[Any, Any, T], **options: Any) -> T:
    """Run `main` in virtual time; returns its result. `options` are those of `VirtualTimeLoop`."""
    with asyncio.Runner(loop_factory=lambda: VirtualTimeLoop(**options)) as runner:
        return runner.run(main)
