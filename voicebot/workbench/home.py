"""The settings of a notebook, which come from its project and not from `notebooks/`."""

from __future__ import annotations

from pathlib import Path

from voicebot.settings import Settings, find_home, load_settings


def notebook_settings(home: Path | None = None, **settings: object) -> Settings:
    """Load the settings with `.env`, a relative DATA_DIR and a relative MCP_CONFIG in the project's folder.

    `home` is that folder; by default it is found from the working folder upwards.

    Raises:
        SettingsError: a setting is wrong; the error names every one.
    """
    home = home or find_home()
    loaded = load_settings(home / ".env", **settings)
    mcp = str(home / Path(loaded.mcp_config).expanduser()) if loaded.mcp_config else ""
    return loaded.model_copy(update={"data_dir": home / loaded.data_dir, "mcp_config": mcp})
