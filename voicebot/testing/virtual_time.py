"""An event loop whose clock jumps to the next timer when there is nothing left to do.

An hour of conversation passes in a blink and every run is the same: nobody sleeps.

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(conversation())

or, in pytest (with `pytest_plugins = ["voicebot.testing.pytest_plugin"]`), a test marked
`@pytest.mark.virtual_time`. Code under test must take its time from the loop: pass
`asyncio.get_running_loop().time` where a `Clock` is asked for.

What happens outside the loop takes real time, and virtual time must not run past it:
work given to `run_in_executor` or `asyncio.to_thread` makes the clock stand still until
it is done, and `loop.hold()` says the same of any other thread. Sockets and pipes are
refused unless `io_grace` is set; subprocesses always are.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

T = TypeVar("T")

START = 1000.0
"""First reading of the virtual clock: not 0, so that clock time and conversation time differ."""


class VirtualTimeError(RuntimeError):
    """Something that virtual time cannot do, or that went on for too long."""


class Deadlock(VirtualTimeError):
    """Nothing is ready, scheduled or held: the tasks named here would wait for ever."""


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """A selector event loop in virtual time.

    Args:
        io_grace: None refuses sockets and pipes. A number of real seconds allows them and
            waits that long for data before each jump: enough (0.002) when both ends are on
            this loop, a guess when the other end is in another process.
        limit: virtual seconds after which the run is given up (a test that never ends).
        patience: real seconds to wait for a thread or a socket when nothing else can happen.
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
        """Virtual seconds; use it wherever a `voicebot.clock.Clock` is wanted."""
        return self._now

    @contextmanager
    def hold(self) -> Iterator[None]:
        """The clock stands still inside: something outside this loop is at work."""
        self._holds += 1
        try:
            yield
        finally:
            self._holds -= 1

    def run_in_executor(self, executor: Any, func: Callable[..., T], *args: Any) -> asyncio.Future[T]:  # type: ignore[override]
        """As usual; the clock stands still until `func` has returned."""
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

    async def subprocess_shell(self, *args: Any, **kwargs: Any) -> Any:
        raise VirtualTimeError("A subprocess lives in real time; start it outside virtual time.")

    def _jump(self, seconds: float) -> None:
        self._now += seconds
        if self._now > self._end:
            self._end = float("inf")  # once: the clean-up after this error needs time as well
            raise VirtualTimeError(f"Still running at virtual time {self._now:.1f} s.{self._waiting()}")

    def _waiting(self) -> str:
        lines = []
        for task in asyncio.all_tasks(self):
            frames = task.get_stack()
            where = f"{frames[-1].f_code.co_filename}:{frames[-1].f_lineno}" if frames else "?"
            lines.append(f"\n  {task.get_name()} waits at {where}")
        return "".join(sorted(lines))


class _JumpSelector(selectors.BaseSelector):
    """The real selector, except that waiting for a timer is a jump of the loop's clock."""

    def __init__(self, loop: VirtualTimeLoop) -> None:
        self._real = selectors.DefaultSelector()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = self._real.select(0)
        if ready or (timeout is not None and timeout <= 0):
            return ready
        loop = self._loop
        outside = len(self._real.get_map()) > 1  # more than asyncio's own wake-up pipe
        if loop._holds or (timeout is None and outside):
            ready = self._real.select(loop._patience)
            if not ready:
                raise VirtualTimeError(
                    f"Waited {loop._patience} real seconds for a thread or a socket.{loop._waiting()}"
                )
            return ready
        if timeout is None:
            raise Deadlock(f"Nothing will ever happen again.{loop._waiting()}")
        if outside and loop._io_grace and (ready := self._real.select(loop._io_grace)):
            return ready
        loop._jump(timeout)
        return []

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        if self._loop._io_grace is None and self._real.get_map():
            raise VirtualTimeError(
                "Sockets and pipes are refused in virtual time; use fakes, or set io_grace"
                " when both ends are on this loop."
            )
        return self._real.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._real.unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.modify(fileobj, events, data)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._real.get_map()

    def close(self) -> None:
        self._real.close()


def run(main: Coroutine[Any, Any, T], **options: Any) -> T:
    """Run `main` to its end in virtual time; `options` are those of `VirtualTimeLoop`."""
    with asyncio.Runner(loop_factory=lambda: VirtualTimeLoop(**options)) as runner:
        return runner.run(main)
