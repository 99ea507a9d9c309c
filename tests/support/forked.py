"""Processes of voicebot that start at once: they are forked from one that has imported everything already."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import runpy
import sys
from multiprocessing.process import BaseProcess
from pathlib import Path

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(
    ["voicebot.cli", "voicebot.server.hosting", "voicebot.llm.models", "structlog.contextvars"]
)


def start(*command: str, cwd: Path, output: Path, env: dict[str, str]) -> BaseProcess:
    """`python -m <command>`, with `env` beside the variables of the tests; appends its output to a file."""
    process = _context.Process(target=_run, args=(command, cwd, output, os.environ | env), daemon=True)
    process.start()
    return process


async def ended(process: BaseProcess) -> int:
    """Its exit code, as soon as there is one."""
    loop = asyncio.get_running_loop()
    over = asyncio.Event()
    loop.add_reader(process.sentinel, over.set)
    try:
        await over.wait()
    finally:
        loop.remove_reader(process.sentinel)
    assert process.exitcode is not None
    return process.exitcode


def _run(command: tuple[str, ...], cwd: Path, output: Path, env: dict[str, str]) -> None:
    os.environ.clear()
    os.environ.update(env)
    os.chdir(cwd)
    with output.open("ab") as file:
        for number in (1, 2):
            os.dup2(file.fileno(), number)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    sys.argv = ["voicebot", *command[1:]]
    runpy.run_module(command[0], run_name="__main__", alter_sys=True)
