from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from voicebot import doctor
from voicebot.doctor.check import Check
from voicebot.settings import load_settings


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_part_is_checked(capsys: pytest.CaptureFixture[str]) -> None:
    code = doctor.main()
    lines = capsys.readouterr().out.splitlines()
    for part in ("Settings", "Python", "Models", "Network", "Machine", "Browser"):
        assert any(part in line for line in lines), part
    assert code == (1 if any(line.startswith("failed") for line in lines) else 0)


def test_wrong_settings_are_a_failed_check_and_the_others_still_run(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / ".env").write_text("PORT=eighty\nOPENAI_BASE_URL=localhost:11434\n")
    assert doctor.main(json=True) == 1
    content = json.loads(capsys.readouterr().out)
    assert content["ok"] is False
    first = content["checks"][0]
    assert first["status"] == "failed"
    assert "PORT='eighty'" in first["detail"]
    assert "OPENAI_BASE_URL" in first["detail"]
    assert len(content["checks"]) > 8


def test_a_settings_file_that_is_not_text_is_a_failed_check(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / ".env").write_bytes(b"PORT=\xff\xfe")
    assert doctor.main(json=True) == 1
    assert "UTF-8" in json.loads(capsys.readouterr().out)["checks"][0]["advice"]


def test_with_turn_only_the_turn_server_is_checked(capsys: pytest.CaptureFixture[str]) -> None:
    settings = load_settings(None, coturn_server="turn:127.0.0.1:1?transport=tcp", coturn_secret="canary")
    assert doctor.main(settings, turn=True) == 1
    out = capsys.readouterr().out
    assert [line.split(":")[0] for line in out.splitlines()[::2]] == ["failed  Network"]
    assert "canary" not in out


def test_the_table_shows_advice_and_survives_markup() -> None:
    console = Console(width=100, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(doctor.table([Check("G", "n", "failed", "[/bold] broken", "do [this]")]))
    text = console.export_text()
    assert "[/bold] broken" in text
    assert "-> do [this]" in text
    console.file.close()


def test_a_failure_without_advice_is_refused() -> None:
    with pytest.raises(ValueError, match="needs advice"):
        Check("G", "n", "failed", "broken")


def test_the_command_exits_with_one_when_something_failed(folder: Path) -> None:
    (folder / ".env").write_text("PORT=eighty\n")
    command = [sys.executable, "-m", "voicebot", "doctor", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, timeout=120)
    assert done.returncode == 1
    assert "PORT='eighty'" in json.loads(done.stdout)["checks"][0]["detail"]
    done = subprocess.run([*command, "--turn"], capture_output=True, text=True, cwd=folder, timeout=120)
    assert [c["group"] for c in json.loads(done.stdout)["checks"]] == ["Settings", "Network"]
