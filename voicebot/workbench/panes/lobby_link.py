"""The way into the lobby: a link that always works, and the client inside the notebook."""

from __future__ import annotations

import anywidget
import traitlets

from voicebot.workbench.panes.feed import source


class LobbyLink(anywidget.AnyWidget):
    """An "open in new tab" link and, once asked for, the client in an IFrame.

    The page decides where the link goes: straight to the server when the notebook itself is
    open on this machine, through jupyter-server-proxy (`proxy/<port>/`) when it is open from
    elsewhere and the server has no public address of its own.
    """

    _esm = source("feed.js", "lobby_link.js")
    _css = source("theme.css", "lobby_link.css")

    url = traitlets.Unicode().tag(sync=True)
    """Where the server is, as seen from the kernel, with the lobby in its query."""
    public = traitlets.Bool(False).tag(sync=True)
    """`url` is a public address: never go through a proxy."""
    shown = traitlets.Bool(False).tag(sync=True)
    """The client is shown here."""
    height = traitlets.Int(640).tag(sync=True)
    """Of the embedded client, in CSS pixels."""
    running = traitlets.Bool(True).tag(sync=True)
