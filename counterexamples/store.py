"""Traces as JSON files: written whole or not at all, believed only after validation and replay."""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from counterexamples.decode import Field, TraceDecodeError
from counterexamples.match import replay_on
from counterexamples.replay import KINDS
from counterexamples.trace import (
    Change,
    Identity,
    Interrupted,
    Read,
    Scope,
    Trace,
    TraceStep,
)
from model.language.machine import Machine
from model.language.source import Frame, Provenance

FORMAT = "nolock trace"
VERSION = 1
LARGEST = 64 * 1024 * 1024
_AGAIN = "record it again with `nolock trace ID --save`"
_SCOPES: tuple[Scope, ...] = ("shared", "ghost", "local")


class TraceFileError(Exception):
    """A trace file that cannot be used: what is wrong, where, and what to do."""

    def __init__(self, path: Path, what: str, remedy: str) -> None:
        self.path = path
        self.what = what
        self.remedy = remedy
        super().__init__(f"{path}: {what}; {remedy}")


def to_json(trace: Trace) -> str:
    """The trace as text; equal traces give equal text."""
    content = {"format": FORMAT, "version": VERSION, **asdict(trace)}
    content["identity"]["config"] = dict(trace.identity.config)
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def save(trace: Trace, path: Path) -> None:
    """Write a trace file; a reader never sees half of it."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    part = Path(name)
    try:
        # Names of files that are no text in the locale's encoding go out as the bytes they are.
        with os.fdopen(handle, "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(to_json(trace))
        part.chmod(0o644)
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def load(path: Path) -> Trace:
    """Read a trace file. Raises TraceFileError where it is not one."""
    try:
        if path.stat().st_size > LARGEST:
            raise TraceFileError(path, f"larger than {LARGEST} bytes", "is this a trace file?")
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        reason = (error.strerror or "cannot be read").lower()
        raise TraceFileError(path, reason, "check the path and its permissions") from error
    except UnicodeDecodeError as error:
        raise TraceFileError(path, "is not text in UTF-8", "is this a trace file?") from error
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        what = f"is not valid JSON at line {error.lineno}, column {error.colno}: {error.msg}"
        raise TraceFileError(path, what, _AGAIN) from error
    except (RecursionError, ValueError) as error:
        raise TraceFileError(
            path, "is not valid JSON: nested too deep or a number too long", _AGAIN
        ) from error
    try:
        return from_content(content)
    except TraceDecodeError as error:
        raise TraceFileError(path, str(error), error.remedy or _AGAIN) from error


def replay(path: Path, machine: Machine) -> Trace:
    """Load a trace file and replay it on a freshly compiled machine.

    Raises TraceFileError for a bad file, ReplayError where the model has changed since.
    """
    return replay_on(load(path), machine)


def from_content(content: Any) -> Trace:
    """The trace that parsed JSON stands for; TraceDecodeError names the place that is wrong."""
    top = Field(content, "")
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise TraceDecodeError(f'has no "format": "{FORMAT}"', "is this a trace file?")
    version = top["version"].integer()
    if version != VERSION:
        remedy = "update nolock" if version > VERSION else _AGAIN
        raise TraceDecodeError(f"has version {version}, this nolock reads {VERSION}", remedy)
    identity = top["identity"]
    steps = tuple(
        _step(field, number) for number, field in enumerate(top["steps"].items(), start=1)
    )
    return Trace(
        Identity(
            identity["design"].text(),
            identity["run"].text(),
            tuple((name, value.integer()) for name, value in identity["config"].pairs()),
            identity["fingerprint"].text(),
        ),
        top["property"].text(),
        top["message"].text(),
        top["kind"].one_of(KINDS),
        steps,
        _stem(top, len(steps)),
    )


def _stem(top: Field, steps: int) -> int | None:
    """How many steps lead to the loop; files of earlier versions, without lassos, do not say."""
    field = top.get("stem")
    stem = field.optional_integer() if field is not None else None
    if (stem is not None) != (top["kind"].value == "lasso"):
        raise TraceDecodeError("stem goes with the kind lasso, and with no other")
    if stem is not None and not 0 <= stem < steps:
        raise TraceDecodeError(f"stem is {stem}, but the loop must be some of the {steps} steps")
    return stem


def _step(field: Field, number: int) -> TraceStep:
    if field["number"].integer() != number:
        raise TraceDecodeError(f"{field.place}.number is not {number}: steps are counted from 1")
    return TraceStep(
        number=number,
        lane=field["lane"].text(),
        process=field["process"].optional_text(),
        instance=field["instance"].optional_integer(),
        on_cpu=field["on_cpu"].optional_integer(),
        transition=field["transition"].text(),
        where=_provenance(field["where"]),
        statement=_provenance(field["statement"]),
        args=tuple((name.text(), value.integer()) for name, value in _pairs(field["args"])),
        arguments=tuple((n.text(), v.text()) for n, v in _pairs(field["arguments"])),
        changes=tuple(_change(item) for item in field["changes"].items()),
        reads=tuple(Read(i["cell"].text(), i["value"].text()) for i in field["reads"].items()),
        begins=tuple(item.text() for item in field["begins"].items()),
        returns=tuple(item.text() for item in field["returns"].items()),
        interrupts=tuple(
            Interrupted(item["lane"].text(), _provenance(item["where"]), item["inside"].boolean())
            for item in field["interrupts"].items()
        ),
        environment=field["environment"].boolean(),
    )


def _pairs(field: Field) -> list[tuple[Field, Field]]:
    pairs = [item.items() for item in field.items()]
    for at, pair in enumerate(pairs):
        if len(pair) != 2:
            raise TraceDecodeError(f"{field.place}[{at}] is not a pair")
    return [(pair[0], pair[1]) for pair in pairs]


def _change(field: Field) -> Change:
    return Change(
        field["cell"].text(),
        field["before"].text(),
        field["after"].text(),
        field["scope"].one_of(_SCOPES),
    )


def _provenance(field: Field) -> Provenance:
    chain = tuple(
        Frame(
            f["routine"].text(),
            f["file"].text(),
            f["line"].integer(),
            f["models"].text(),
            f["text"].text(),
        )
        for f in field["chain"].items()
    )
    return Provenance(
        field["file"].text(),
        field["line"].integer(),
        field["column"].integer(),
        field["text"].text(),
        chain,
    )
