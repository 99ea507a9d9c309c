"""The security page names only existing tests, and all tests of this folder."""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
TEXT = (TESTS.parent / "voicebot/server/security.md").read_text("utf-8")
NAMED = set(re.findall(r"([\w/]+\.py)::(test_\w+)", TEXT))


def functions_of(file: Path) -> set[str]:
    return set(re.findall(r"^(?:async )?def (test_\w+)", file.read_text("utf-8"), re.MULTILINE))


def test_each_named_test_exists() -> None:
    assert len(NAMED) >= 30
    missing = {(file, test) for file, test in NAMED if test not in functions_of(TESTS / file)}
    assert missing == set()


def test_every_test_of_security_is_named() -> None:
    here = {
        (file.relative_to(TESTS).as_posix(), test)
        for file in Path(__file__).parent.rglob("test_*.py")
        for test in functions_of(file)
    }
    assert here - NAMED == set()
    for row in re.findall(r"^\| (?!threat|---).*\|$", TEXT, re.MULTILINE):
        assert "::test_" in row, row
