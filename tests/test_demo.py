"""The demo: it goes as told, in time, reads nobody's settings, and leaves nothing behind."""

from __future__ import annotations

import io
import json
import re
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

import demo
import main
from config import NAMES

_COMMAND = "  $ python -m main"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder for temporary files, and another one with an .env that must not be read."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    (tmp_path / ".env").write_text("".join(f"{name}=nonsense {{}}\n" for name in NAMES))
    monkeypatch.chdir(tmp_path)
    return temporary


def test_the_demo_goes_as_told_and_leaves_nothing_behind(folder: Path) -> None:
    threads = set(threading.enumerate())
    began = time.monotonic()
    out, err = io.StringIO(), io.StringIO()
    code = main.main(["--demo"], dict.fromkeys(NAMES, "nonsense {}"), stdout=out, stderr=err)
    said = out.getvalue()
    assert code == 0, said
    assert err.getvalue() == ""
    assert time.monotonic() - began < 15
    assert "NOT AS TOLD" not in said
    assert "25 created" in said
    assert re.search(r"LOST \| complete +LOST \| complete +LOST \| complete +Tomás", said)
    assert re.search(r"0 created, 0 updated, 0 adopted, 0 restored\n.*0 updated\n.*26 unchanged, 0 failed", said)
    assert list(folder.iterdir()) == []
    assert set(threading.enumerate()) == threads


def test_the_demo_shows_no_token(folder: Path) -> None:
    seen: list[str] = []

    def run(argv: Sequence[str]) -> tuple[int, str]:
        settings = Path(argv[argv.index("--env-file") + 1]).read_text(encoding="utf-8")
        seen.extend(re.findall(r"_API_KEY='(.+)'", settings))
        out = io.StringIO()
        return main.main(argv, {}, stdout=out, stderr=out), out.getvalue()

    lines: list[str] = []
    assert demo.play(lines.append, run) == 0
    assert len(set(seen)) == 2
    assert not [token for token in seen if token in "\n".join(lines)]


# Danger: the demo praises a program that does nothing.
@pytest.mark.parametrize("working", [0, 1, 2])
def test_the_demo_says_so_when_a_sync_does_nothing(folder: Path, working: int) -> None:
    lines: list[str] = []

    def run(argv: Sequence[str]) -> tuple[int, str]:
        if lines.count(_COMMAND) <= working:
            return main.main(argv, {}, stdout=io.StringIO(), stderr=io.StringIO()), ""
        report = {"phase_1": {"created": 25}, "phase_2": {"updated": 1}, "failed": []}
        Path(argv[argv.index("--report") + 1]).write_text(json.dumps(report), encoding="utf-8")
        return 0, "all is well"

    assert demo.play(lines.append, run) == 1
    assert lines.count(_COMMAND) == working + 1, "it ends where it went wrong"
    assert "NOT AS TOLD" in "\n".join(lines)
    assert "All went as told" not in "\n".join(lines)


def test_the_sample_leads_are_fictional_and_of_many_kinds() -> None:
    text = json.dumps(demo.LEADS)
    assert set(re.findall(r"[\w.]+@([\w.]+)", text)) == {"example.com"}
    assert {lead["Status"] for lead in demo.LEADS} == {"NEW", "CONTACTED", "QUALIFIED", "LOST"}
    assert len(demo.LEADS) == 25


def test_the_demo_says_so_where_it_can_make_no_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_folder(*_: object, **__: object) -> str:
        raise FileNotFoundError(2, "No usable temporary directory found")

    monkeypatch.setattr("tempfile.mkdtemp", no_folder)
    out, err = io.StringIO(), io.StringIO()
    assert main.main(["--demo"], {}, stdout=out, stderr=err) == 3
    assert "TMPDIR" in err.getvalue()
