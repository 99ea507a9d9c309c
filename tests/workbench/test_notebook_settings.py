from __future__ import annotations

import pytest

from voicebot.errors import SettingsError
from voicebot.settings import find_home
from voicebot.workbench.workbench import notebook_settings


def test_a_notebook_uses_the_settings_and_data_of_its_project(tmp_path, monkeypatch):
    (tmp_path / ".env").write_text("ENDPOINT_DELAY=0.7\n")
    notebooks = tmp_path / "notebooks"
    notebooks.mkdir()
    monkeypatch.chdir(notebooks)
    monkeypatch.delenv("DATA_DIR", raising=False)
    assert find_home() == tmp_path
    settings = notebook_settings(port=0)
    assert settings.endpoint_delay == 0.7
    assert settings.data_dir == tmp_path / "data"
    assert settings.mcp_config == ""
    assert notebook_settings(mcp_config="mcp.json").mcp_config == str(tmp_path / "mcp.json")


def test_an_absolute_data_folder_is_kept(tmp_path):
    assert notebook_settings(tmp_path, data_dir=tmp_path / "else").data_dir == tmp_path / "else"


def test_a_folder_outside_any_project_is_its_own_home(tmp_path, monkeypatch):
    monkeypatch.setattr("voicebot.settings.HOME_MARKS", ("no-such-mark-anywhere",))
    assert find_home(tmp_path) == tmp_path


def test_a_data_folder_does_not_mark_a_project(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "inner").mkdir()
    assert find_home(tmp_path / "inner") != tmp_path


def test_a_wrong_setting_is_named(tmp_path):
    with pytest.raises(SettingsError, match="ENDPOINT_DELAY"):
        notebook_settings(tmp_path, endpoint_delay=99)
