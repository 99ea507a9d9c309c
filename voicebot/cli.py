"""The `voicebot` command."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
import webbrowser
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from voicebot.errors import SettingsError, VoicebotError
from voicebot.logs import configure
from voicebot.settings import EVERYWHERE, Settings, is_loopback, load_settings
from voicebot.version import __version__

if TYPE_CHECKING:
    from voicebot.registry import Progress as OnProgress
    from voicebot.server.hosting import Hosting

app = typer.Typer(
    name="voicebot",
    help="People and AI agents in one voice lobby.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
out = Console(highlight=False)
err = Console(stderr=True, highlight=False)
logger = logging.getLogger(__name__)

BETTER = {
    "pocketsphinx": "STT_MODEL=faster-whisper:small hears more exactly, in many languages",
    "espeak": "TTS_MODEL=piper:en_US-lessac-medium sounds more natural",
    "flite": "TTS_MODEL=piper:en_US-lessac-medium sounds more natural",
    "offline": "OPENAI_API_KEY and OPENAI_MODEL, or OPENAI_BASE_URL of a local server such as Ollama, "
    "give the agents a language model",
}
ROLE_NAMES = {"stt": "Hearing (STT)", "tts": "Voice (TTS)", "llm": "Thinking (LLM)"}


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on; 0.0.0.0 for the network.")] = None,
    port: Annotated[int | None, typer.Option(help="Port; the next free one is taken if in use.")] = None,
    open: Annotated[bool, typer.Option("--open", help="Open the lobby in the browser.")] = False,
    demo: Annotated[bool, typer.Option(help="Make the demo lobby with one agent.")] = True,
) -> None:
    """Start the server and wait for people."""
    overrides = {k: v for k, v in {"host": host, "port": port}.items() if v is not None}
    settings = _settings(**overrides)
    configure(settings.log_level, settings.log_format, err)
    try:
        asyncio.run(_serve(settings, open_browser=open, demo=demo))
    except VoicebotError as error:
        code = 2 if isinstance(error, SettingsError) else 1
        if settings.log_format == "json":
            logger.critical("%s", error.message, extra={"code": error.code, "hint": error.hint})
            sys.exit(code)
        _fail(error, code)
    except KeyboardInterrupt:  # before the signal handler was there
        sys.exit(130)


@app.command()
def doctor(
    turn: Annotated[bool, typer.Option("--turn", help="Only the TURN server, thoroughly.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    allow_private: Annotated[
        bool, typer.Option("--allow-private", help="The TURN server may relay to private networks.")
    ] = False,
) -> None:
    """Check models, language model, TURN, ports and browser, and say what to do."""
    from voicebot.doctor import main as examine

    sys.exit(examine(turn=turn, json=json, allow_private=allow_private))


@app.command()
def coturn(
    realm: Annotated[str | None, typer.Option(help="Your domain; default: COTURN_SERVER's host.")] = None,
    port: Annotated[int, typer.Option(help="UDP and TCP port.", min=1, max=65535)] = 3478,
    tls_port: Annotated[int, typer.Option(help="TLS port; 443 gets through most.", min=1, max=65535)] = 5349,
    min_port: Annotated[int, typer.Option(help="First UDP port of relays.")] = 49152,
    max_port: Annotated[int, typer.Option(help="Last UDP port of relays.")] = 65535,
    cert: Annotated[Path | None, typer.Option(help="TLS certificate with its chain, PEM.")] = None,
    key: Annotated[Path | None, typer.Option(help="The certificate's key, PEM.")] = None,
    listening_ip: Annotated[str, typer.Option(help="Listen and relay only here.")] = "",
    external_ip: Annotated[str, typer.Option(help="Behind NAT: PUBLIC/PRIVATE address.")] = "",
    allow_private: Annotated[
        bool, typer.Option("--allow-private", help="Relay to private networks too: for a LAN and for tests.")
    ] = False,
) -> None:
    """Print a safe turnserver.conf for coturn, with COTURN_SECRET or a new secret in it."""
    from voicebot.signaling.coturn import CoturnOptions, default_realm, new_secret, turnserver_conf

    settings = _settings()
    secret = settings.coturn_secret.get_secret_value()
    try:
        options = CoturnOptions(
            realm=realm or default_realm(settings.coturn_server, settings.public_url),
            secret=secret or new_secret(),
            port=port,
            tls_port=tls_port,
            min_port=min_port,
            max_port=max_port,
            cert=cert,
            key=key,
            listening_ip=listening_ip,
            external_ip=external_ip,
            allow_private=allow_private,
        )
        print(turnserver_conf(options), end="")  # noqa: T201
    except VoicebotError as error:
        _fail(error, 2)
    if not secret:
        err.print(f"Write into .env: COTURN_SECRET={options.secret}", soft_wrap=True, markup=False)
    if not settings.coturn_server:
        err.print("and COTURN_SERVER= with the host name of the machine coturn runs on.", soft_wrap=True)
    err.print("Then voicebot doctor --turn proves that it relays, and where it does not.", soft_wrap=True)


@app.command()
def version() -> None:
    """Print the version."""
    out.print(__version__)


def main() -> None:
    """Entry point of the `voicebot` command."""
    app()


async def _serve(settings: Settings, *, open_browser: bool, demo: bool) -> None:
    from voicebot.server.hosting import Hosting
    from voicebot.server.telemetry.gc_tuning import settle_collector

    stopping: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    loop = asyncio.get_running_loop()
    with _progress(shown=settings.log_format == "text") as progress:
        hosting = Hosting(settings, demo=demo, progress=progress)
        starting = asyncio.create_task(hosting.start(), name="start")
        for number in (signal.SIGINT, signal.SIGTERM):
            with contextlib.suppress(NotImplementedError):  # Windows: Ctrl-C arrives as KeyboardInterrupt
                loop.add_signal_handler(number, _interrupt, number, stopping, starting)
        try:
            await starting
        except asyncio.CancelledError:
            if not stopping.done():
                raise
            out.print("Stopped before it had started.")
            return
    settle_collector()
    try:
        _announce(hosting, demo)
        if open_browser:
            webbrowser.open(hosting.lobby_url("demo") if demo else hosting.url)
        await _drain(hosting, settings.drain_seconds if await stopping == signal.SIGTERM else 0.0)
    finally:
        await hosting.stop()
    out.print("Stopped. Conversations are in", escape(str(settings.data_dir / "conversations")))


async def _drain(hosting: Hosting, seconds: float) -> None:
    """Nobody new comes in; those who are here get `seconds`."""
    out.print("\nStopping ...")
    people = hosting.people
    if people and seconds:
        here = "1 person is" if people == 1 else f"{people} people are"
        out.print(f"{here} here and nobody new comes in. Waiting up to {seconds:g} s; again: end at once.")
    await hosting.drain(seconds)


def _interrupt(number: int, stopping: asyncio.Future[int], starting: asyncio.Task[None]) -> None:
    """The first one stops in good order, a second one does not wait for that."""
    if stopping.done():
        out.print("Ended at once.")
        os._exit(128 + number)  # threads may hang; the workers end with their pipes
    stopping.set_result(number)
    if not starting.done():
        starting.cancel()


def _announce(hosting: Hosting, demo: bool) -> None:
    """Where to go, what was chosen and why, and what would be better."""
    settings = hosting.settings
    asked = settings.port
    if asked and hosting.port != asked:
        out.print(f"[yellow]Port {asked} is in use, so port {hosting.port} was taken.[/]")
    if not hosting.client_built:
        out.print("[yellow]The browser client is not built yet: run[/] make client")
    out.print()
    address = hosting.lobby_url("demo") if demo else hosting.url
    out.print(f"[bold green]Open[/] [bold]{escape(address)}[/]", soft_wrap=True)
    out.print(_reachable(hosting), soft_wrap=True)
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    better: list[str] = []
    for role, name in ROLE_NAMES.items():
        choice = hosting.models.chosen.get(role)  # type: ignore[call-overload]
        if choice is not None:
            table.add_row(name, f"[bold]{escape(choice.spec)}[/]", escape(choice.reason))
            if choice.warning:
                table.add_row("", "", f"[yellow]{escape(choice.warning)}[/]")
            hint = BETTER.get(choice.spec.partition(":")[0])
            if hint:
                better.append(hint)
    out.print(table)
    if better:
        out.print("[dim]For better ones set in .env (.env.example explains each):[/]")
        for hint in better:
            out.print(f"  {escape(hint)}", soft_wrap=True)
    out.print("[dim]Ctrl-C stops the server; voicebot doctor checks every part.[/]")


def _reachable(hosting: Hosting) -> str:
    if hosting.settings.public_url:
        return f"[dim]Listening on {escape(hosting.settings.host)}:{hosting.port}[/]"
    host = hosting.settings.host
    if not is_loopback(host):
        lan = f"http://{_lan_address()}:{hosting.port}/" if host in EVERYWHERE else hosting.url
        return (
            f"[dim]From other machines: {escape(lan)} - but browsers give them the microphone only over "
            "https: put an https proxy in front and set PUBLIC_URL to its address.[/]"
        )
    return "[dim]Only this machine can open it; HOST=0.0.0.0 lets the local network in.[/]"


def _lan_address() -> str:
    """The address other machines of the network reach this one by; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
            return str(probe.getsockname()[0])
        except OSError:
            return socket.gethostname()


@contextlib.contextmanager
def _progress(shown: bool) -> Iterator[OnProgress]:
    """A bar per thing that is loaded or downloaded; gone when all is there."""
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=err, transient=True, disable=not shown) as bars:
        tasks: dict[str, TaskID] = {}

        def show(what: str, fraction: float | None) -> None:
            task = tasks.get(what)
            if task is None:
                task = tasks[what] = bars.add_task(escape(what), total=None)
            if fraction is not None:
                bars.update(task, total=1.0, completed=fraction)

        yield show


def _settings(**overrides: object) -> Settings:
    try:
        return load_settings(".env", **overrides)
    except SettingsError as error:
        _fail(error, 2)


def _fail(error: VoicebotError, code: int) -> NoReturn:
    err.print(f"[bold red]Error:[/] {escape(error.message)}", soft_wrap=True)
    if error.hint:
        err.print(escape(error.hint), soft_wrap=True)
    sys.exit(code)
