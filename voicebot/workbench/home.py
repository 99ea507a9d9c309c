"""Where a notebook's settings and data are: not in `notebooks/`, but beside its project."""

from __future__ import annotations

from pathlib import Path

from voicebot.settings import Settings, load_settings

MARKS = (".env", ".env.example", "environment.yml", "data")


def find_home(start: Path | None = None) -> Path:
    """The nearest folder from `start` (default: the working folder) up that looks like a project.

    That is one with a `.env`, `.env.example`, `environment.yml` or `data` in it; without any,
    `start` itself.
    """
    start = (start or Path.cwd()).resolve()
    for folder in (start, *start.parents):
        if any((folder / mark).exists() for mark in MARKS):
            return folder
    return start


def notebook_settings(home: Path | None = None, **settings: object) -> Settings:
    """As `load_settings`, with `.env` and a relative DATA_DIR taken from the project's folder.

    Raises:
        SettingsError: names every wrong setting.
    """
    home = home or find_home()
    loaded = load_settings(home / ".env", **settings)
    return loaded.model_copy(update={"data_dir": home / loaded.data_dir})
