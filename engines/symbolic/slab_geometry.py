"""The slab caches of the running kernel, and what each recovery does to their objects.

Read from /sys/kernel/slab (SLUB's own files, readable by root), else from /proc/slabinfo, which
knows neither red zones nor alignment.  A merged cache is one directory with several symbolic
links to it, and counts once.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import z3

from engines.symbolic.address_witness import open_words
from engines.symbolic.placement_terms import Query, build_query
from engines.symbolic.start_address import load_recovery
from engines.symbolic.word_integers import Integers
from model.kernel.kinds import Kind, kind_named
from model.kernel.layouts import Layout, layouts
from model.kernel.placed import PLACEMENT_FIELDS, Placed, is_permitted, recover, start_of
from model.language.word_ir import WordProgram
from model.language.words import MASK
from properties.start_address import OUTCOMES, Outcome, classify

SYSFS = Path("/sys/kernel/slab")
SLABINFO = Path("/proc/slabinfo")


@dataclass(frozen=True)
class Cache:
    """One slab cache; sizes in bytes."""

    name: str
    aliases: int  # merged caches that share it
    object_size: int
    size: int  # stride
    objects: int  # per slab
    order: int  # pages per slab, as a power of two
    align: int
    red_left_pad: int


@dataclass(frozen=True)
class Reading:
    """What could be read, from where, and one line for each thing that could not."""

    caches: tuple[Cache, ...]
    source: str
    notes: tuple[str, ...]


@dataclass(frozen=True)
class CacheVerdict:
    """What one recovery does to the objects of one cache, for one kind of allocation."""

    cache: Cache
    recovery: str
    kind: str
    verdict: str  # proved, violated, incomplete
    outcome: Outcome | None
    example: str  # of a violation: one replayed placement


def read_caches(sysfs: Path = SYSFS, slabinfo: Path = SLABINFO) -> Reading:
    """Read the caches of the running kernel."""
    notes: list[str] = []
    caches = _from_sysfs(sysfs, notes)
    if caches:
        return Reading(tuple(caches), str(sysfs), tuple(notes))
    caches = _from_slabinfo(slabinfo, notes)
    return Reading(tuple(caches), str(slabinfo) if caches else "nothing readable", tuple(notes))


def _from_sysfs(sysfs: Path, notes: list[str]) -> list[Cache]:
    try:
        entries = sorted(sysfs.iterdir())
    except OSError as error:
        notes.append(f"{sysfs}: {error.strerror or error}")
        return []
    aliases: dict[str, list[str]] = {}
    for entry in entries:
        if entry.is_symlink():
            aliases.setdefault(entry.resolve().name, []).append(entry.name)
    caches: list[Cache] = []
    unreadable: list[str] = []
    for entry in entries:
        if entry.is_symlink() or not entry.is_dir():
            continue
        try:
            caches.append(_sysfs_cache(entry, aliases.get(entry.name, [])))
        except (OSError, ValueError, IndexError):
            unreadable.append(entry.name)
    if unreadable:
        shown = ", ".join(unreadable[:3]) + (", ..." if len(unreadable) > 3 else "")
        notes.append(f"{sysfs}: {len(unreadable)} caches not readable or malformed ({shown})")
    if not entries:
        notes.append(f"{sysfs}: empty")
    return caches


def _sysfs_cache(folder: Path, aliases: Sequence[str]) -> Cache:
    def number(name: str) -> int:
        return int((folder / name).read_text(encoding="ascii").split()[0])

    align = max(number("align"), 8)
    # calculate_sizes(): the left red zone is one pointer, rounded up to the cache's alignment.
    pad = -(-8 // align) * align if number("red_zone") else 0
    cache = Cache(
        name=min(aliases) if folder.name.startswith(":") and aliases else folder.name,
        aliases=len(aliases),
        object_size=number("object_size"),
        size=number("slab_size"),
        objects=number("objs_per_slab"),
        order=number("order"),
        align=align,
        red_left_pad=pad,
    )
    if cache.size < 8 or cache.objects < 1 or not 0 <= cache.order < 20:
        raise ValueError("not a geometry")
    return cache


def _from_slabinfo(path: Path, notes: list[str]) -> list[Cache]:
    try:
        lines = path.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError as error:
        notes.append(f"{path}: {error.strerror or error}")
        return []
    caches: list[Cache] = []
    malformed = 0
    for line in lines:
        words = line.split()
        if not words or line.startswith(("#", "slabinfo")):
            continue
        try:
            size, objects, pages = (int(word) for word in words[3:6])
            if size < 8 or objects < 1 or pages < 1:
                raise ValueError("not a geometry")
        except ValueError:
            malformed += 1
            continue
        order = pages.bit_length() - 1
        caches.append(Cache(words[0], 0, size, size, objects, order, 8, 0))
    if malformed:
        notes.append(f"{path}: {malformed} lines malformed")
    notes.append(f"{path}: red zones and alignment are not shown there; taken as none and 8")
    return caches


def judge_caches(
    caches: Sequence[Cache],
    recoveries: Sequence[str],
    *,
    with_tags: bool = True,
    time_limit: float | None = None,
) -> list[CacheVerdict]:
    """Prove or refute each recovery for each cache: slots, KFENCE, and slots with KASAN tags.

    One incremental solver per recovery and kind; a cache is a handful of assumptions to it.
    Tags are asked as arm64 with 4 KiB pages would have them, with this kernel's geometry.
    """
    deadline = None if time_limit is None else time.monotonic() + time_limit
    x86, arm64 = layouts(("x86-64", "arm64"), (4096,))
    columns = [("slab", x86), ("kfence_left", x86), ("kfence_right", x86)]
    if with_tags:
        columns.append(("slab_hw_tags", arm64))
    verdicts: list[CacheVerdict] = []
    for recovery in recoveries:
        name, program = load_recovery(recovery)
        for column, layout in columns:
            judge = _Judge(name, program, column, layout, deadline)
            known: dict[tuple[int, ...], tuple[str, Outcome | None, str]] = {}
            for cache in caches:
                kind = judge.kind_for(cache)
                if kind.family == "kfence" and cache.object_size > layout.page_size:
                    continue  # KFENCE takes requests up to a page
                key = (cache.size, cache.objects, cache.order, cache.object_size,
                       cache.red_left_pad, cache.align)  # fmt: skip
                if key not in known:
                    known[key] = judge.cache(cache, kind)
                verdict, outcome, example = known[key]
                verdicts.append(CacheVerdict(cache, name, kind.name, verdict, outcome, example))
    return verdicts


class _Judge:
    """The queries of one recovery and column, built once for each kind and alignment."""

    def __init__(
        self, name: str, program: WordProgram, column: str, layout: Layout, deadline: float | None
    ) -> None:
        self.name, self.program = name, program
        self.column, self.layout, self.deadline = column, layout, deadline
        self.queries: dict[tuple[str, int], tuple[Query, Integers]] = {}

    def kind_for(self, cache: Cache) -> Kind:
        """Return the kind of the column for a cache with or without red zones."""
        red = cache.red_left_pad > 0 and not self.column.endswith("tags")
        return kind_named(f"{self.column}_red_zone" if red else self.column)

    def cache(self, cache: Cache, kind: Kind) -> tuple[str, Outcome | None, str]:
        """Return verdict, outcome and an example for a cache."""
        if self.deadline is not None and time.monotonic() >= self.deadline:
            return "incomplete", None, ""
        numbers = {"size": cache.size, "pad": cache.red_left_pad}
        if kind.family == "slab":
            numbers |= {"objects": cache.objects, "bytes": self.layout.page_size << cache.order}
        worst = self._refute(cache, kind, numbers)
        if worst is not None:
            return "violated", worst[0], worst[1]
        query, algebra = self._query(kind, cache.align)
        terms = [
            query.fields[field] == value
            for field, value in numbers.items()
            if not z3.is_int_value(query.fields[field])
        ]
        wrong = z3.Or(query.wrong(), *(o.broken() for o in query.obligations))
        fits = query.fields["requested"] <= cache.object_size
        if algebra.solver.check(*terms, fits, wrong) == z3.unsat:
            return "proved", "right", ""
        # With the stride as a number a signed remainder can be expressed: a solver of its own.
        alone = Integers()
        numbers |= {"align": cache.align} if kind.fixed.get("right") == 1 else {}
        query = build_query(
            self.program, kind, self.layout, alone, pointer_tags=int(kind.tagged), given=numbers
        )
        wrong = z3.Or(query.wrong(), *(o.broken() for o in query.obligations))
        answer = alone.solver.check(query.fields["requested"] <= cache.object_size, wrong)
        return ("proved", "right", "") if answer == z3.unsat else ("incomplete", None, "")

    def _query(self, kind: Kind, align: int) -> tuple[Query, Integers]:
        given = {"align": align} if kind.fixed.get("right") == 1 else {}
        key = (kind.name, align if given else 0)
        if key not in self.queries:
            algebra = Integers()
            tags = int(kind.tagged)
            query = build_query(
                self.program, kind, self.layout, algebra, pointer_tags=tags, given=given
            )
            self.queries[key] = (query, algebra)
        return self.queries[key]

    def _refute(
        self, cache: Cache, kind: Kind, numbers: dict[str, int]
    ) -> tuple[Outcome, str] | None:
        """Return the worst of a few likely placements that the evaluator shows to be wrong."""
        words = self.layout.fixed_words() | open_words(self.layout, int(kind.tagged))
        pool = words["KFENCE_POOL"] + 2 * self.layout.page_size
        plain = self.layout.page_offset + 0x40_0000
        base = dict.fromkeys(PLACEMENT_FIELDS, 0) | numbers
        base |= {
            "tag": min(0xF7, kind.tags[1]) if kind.tagged else 0xFF,
            "align": cache.align,
            "area": pool if kind.family == "kfence" else plain,
            "bytes": numbers.get("bytes", self.layout.page_size),
        } | kind.fixed
        found: list[tuple[Outcome, str]] = []
        for index in sorted({0, min(1, cache.objects - 1)} if kind.family == "slab" else {0}):
            for requested in (cache.object_size, max(8, cache.object_size // 2)):
                for offset in (0, 8, 16):
                    values = base | {"index": index, "requested": requested, "offset": offset}
                    placed = Placed(**values)
                    if not is_permitted(kind, placed, words):
                        continue
                    start = start_of(kind, placed, words)
                    head = (start + offset) & MASK
                    ran = recover(self.program, head, kind, placed, words)
                    outcome = classify(start, ran, kind, placed, words)
                    if outcome != "right":
                        off = (ran.value - start + (1 << 63)) % (1 << 64) - (1 << 63)
                        text = f"{requested} bytes at {start:#x}, link +{offset}: {off:+d} bytes"
                        found.append((outcome, text))
        return min(found, key=lambda item: OUTCOMES.index(item[0]), default=None)
