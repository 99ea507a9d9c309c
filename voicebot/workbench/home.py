"""Where a notebook's settings and data are: not in `notebooks/`, but beside its project."""

from __future__ import annotations

from pathlib import Path

from voicebot.settings import Settings, find_home, load_settings


def notebook_settings(home: Path | None = None, **settings: object) -> Settings:
    """As `load_settings`, with `.env` and a relative DATA_DIR and MCP_CONFIG taken from the project's folder.

    Raises:
        SettingsError: names every wrong setting.
    """
    home = home or find_home()
    loaded = load_settings(home / ".env", **settings)
    mcp = str(home / Path(loaded.mcp_config).expanduser()) if loaded.mcp_config else ""
    return loaded.model_copy(update={"data_dir": home / loaded.data_dir, "mcp_config": mcp})
