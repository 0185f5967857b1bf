"""Long searches: Ctrl-C, the memory limit, a closed pipe. Each in a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.nolock.toy import write_toy

ROOT = Path(__file__).resolve().parents[2]
LARGE = ("--cpus", "3", "--objects", "4", "--nmis", "2", "--readers", "1", "--run", "tasks")


def start(tmp_path: Path, *words: str) -> subprocess.Popen[str]:
    """The command as a user starts it, in a process group of its own."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "XDG_CACHE_HOME": str(tmp_path / "c")}
    return subprocess.Popen(
        [sys.executable, "-m", "nolock", *words],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def alive_in_session(session: int) -> list[str]:
    """Processes of a session that run, after a moment to end; a zombie has ended."""
    for _ in range(20):
        found = []
        for path in Path("/proc").glob("[0-9]*/stat"):
            try:
                name, _, rest = path.read_text().rpartition(")")
            except OSError:
                continue
            state, _, _, its_session = rest.split()[:4]
            if int(its_session) == session and state != "Z":
                found.append(name)
        if not found:
            return []
        time.sleep(0.1)
    return found


def test_ctrl_c_ends_with_what_was_covered(tmp_path: Path) -> None:
    """Guards against minutes of search that are lost, and children that live on."""
    running = start(tmp_path, "verify", "mainline", "--engine", "python", *LARGE)
    assert running.stderr is not None
    assert "bits per state" in running.stderr.readline()
    try:
        running.communicate(timeout=2)
    except subprocess.TimeoutExpired:
        os.killpg(running.pid, signal.SIGINT)  # as a terminal does: the whole group
    stdout, stderr = running.communicate(timeout=60)
    assert running.returncode == 3, stderr
    assert "interrupted after" in stdout
    assert "interrupted, this is what was covered" in stdout
    assert "Traceback" not in stdout + stderr
    assert alive_in_session(running.pid) == []


@pytest.mark.slow
def test_the_memory_limit_ends_with_what_was_covered(tmp_path: Path) -> None:
    """Guards against a machine that swaps itself to death."""
    running = start(tmp_path, "verify", "mainline", "--memory", "60M", "--jobs", "1", *LARGE)
    stdout, stderr = running.communicate(timeout=300)
    assert running.returncode == 3, stderr
    assert "stopped at the memory limit after" in " ".join(stdout.split())
    assert "the limit of 60 MiB is reached at about" in stderr


HUGE = ("--run", "tasks", "--cpus", "16", "--objects", "16", "--tasks", "16")


def test_the_time_limit_holds_before_the_search_begins(tmp_path: Path) -> None:
    """Guards against bounds so large that building or compiling the machine never ends."""
    running = start(tmp_path, "verify", "mainline", "--time-limit", "1", *HUGE)
    stdout, stderr = running.communicate(timeout=60)
    assert running.returncode == 3, stderr
    assert "the time limit was reached before the search began" in stdout
    assert alive_in_session(running.pid) == []


def test_ctrl_c_ends_a_compilation(tmp_path: Path) -> None:
    """Guards against a C compiler that goes on for minutes after Ctrl-C."""
    running = start(tmp_path, "verify", "mainline", *HUGE)
    assert running.stderr is not None
    assert "bits per state" in running.stderr.readline()
    os.killpg(running.pid, signal.SIGINT)
    stdout, stderr = running.communicate(timeout=60)
    assert running.returncode == 3, stderr
    assert "interrupted before its search began" in stdout
    assert alive_in_session(running.pid) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_keeps_the_proofs_that_are_finished(tmp_path: Path, number: int) -> None:
    """Guards against proofs that are thrown away, and an empty report that looks green."""
    report = tmp_path / "proofs.json"
    words = ("prove", "seed", "--no-caches", "--format", "json", "--output", str(report))
    running = start(tmp_path, *words)
    with pytest.raises(subprocess.TimeoutExpired):
        running.communicate(timeout=2)
    os.kill(running.pid, number)
    stdout, stderr = running.communicate(timeout=60)
    assert running.returncode == 3, stderr
    assert "Traceback" not in stdout + stderr
    content = json.loads(report.read_text())
    assert content["interrupted"] and content["exit_code"] == 3
    assert len(content["verdicts"]) == 47, "those that are finished, and the rest"
    assert content["verdicts"][-1]["reason"] == "not done: interrupted"
    assert alive_in_session(running.pid) == []


def test_a_closed_pipe_is_no_error_message(tmp_path: Path) -> None:
    """Guards `nolock list | head -1`."""
    design = write_toy(tmp_path)
    running = start(tmp_path, "verify", str(design), "--engine", "python")
    assert running.stdout is not None and running.stderr is not None
    running.stdout.close()
    assert running.stderr.read() == ""
    running.stderr.close()
    running.wait(timeout=60)
