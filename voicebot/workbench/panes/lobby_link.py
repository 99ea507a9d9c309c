"""The way into the lobby: a link, and the client inside the notebook."""

from __future__ import annotations

import anywidget
import traitlets

from voicebot.workbench.panes.feed import source


class LobbyLink(anywidget.AnyWidget):
    """A link that opens the lobby in a new tab and, on demand, the client in an iframe.

    The page chooses the address: the server itself if the notebook is open on this machine, and
    jupyter-server-proxy (`proxy/<port>/`) if it is open elsewhere and the server has no public address.
    """

    _esm = source("feed.js", "lobby_link.js")
    _css = source("theme.css", "lobby_link.css")

    url = traitlets.Unicode().tag(sync=True)
    """The server's address as seen from the kernel, with the lobby in its query."""
    public = traitlets.Bool(False).tag(sync=True)
    """Whether `url` is a public address, which needs no proxy."""
    shown = traitlets.Bool(False).tag(sync=True)
    """Whether the client is shown in the notebook."""
    height = traitlets.Int(640).tag(sync=True)
    """Height of the embedded client, in CSS pixels."""
    running = traitlets.Bool(True).tag(sync=True)
    """Whether the server is running."""
