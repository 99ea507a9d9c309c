"""The panel: all panes and controls of one lobby."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import ipywidgets  # type: ignore[import-untyped]

from voicebot.events import Event
from voicebot.lobby.lobby import Joined, Left, LobbyEvent, Updated
from voicebot.workbench.panes.agents import AgentsPane
from voicebot.workbench.panes.controls import ROLES, AddAgent, ModelControl, Swap
from voicebot.workbench.panes.latency import LatencyPane
from voicebot.workbench.panes.lobby_link import LobbyLink
from voicebot.workbench.panes.notices import NoticesPane
from voicebot.workbench.panes.participants import ShownParticipants
from voicebot.workbench.panes.transcript import TranscriptPane

if TYPE_CHECKING:
    from voicebot.agent.models.models import Models


class Panel(ipywidgets.VBox):  # type: ignore[misc]
    """The notebook's view of one lobby. There is one per workbench session, with any number of displays.

    It follows the session from the start, so a display that you add later also shows earlier rows (the
    newest ones of each pane).

    Args:
        url: The lobby's address.
        public: Whether that address is public.
        models: The models in use.
        swap: Swaps the model of a role.
        spawn: Makes an agent from a description.
        remove: Removes the agent with an id.
    """

    def __init__(
        self,
        *,
        url: str,
        public: bool,
        models: Models,
        swap: Swap,
        spawn: Callable[[str], Awaitable[object]],
        remove: Callable[[str], None],
    ) -> None:
        loop = asyncio.get_running_loop()
        self.participants = ShownParticipants()
        self.notices = NoticesPane()
        self.link = LobbyLink(url=url, public=public)
        self.agents = AgentsPane(self.participants)
        self.add_agent = AddAgent(spawn, loop)
        self.transcript = TranscriptPane(self.participants)
        self.latency = LatencyPane(self.participants)
        self.models = {role: ModelControl(role, models, swap, loop) for role in ROLES}
        self.agents.on_page("remove", lambda message: remove(str(message.get("id"))))
        left = ipywidgets.VBox([self.transcript, self.latency], layout=_column("3 1 460px"))
        right = ipywidgets.VBox(
            [self.agents, self.add_agent, *self.models.values()], layout=_column("2 1 320px")
        )
        columns = ipywidgets.Box(
            [left, right], layout={"display": "flex", "flex_flow": "row wrap", "grid_gap": "10px"}
        )
        super().__init__([self.notices, self.link, columns], layout={"width": "100%", "grid_gap": "8px"})

    def on_event(self, event: Event) -> None:
        """Show one event of the conversation."""
        self.transcript.on_event(event)
        self.latency.on_event(event)
        self.notices.on_event(event)

    def on_lobby(self, change: LobbyEvent) -> None:
        """Show a participant who joined, changed or left."""
        if isinstance(change, Left):
            self.agents.drop(change.info.id)
        elif isinstance(change, Joined | Updated):
            self.agents.show(change.info)

    async def stop(self) -> None:
        """Cancel the work of the controls, and disable them."""
        for model in self.models.values():
            await model.stop()
        await self.add_agent.stop()

    def close_feeds(self) -> None:
        """Send the remaining rows, and show that the session is over."""
        self.link.running = False
        for pane in (self.transcript, self.latency, self.agents, self.notices):
            pane.flush()


def _column(flex: str) -> dict[str, Any]:
    return {"flex": flex, "grid_gap": "8px", "min_width": "0", "overflow": "visible"}
