from __future__ import annotations

import os
import socket
from importlib import metadata
from pathlib import Path

import pytest

from voicebot.doctor import machine
from voicebot.settings import load_settings


def test_the_running_python_and_its_packages_pass() -> None:
    python, packages = machine.python()
    assert (python.status, packages.status) == ("ok", "ok")


def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        machine, "requires", lambda name: ["numpy>=2", "no-such-thing[x]>=1; python_version>'3'"]
    )
    check = list(machine.python())[1]
    assert check.status == "failed"
    assert "pip install no-such-thing`," in check.advice


def test_packages_for_other_pythons_and_extras_are_not_reported_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    others = ["numpy>=2", "no-such-thing; python_version < '3'", "no-such-other; extra == 'all'"]
    monkeypatch.setattr(machine, "requires", lambda name: others)
    check = list(machine.python())[1]
    assert (check.status, check.detail) == ("ok", "all 1 are installed")


def test_the_check_fails_if_voicebot_itself_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    def requires(name: str) -> list[str]:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(machine, "requires", requires)
    assert list(machine.python())[1].status == "failed"


def test_the_data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there = load_settings(None, data_dir=tmp_path)
    assert machine.data_folder(there).status == "ok"
    missing = load_settings(None, data_dir=tmp_path / "a" / "b")
    assert machine.data_folder(missing).status == "ok"
    assert not (tmp_path / "a").exists()
    (tmp_path / "file").write_text("")
    in_the_way = machine.data_folder(load_settings(None, data_dir=tmp_path / "file" / "data"))
    assert in_the_way.status == "failed"
    assert "DATA_DIR" in in_the_way.advice
    monkeypatch.setattr(machine, "LITTLE_SPACE", 2**80)
    assert machine.data_folder(there).status == "warning"
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]


def test_a_data_folder_inside_an_unsearchable_folder_is_reported(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0)
    me = os.geteuid()
    if me == 0:  # whom permissions do not stop
        os.seteuid(65534)
    try:
        check = machine.data_folder(load_settings(None, data_dir=closed / "data"))
    finally:
        os.seteuid(me)
        closed.chmod(0o700)
    assert check.status == "failed"
    assert "Permission denied" in check.detail


def test_the_port() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        number = taken.getsockname()[1]
        in_use = machine.port(load_settings(None, port=number))
        assert (in_use.status, "next free port" in in_use.detail) == ("note", True)
    assert machine.port(load_settings(None, port=0)).status == "ok"
    elsewhere = machine.port(load_settings(None, port=0, host="192.0.2.1"))
    assert elsewhere.status == "failed"
    for host in ("no-such-host.invalid", "a..b", "x" * 64):
        nowhere = machine.port(load_settings(None, host=host))
        assert "HOST=127.0.0.1" in nowhere.advice


@pytest.mark.parametrize(
    ("host", "public_url", "status"),
    [
        ("127.0.0.1", "", "ok"),
        ("0.0.0.0", "", "warning"),
        ("0.0.0.0", "https://talk.example", "ok"),
        ("0.0.0.0", "http://talk.example", "failed"),
        ("127.0.0.1", "http://localhost:8888/proxy/8000", "ok"),
    ],
)
def test_the_microphone_needs_https_or_this_machine(host: str, public_url: str, status: str) -> None:
    checks = list(machine.microphone(load_settings(None, host=host, public_url=public_url)))
    assert checks[0].status == status


def test_localhost_is_suggested_only_if_the_server_listens_on_it() -> None:
    [everywhere, *_] = machine.microphone(load_settings(None, host="0.0.0.0"))
    assert everywhere.advice.endswith("open http://localhost.")
    [one, *_] = machine.microphone(load_settings(None, host="192.168.1.5"))
    assert "HOST=0.0.0.0" in one.advice


def test_the_client(tmp_path: Path) -> None:
    assert machine.client(tmp_path).status == "failed"
    (tmp_path / "index.html").write_text("<!doctype html>")
    assert machine.client(tmp_path).status == "ok"


def test_programs_for_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine.shutil, "which", lambda name: None if name == "turnserver" else "/usr/bin/x")
    check = machine.programs_for_tests()
    assert (check.status, "apt install coturn" in check.advice) == ("note", True)
