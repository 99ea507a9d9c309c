"""The controls of the panel: menus that swap models, and a line that adds an agent."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from html import escape
from typing import Any

import ipywidgets  # type: ignore[import-untyped]

from voicebot.agent.models.models import Models, SwapRole
from voicebot.errors import VoicebotError, one_line
from voicebot.registry import Progress
from voicebot.tasks import cancel

ROLES: dict[SwapRole, str] = {"stt": "Speech to text", "tts": "Text to speech", "llm": "Language model"}
Swap = Callable[[SwapRole, str, Progress], Awaitable[object]]


class ModelControl(ipywidgets.VBox):  # type: ignore[misc]
    """The control of one role: a dropdown, a progress bar while a model loads, and the result.

    The dropdown always shows the model in use; after a failed load it returns to the old one and says why.
    Its callback may run on another thread, but all work runs on `loop`.
    """

    def __init__(self, role: SwapRole, models: Models, swap: Swap, loop: asyncio.AbstractEventLoop) -> None:
        self._role: SwapRole = role
        self._models = models
        self._swap = swap
        self._loop = loop
        self._tasks: set[asyncio.Task[None]] = set()
        self._setting = False
        self._stopped = False
        self._shown = ""
        self.dropdown = ipywidgets.Dropdown(
            description=ROLES[role],
            style={"description_width": "110px"},
            layout={"width": "auto"},
        )
        self.bar = ipywidgets.FloatProgress(min=0.0, max=1.0, layout={"display": "none", "width": "auto"})
        self.status = ipywidgets.HTML()
        self.refresh()
        self.dropdown.observe(self._chosen, names="value")
        super().__init__([self.dropdown, self.bar, self.status], layout={"width": "100%"})

    def refresh(self) -> None:
        """Show the model in use and the other models."""
        choice = self._models.chosen[self._role]
        options = [
            (o.spec if o.availability.status == "ready" else f"{o.spec} ({o.availability.reason})", o.spec)
            for o in self._models.options(self._role)
        ]
        if choice.spec not in [spec for _, spec in options]:
            options.insert(0, (choice.spec, choice.spec))
        self._setting = True
        try:
            self.dropdown.options = options
            self.dropdown.value = choice.spec
        finally:
            self._setting = False
        if choice.spec != self._shown:
            self._shown = choice.spec
            self._say(choice.warning or choice.reason)

    def _chosen(self, change: dict[str, Any]) -> None:
        if not self._setting:
            self._loop.call_soon_threadsafe(self._begin, str(change["new"]))

    def _begin(self, spec: str) -> None:
        if self._stopped or self._tasks or spec == self._models.chosen[self._role].spec:
            return
        task = self._loop.create_task(self._change(spec), name=f"swap-{self._role}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _change(self, spec: str) -> None:
        self.dropdown.disabled = True
        self.bar.value, self.bar.layout.display = 0.0, ""
        self._say(f"Loading {spec} …")
        try:
            await self._swap(self._role, spec, self._progress)
        except Exception as error:  # a backend may raise anything, and the panel must continue
            known = isinstance(error, VoicebotError)
            problem = str(error) if known else f"{spec} failed: {type(error).__name__}: {one_line(error)}."
            self._say(f"{problem} {self._models.chosen[self._role].spec} stays in use.", bad=True)
        else:
            self.refresh()
            self._say(f"{spec} is in use from the next turn on.")
        finally:
            self.bar.layout.display = "none"
            self.dropdown.disabled = self._stopped
            self.refresh()

    async def stop(self) -> None:
        """Cancel a running swap, and start no more."""
        self._stopped = self.dropdown.disabled = True
        if await cancel(self._tasks):
            self._say("Stopped.")

    def _progress(self, what: str, fraction: float | None) -> None:
        self._loop.call_soon_threadsafe(self._show_progress, what, fraction)

    def _show_progress(self, what: str, fraction: float | None) -> None:
        if not self._tasks:
            return
        self.bar.value = 1.0 if fraction is None else fraction
        self.bar.bar_style = "info" if fraction is None else ""
        self._say(what)

    def _say(self, text: str, bad: bool = False) -> None:
        colour = "var(--jp-error-color1, #d32f2f)" if bad else "var(--jp-ui-font-color2, GrayText)"
        self.status.value = (
            f'<div style="color:{colour};font-size:12px;line-height:1.4;margin-left:114px">'
            f"{escape(text)}</div>"
        )


class AddAgent(ipywidgets.HBox):  # type: ignore[misc]
    """A line of text from which it makes an agent."""

    def __init__(self, spawn: Callable[[str], Awaitable[object]], loop: asyncio.AbstractEventLoop) -> None:
        self._spawn = spawn
        self._loop = loop
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopped = False
        self.text = ipywidgets.Text(
            placeholder="Add an agent: a grumpy lighthouse keeper",
            layout={"flex": "1 1 auto", "width": "auto"},
        )
        self.button = ipywidgets.Button(description="Add", button_style="primary", layout={"width": "72px"})
        self.button.on_click(lambda _: self._loop.call_soon_threadsafe(self._begin))
        self.text.on_msg(self._submitted)
        super().__init__([self.text, self.button], layout={"width": "100%"})

    def _submitted(self, _: object, content: dict[str, Any], __: object) -> None:
        if content.get("event") == "submit":  # Enter
            self._loop.call_soon_threadsafe(self._begin)

    def _begin(self) -> None:
        description = self.text.value.strip()
        if self._stopped or not description or self._tasks:
            return
        task = self._loop.create_task(self._add(description), name="add-agent")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _add(self, description: str) -> None:
        self.button.disabled = True
        try:
            await self._spawn(description)
            self.text.value = ""
        except Exception:  # spawn shows a notice; the text stays for another attempt
            return
        finally:
            self.button.disabled = self._stopped

    async def stop(self) -> None:
        """Cancel a running addition, and start no more."""
        self._stopped = self.button.disabled = self.text.disabled = True
        await cancel(self._tasks)
