"""Tiny designs for the tests: one shared file of declarations, and what a test adds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from model.language.compile import compile_machine
from model.language.machine import Machine

BASE = '''\
from model.language.syntax import (
    Array,
    Cookie,
    Embed,
    Enum,
    Ghost,
    Range,
    action,
    active,
    call_entry,
    cfg,
    knob,
    process,
    record,
    require,
    start,
)

knob("extra", False, "a switch")
knob("boxes", 2, "boxes")
knob("workers", 1, "instances of the process")
LIMIT = 3


class Colour(Enum):
    RED = 0
    GREEN = 1


@record()
class Lock:
    held: bool


@record(count=cfg.workers)
class Who:
    """Who works."""


@record(single=True)
class Table:
    total: Range[0, 9]
    first: Box


@record(count=cfg.boxes)
class Box:
    lock: Embed[Lock]
    n: Range[0, 3]
    full: bool
    colour: Colour
    next: Box
    seen: Ghost[bool]
    items: Array[Range[0, 3], 2]
    snap: Cookie


@record(single=True)
class Log:
    a: Range[0, 9]
    b: Range[0, 9]
    c: Range[0, 9]


@process(per=Who)
def work(who: Who, box: Box) -> None:
    call_entry("work", box)


@action(environment=True)
def begin(who: Who, box: Box) -> None:
    require(not active(work, who))
    start(work, who, box)
'''


def compiled(
    folder: Path,
    source: str,
    config: Mapping[str, int] = {},
    properties: tuple[str, ...] = (),
) -> Machine:
    """The machine of a design that stands beside `base.py`."""
    (folder / "base.py").write_text(BASE, encoding="utf-8")
    (folder / "model.py").write_text(source, encoding="utf-8")
    return compile_machine(folder / "model.py", config, dict.fromkeys(properties))
