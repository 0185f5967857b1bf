"""The terminal: its encoding, readers who leave, a full disk, Ctrl-C before anything has begun."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.nolock.toy import write_toy

ROOT = Path(__file__).resolve().parents[2]
C_LOCALE = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
LATIN = {"PYTHONIOENCODING": "latin-1"}


def shell(folder: Path, words: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """What a user types; `nolock` stands for the command."""
    words = words.replace("nolock ", f"{sys.executable} -m nolock ")
    python_path = {"PYTHONPATH": str(ROOT), "XDG_CACHE_HOME": str(folder / "cache")}
    return subprocess.run(
        ["bash", "-c", f"set -o pipefail; {words}"],
        cwd=folder,
        env={**os.environ, **python_path, **environment},
        capture_output=True,
        timeout=120,
    )


@pytest.mark.parametrize("environment", [C_LOCALE, LATIN], ids=["C", "latin-1"])
def test_marks_are_spelled_where_the_encoding_lacks_them(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    """Guards against a table in which holds, violated and incomplete are all `?`."""
    write_toy(tmp_path)
    done = shell(tmp_path, "nolock verify toy.py --engine python", **environment)
    assert done.returncode == 0, done.stderr
    text = done.stdout.decode("ascii")
    row = next(line for line in text.splitlines() if line.startswith("  nmi "))
    assert {"ok", "X"} <= set(row.split())
    assert "?" not in text
    assert "  X nmi self_deadlock" in text
    assert "NULL -> cpu 0" in text
    assert "\n" + 100 * "-" + "\n" in text
    heading = next(line for line in text.splitlines() if line.startswith("  run "))
    assert len(row) <= len(heading) + 1, "the columns stand under their names"


def test_a_file_name_that_is_no_text_is_kept_as_it_is(tmp_path: Path) -> None:
    """Guards against a traceback for a design whose name the locale cannot spell."""
    write_toy(tmp_path, name="é")
    for engine in ("auto", "python"):
        words = f"nolock verify é.py --run nmi --engine {engine} --keep-c kept"
        done = shell(tmp_path, words, **C_LOCALE)
        assert done.returncode == 0, done.stderr.decode()
        assert "nolock trace é.py/nmi/self_deadlock".encode() in done.stdout
    words = "nolock verify é.py --run nmi --engine python --format json"
    done = shell(tmp_path, words, **C_LOCALE)
    assert json.loads(done.stdout)["verdicts"][0]["design"] == "é"
    done = shell(tmp_path, words.replace("json", "junit --output report.xml"), **C_LOCALE)
    assert done.returncode == 0, done.stderr.decode()
    assert (tmp_path / "report.xml").read_text(encoding="utf-8").startswith("<?xml")
    done = shell(tmp_path, "nolock trace é.py/nmi/self_deadlock --save t.json", **C_LOCALE)
    assert done.returncode == 0, done.stderr.decode()
    done = shell(tmp_path, "nolock trace t.json", PYTHONUTF8="1")
    assert done.returncode == 0, done.stderr.decode()


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("verify toy.py --engine python", 0),
        ("verify wrong.py --engine python", 1),
        ("verify toy.py --engine python --format json", 0),
        ("verify toy.py --engine python --time-limit 0.000001", 3),
        ("trace toy.py/nmi/self_deadlock --engine python", 0),
        ("list", 0),
        ("--help", 0),
        ("verify --help", 0),
    ],
)
def test_a_reader_who_leaves_changes_no_exit_code(tmp_path: Path, words: str, code: int) -> None:
    """Guards `nolock verify X | head -2`, which must not look like a wrong verdict."""
    write_toy(tmp_path)
    write_toy(tmp_path, name="wrong", expect="")
    done = shell(tmp_path, f"nolock {words} | true")
    assert (done.returncode, done.stderr) == (code, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
@pytest.mark.parametrize("words", ["--help", "verify --help", "list", "--version"])
def test_a_full_disk_is_one_line(tmp_path: Path, words: str) -> None:
    """Guards against a traceback."""
    done = shell(tmp_path, f"nolock {words} > /dev/full")
    assert done.returncode == 2
    assert done.stderr == b"nolock: cannot write or read: No space left on device\n"


@pytest.mark.parametrize(
    ("module", "words"),
    [
        ("click", "list"),
        ("nolock.cli", "list"),
        ("nolock.commands", "list"),
        ("model", "list"),
        ("z3", "prove rcu_ptr --no-caches"),
    ],
)
def test_ctrl_c_while_modules_are_loaded_is_one_line(
    tmp_path: Path, module: str, words: str
) -> None:
    """Guards against `Aborted!` with exit code 1, and tracebacks from inside an import."""
    program = (
        "import importlib.abc, os, signal, sys\n"
        "class Press(importlib.abc.MetaPathFinder):\n"
        "    def find_spec(self, name, path, target=None):\n"
        f"        if name == {module!r}:\n"
        "            os.kill(os.getpid(), signal.SIGINT)\n"
        "from nolock.__main__ import main\n"
        "sys.meta_path.insert(0, Press())\n"
        f"sys.argv[1:] = {words.split()!r}\n"
        "main()\n"
    )
    (tmp_path / "pressed.py").write_text(program)
    done = shell(tmp_path, f"{sys.executable} pressed.py")
    assert done.returncode == 3, done.stderr
    assert done.stderr == b"nolock: interrupted\n"
    assert done.stdout == b""


def test_ctrl_c_while_a_command_runs_is_one_line(tmp_path: Path) -> None:
    """Guards the handler that the command installs once its modules are there."""
    program = (
        "import os, signal, sys, nolock.listing\n"
        "from nolock.__main__ import main\n"
        "def press(console):\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "nolock.listing._PRINT['designs'] = press\n"
        "sys.argv[1:] = ['list', 'designs']\n"
        "main()\n"
    )
    (tmp_path / "pressed.py").write_text(program)
    done = shell(tmp_path, f"{sys.executable} pressed.py")
    assert (done.returncode, done.stderr) == (3, b"nolock: interrupted\n")
