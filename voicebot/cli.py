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
from voicebot.server.version import __version__
from voicebot.settings import EVERYWHERE, Settings, is_loopback, load_settings

if TYPE_CHECKING:
    from voicebot.registry import Progress as OnProgress
    from voicebot.server.hosting import Hosting

app = typer.Typer(
    name="voicebot",
    help="Run a voice lobby where people and AI agents talk to each other.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
out = Console(highlight=False)
err = Console(stderr=True, highlight=False)
logger = logging.getLogger(__name__)

BETTER = {
    "pocketsphinx": "STT_MODEL=faster-whisper:small is more accurate, in many languages",
    "espeak": "TTS_MODEL=piper:en_US-lessac-medium sounds more natural",
    "flite": "TTS_MODEL=piper:en_US-lessac-medium sounds more natural",
    "offline": "OPENAI_MODEL with OPENAI_API_KEY, or with OPENAI_BASE_URL of a local server such as Ollama, "
    "lets agents use a language model",
}
ROLE_NAMES = {"stt": "Speech to text", "tts": "Text to speech", "llm": "Language model"}


@app.command()
def serve(
    host: Annotated[
        str | None, typer.Option(help="Address to listen on; 0.0.0.0 means every network of the machine.")
    ] = None,
    port: Annotated[
        int | None, typer.Option(help="Port to listen on, or the next free one if it is taken.")
    ] = None,
    open: Annotated[bool, typer.Option("--open", help="Open the lobby in the browser.")] = False,
    demo: Annotated[bool, typer.Option(help="Create the demo lobby with one agent.")] = True,
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
    except KeyboardInterrupt:  # before the signal handlers were installed
        sys.exit(130)


@app.command()
def doctor(
    turn: Annotated[bool, typer.Option("--turn", help="Test only the TURN server, thoroughly.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the results as JSON.")] = False,
    allow_private: Annotated[
        bool, typer.Option("--allow-private", help="Accept a TURN server that relays to private networks.")
    ] = False,
) -> None:
    """Check models, TURN, ports and browser, and say how to fix each problem."""
    from voicebot.doctor import main as examine

    sys.exit(examine(turn=turn, json=json, allow_private=allow_private))


@app.command()
def coturn(
    realm: Annotated[
        str | None, typer.Option(help="Your domain; by default the host in COTURN_SERVER.")
    ] = None,
    port: Annotated[int, typer.Option(help="UDP and TCP port.", min=1, max=65535)] = 3478,
    tls_port: Annotated[
        int, typer.Option(help="TLS port; 443 gets through most firewalls.", min=1, max=65535)
    ] = 5349,
    min_port: Annotated[int, typer.Option(help="First UDP port for relays.")] = 49152,
    max_port: Annotated[int, typer.Option(help="Last UDP port for relays.")] = 65535,
    cert: Annotated[Path | None, typer.Option(help="TLS certificate with its chain, as a PEM file.")] = None,
    key: Annotated[Path | None, typer.Option(help="Key of the certificate, as a PEM file.")] = None,
    listening_ip: Annotated[str, typer.Option(help="Address to listen and relay on; by default all.")] = "",
    external_ip: Annotated[str, typer.Option(help="PUBLIC/PRIVATE addresses, if coturn is behind NAT.")] = "",
    allow_private: Annotated[
        bool, typer.Option("--allow-private", help="Also relay to private networks, for a LAN or a test.")
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
        err.print(f"Add to .env: COTURN_SECRET={options.secret}", soft_wrap=True, markup=False)
    if not settings.coturn_server:
        err.print("Set COTURN_SERVER in .env to the host name of the TURN server.", soft_wrap=True)
    err.print("Then run voicebot doctor --turn to test what it relays and what it denies.", soft_wrap=True)


@app.command()
def version() -> None:
    """Print the version."""
    out.print(__version__)


def main() -> None:
    """Entry point of the `voicebot` command."""
    app()


async def _serve(settings: Settings, *, open_browser: bool, demo: bool) -> None:
    from voicebot.server.hosting import Hosting
    from voicebot.server.telemetry.gc_tuning import tune_gc

    stopping: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    loop = asyncio.get_running_loop()
    with _progress(shown=settings.log_format == "text") as progress:
        hosting = Hosting(settings, demo=demo, progress=progress)
        starting = asyncio.create_task(hosting.start(), name="start")
        for number in (signal.SIGINT, signal.SIGTERM):
            with contextlib.suppress(NotImplementedError):  # on Windows, Ctrl-C raises KeyboardInterrupt
                loop.add_signal_handler(number, _interrupt, number, stopping, starting)
        try:
            await starting
        except asyncio.CancelledError:
            if not stopping.done():
                raise
            out.print("Stopped before the server had started.")
            return
    tune_gc()
    try:
        _announce(hosting, demo)
        if open_browser:
            webbrowser.open(hosting.lobby_url("demo") if demo else hosting.url)
        await _drain(hosting, settings.drain_seconds if await stopping == signal.SIGTERM else 0.0)
    finally:
        await hosting.stop()
    out.print("Stopped. Conversations are in", escape(str(settings.data_dir / "conversations")))


async def _drain(hosting: Hosting, seconds: float) -> None:
    """Admit nobody new, and give the people in the lobbies `seconds` to finish."""
    out.print("\nStopping ...")
    people = hosting.people
    if people and seconds:
        here = "1 person is" if people == 1 else f"{people} people are"
        out.print(f"{here} still here, and nobody new can join. A second signal stops the server at once.")
        out.print(f"Waiting for up to {seconds:g} s.")
    await hosting.drain(seconds)


def _interrupt(number: int, stopping: asyncio.Future[int], starting: asyncio.Task[None]) -> None:
    """Stop gracefully at the first signal, and at once at the second."""
    if stopping.done():
        out.print("Stopped at once.")
        os._exit(128 + number)  # threads may hang; workers end when their pipes close
    stopping.set_result(number)
    if not starting.done():
        starting.cancel()


def _announce(hosting: Hosting, demo: bool) -> None:
    """Print the address, the models with the reason for each choice, and better ones."""
    settings = hosting.settings
    asked = settings.port
    if asked and hosting.port != asked:
        out.print(f"[yellow]Port {asked} is taken, so the server listens on port {hosting.port}.[/]")
    if not hosting.client_built:
        out.print("[yellow]The web client is not built. To build it, run[/] make client")
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
        out.print("[dim]For better models, change .env (.env.example explains every setting):[/]")
        for hint in better:
            out.print(f"  {escape(hint)}", soft_wrap=True)
    out.print("[dim]Ctrl-C stops the server. voicebot doctor checks every part.[/]")


def _reachable(hosting: Hosting) -> str:
    host = hosting.settings.host
    if hosting.settings.public_url:
        return f"[dim]Listening on {escape(host)}:{hosting.port}[/]"
    if not is_loopback(host):
        lan = f"http://{_lan_address()}:{hosting.port}/" if host in EVERYWHERE else hosting.url
        return (
            f"[dim]Other machines can open {escape(lan)}, but browsers give them the microphone only over "
            "https: put an https proxy in front, and set PUBLIC_URL to its address.[/]"
        )
    return "[dim]Only this machine can open it. To open it to the local network, set HOST=0.0.0.0[/]"


def _lan_address() -> str:
    """The address of this machine on the local network. Nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
            return str(probe.getsockname()[0])
        except OSError:
            return socket.gethostname()


@contextlib.contextmanager
def _progress(shown: bool) -> Iterator[OnProgress]:
    """Show a bar for everything that is loaded or downloaded, until all is ready."""
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
