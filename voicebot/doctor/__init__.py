"""`voicebot doctor`: check every part, and say what to do about each problem."""

from __future__ import annotations

import asyncio
import json as jsonlib
import sys
from collections.abc import AsyncIterator, Iterable
from dataclasses import asdict

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from voicebot.doctor import machine, models, network
from voicebot.doctor.check import Check, Status
from voicebot.errors import SettingsError
from voicebot.server.endpoints.static_client import STATIC
from voicebot.settings import Settings, load_settings

__all__ = ["Check", "Status", "examine", "main", "plain", "table"]

MARKS: dict[Status, str] = {
    "ok": "[green]ok[/]",
    "note": "[cyan]note[/]",
    "warning": "[yellow]warning[/]",
    "failed": "[bold red]failed[/]",
}


async def examine(
    settings: Settings | None = None, *, turn: bool = False, allow_private: bool = False
) -> AsyncIterator[Check]:
    """Yield each check as soon as it is done. With `turn`, test only the TURN server, thoroughly.

    Without `settings`, read them from the environment and `.env`. Wrong settings are a failed check, and
    the other checks then use the defaults.
    """
    if settings is None:
        try:
            settings = load_settings()
            yield Check("Settings", "settings", "ok", "all are valid")
        except SettingsError as error:
            yield Check("Settings", "settings", "failed", error.message, error.hint)
            settings = Settings.model_construct()
    if not turn:
        for check in machine.python():
            yield check
        for check in await asyncio.to_thread(models.roles, settings):
            yield check
        for asked in (models.end_of_turn, models.language_model_server):
            if (found := await asked(settings)) is not None:
                yield found
        for check in await models.local_servers(settings):
            yield check
    for check in await network.turn_checks(settings, proof=turn, allow_private=allow_private):
        yield check
    if not turn:
        yield machine.port(settings)
        yield await asyncio.to_thread(machine.data_folder, settings)
        yield machine.programs_for_tests()
        yield machine.client(STATIC)
        for check in machine.microphone(settings):
            yield check


def plain(checks: Iterable[Check]) -> str:
    """Return one line per check, with its advice below."""
    lines = []
    for check in checks:
        lines.append(f"{check.status:8}{check.group}: {check.name}: {check.detail}")
        if check.advice and check.status != "ok":
            lines.append(f"{'':8}-> {check.advice}")
    return "\n".join(lines)


def table(checks: Iterable[Check]) -> Table:
    """Return the checks as a table for a terminal."""
    made = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    made.add_column(no_wrap=True)
    made.add_column(no_wrap=True)
    made.add_column(overflow="fold")
    group = ""
    for check in checks:
        if check.group != group:
            group = check.group
            made.add_row("", f"[bold]{escape(group)}[/]", "")
        text = escape(check.detail)
        if check.advice and check.status != "ok":
            text += f"\n[dim]-> {escape(check.advice)}[/]"
        made.add_row(MARKS[check.status], escape(check.name), text)
    return made


def main(
    settings: Settings | None = None,
    *,
    turn: bool = False,
    json: bool = False,
    allow_private: bool = False,
) -> int:
    """Run the checks, print them, and return the exit code: 1 if one failed, else 0.

    The output is a table in a terminal, plain lines in a pipe, or JSON: {"ok": ..., "checks": [...]}.
    """

    async def run() -> list[Check]:
        return [check async for check in examine(settings, turn=turn, allow_private=allow_private)]

    checks = asyncio.run(run())
    failed = [check for check in checks if check.status == "failed"]
    if json:
        content = {"ok": not failed, "checks": [asdict(check) for check in checks]}
        print(jsonlib.dumps(content, indent=2))  # noqa: T201
    elif sys.stdout.isatty():
        console = Console(highlight=False)
        console.print(table(checks))
        verdict = (
            f"[bold red]{len(failed)} failed[/]" if failed else "[green]Everything that is needed works.[/]"
        )
        console.print(f"\n{verdict}")
    else:
        print(plain(checks))  # noqa: T201
    return 1 if failed else 0
