"""`.env.example` names every setting once, with its default."""

from __future__ import annotations

import re
from pathlib import Path

from dotenv import dotenv_values
from pydantic import SecretStr

from voicebot.settings import Settings, load_settings

EXAMPLE = Path(__file__).parents[2] / ".env.example"
SETTING = re.compile(r"^# ([A-Z][A-Z0-9_]*)=(.*)$", re.MULTILINE)


def documented() -> list[tuple[str, str]]:
    return SETTING.findall(EXAMPLE.read_text())


def default(name: str) -> str:
    value = Settings.model_fields[name].default
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)


def test_every_setting_is_there_once_with_its_default() -> None:
    assert sorted(documented()) == sorted((name.upper(), default(name)) for name in Settings.model_fields)


def test_each_setting_has_a_word_of_explanation() -> None:
    lines = EXAMPLE.read_text().splitlines()
    for name, value in documented():
        index = lines.index(f"# {name}={value}")
        block = lines[max(0, index - 6) : index]
        assert any(re.match(r"# \S", line) and not SETTING.match(line) for line in block), name


def test_the_file_can_be_used_with_every_line_uncommented(tmp_path: Path) -> None:
    used = tmp_path / ".env"
    used.write_text(SETTING.sub(r"\1=\2", EXAMPLE.read_text()))
    assert set(dotenv_values(used)) == {name.upper() for name in Settings.model_fields}
    assert load_settings(used) == load_settings(None)
