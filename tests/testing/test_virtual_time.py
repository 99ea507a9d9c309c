from __future__ import annotations

import asyncio
import socket
import threading

import pytest

from voicebot.testing.virtual_time import Deadlock, VirtualTimeError, VirtualTimeLoop, run


@pytest.mark.virtual_time
async def test_sleeping_jumps_the_clock_exactly() -> None:
    loop = asyncio.get_running_loop()
    start = loop.time()
    await asyncio.sleep(3000)
    assert loop.time() - start == pytest.approx(3000, abs=1e-6)


@pytest.mark.virtual_time
async def test_timers_fire_in_order_and_at_their_time() -> None:
    loop = asyncio.get_running_loop()
    start, fired = loop.time(), []
    for delay in (0.3, 0.1, 0.2, 0.1):
        loop.call_later(delay, lambda d=delay: fired.append((d, round(loop.time() - start, 9))))
    await asyncio.sleep(1)
    assert fired == [(0.1, 0.1), (0.1, 0.1), (0.2, 0.2), (0.3, 0.3)]


@pytest.mark.virtual_time
async def test_timeouts_are_virtual() -> None:
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.Event().wait(), 500)


@pytest.mark.virtual_time
async def test_the_clock_stands_still_while_a_thread_works() -> None:
    loop = asyncio.get_running_loop()
    start, ticks = loop.time(), []
    release = threading.Event()
    loop.call_later(5, ticks.append, "later")

    def work() -> float:
        release.wait(10)
        return loop.time()

    job = asyncio.create_task(asyncio.to_thread(work))
    await asyncio.sleep(0)
    threading.Timer(0.05, release.set).start()
    assert await job == start
    assert loop.time() == start
    assert ticks == []


@pytest.mark.virtual_time
async def test_hold_waits_for_a_thread_the_loop_does_not_know() -> None:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualTimeLoop)
    done = loop.create_future()
    thread = threading.Timer(0.05, lambda: loop.call_soon_threadsafe(done.set_result, "seen"))
    start = loop.time()
    with loop.hold():
        thread.start()
        assert await asyncio.wait_for(done, 1) == "seen"
    assert loop.time() == start
    thread.join()


@pytest.mark.virtual_time
async def test_sockets_are_refused() -> None:
    left, right = socket.socketpair()
    with left, right:
        left.setblocking(False)
        with pytest.raises(VirtualTimeError, match="io_grace"):
            await asyncio.get_running_loop().sock_recv(left, 1)


@pytest.mark.virtual_time
async def test_subprocesses_are_refused() -> None:
    with pytest.raises(VirtualTimeError, match="subprocess"):
        await asyncio.create_subprocess_exec("true")


@pytest.mark.virtual_time(io_grace=0.005)
async def test_sockets_with_both_ends_on_the_loop_work_when_allowed() -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        data = await reader.readline()
        await asyncio.sleep(60)  # virtual
        writer.write(data)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    async with server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        start = asyncio.get_running_loop().time()
        writer.write(b"hello\n")
        assert await reader.readline() == b"hello\n"
        assert asyncio.get_running_loop().time() - start == pytest.approx(60, abs=1)
        writer.close()
        await writer.wait_closed()


def test_a_deadlock_error_names_the_waiting_tasks() -> None:
    async def stuck() -> None:
        await asyncio.create_task(asyncio.Event().wait(), name="waits-for-godot")

    with pytest.raises(Deadlock, match=r"waits-for-godot waits at .*locks\.py"):
        run(stuck())


def test_a_run_that_never_ends_fails() -> None:
    async def ticker() -> None:
        while True:  # noqa: ASYNC110 - a heartbeat that nothing stops
            await asyncio.sleep(1)

    with pytest.raises(VirtualTimeError, match="Still running"):
        run(ticker(), limit=50)


def test_a_hold_that_is_never_released_fails() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualTimeLoop)
        with loop.hold():
            await asyncio.sleep(1)

    with pytest.raises(VirtualTimeError, match="real seconds"):
        run(main(), patience=0.05)


def test_run_returns_the_result() -> None:
    async def main() -> str:
        await asyncio.sleep(10)
        return "done"

    assert run(main()) == "done"


async def test_unmarked_tests_run_in_real_time() -> None:
    assert not isinstance(asyncio.get_running_loop(), VirtualTimeLoop)
