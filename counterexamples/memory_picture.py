"""Draws a start-address witness: where the object is, where its link is, where recovery pointed.

At most 25 lines of 100 columns.  A slab or KFENCE page is drawn to scale around the object; for
a struct page that does not exist the address space is drawn instead.
"""

from __future__ import annotations

from dataclasses import dataclass

from rich.text import Text

from engines.symbolic.address_verdict import AddressVerdict, Witness
from model.kernel.kinds import kind_named
from model.kernel.placed import compute
from model.language.words import MASK
from properties.start_address import is_only_the_tag

WIDTH = 96


@dataclass(frozen=True)
class _Mark:
    """An address to point at under a bar."""

    address: int
    label: str
    style: str


def picture_lines(verdict: AddressVerdict) -> list[tuple[str, str]]:
    """Return the picture as (line, style) pairs; styles are rich's, "" is plain."""
    witness = verdict.witness
    if witness is None:
        return []
    kind = kind_named(verdict.kind)
    lines = [(f"{verdict.recovery}: {kind.says}, {verdict.arch}, {_kib(verdict.page_size)} pages",
              "bold")]  # fmt: skip
    lines += _facts(witness)
    lines.append(("", ""))
    if witness.outcome == "faults" and kind.family == "vmalloc":
        lines += _address_space(witness)
    elif kind.family in ("slab", "kfence"):
        lines += _slots(witness, kfence=kind.family == "kfence")
    lines += _broken(witness)
    return [(line[:100].rstrip(), style) for line, style in lines[:25]]


def memory_picture(verdict: AddressVerdict) -> Text:
    """Return the picture for a rich console."""
    text = Text(no_wrap=True)
    for line, style in picture_lines(verdict):
        text.append(line + "\n", style=style)
    return text


def plain_picture(verdict: AddressVerdict) -> str:
    """Return the picture as plain text."""
    return "\n".join(line for line, _ in picture_lines(verdict)) + "\n"


def signed_distance(a: int, b: int) -> int:
    """Return a - b as a signed 64-bit number."""
    return ((a - b + (1 << 63)) & MASK) - (1 << 63)


def _facts(witness: Witness) -> list[tuple[str, str]]:
    placed = witness.placed
    untag = witness.words["POINTER_TAGS"] == 1

    def row(name: str, address: int, note: str, style: str) -> tuple[str, str]:
        return f"  {name:<10} {_hex(address)}  {note}", style

    tag = f"tag 0x{placed.tag:02x} in bits 63:56, slab pages have 0xff" if untag else ""
    off = signed_distance(witness.recovered, witness.start)
    if off == 0:
        verdict = "the right value, but see below"
    elif is_only_the_tag(witness.start, witness.recovered):
        verdict = "the object's address with another tag"
    elif witness.outcome == "neighbour":
        verdict = f"start {off:+d}: the start of another object"
    else:
        verdict = f"start {off:+d}"
    note = tag or f"what the allocator returned; {placed.requested} bytes"
    return [
        row("start", witness.start, note, "green"),
        row("head", witness.head, f"start +{placed.offset}: the link inside the object", "cyan"),
        row("recovered", witness.recovered, verdict, "red"),
    ]


def _slots(witness: Witness, *, kfence: bool) -> list[tuple[str, str]]:
    """Draw the slots around the object, or the KFENCE page, to scale."""
    placed = witness.placed
    plain = {
        name: compute("untag", (address,), witness.words)
        for name, address in (
            ("start", witness.start), ("head", witness.head), ("recovered", witness.recovered)
        )
    }  # fmt: skip
    if kfence:
        first, last = placed.area, placed.area + placed.bytes
        title = (
            f"KFENCE page {_hex(placed.area)}, a slab of 1 object; cache: "
            f"stride {placed.size}, align {placed.align}, red_left_pad {placed.pad}"
        )
        edges = {first: "|", last: "|"}
    else:
        low = max(placed.index - 1, 0)
        high = min(placed.index + 2, placed.objects)
        first, last = placed.area + low * placed.size, placed.area + high * placed.size
        title = (
            f"slab {_hex(placed.area)}, {placed.objects} slots of {placed.size} bytes, "
            f"red_left_pad {placed.pad}; slots {low}..{high - 1}:"
        )
        edges = {placed.area + i * placed.size: "|" for i in range(low, high + 1)}
    if not first <= plain["recovered"] <= last:
        title += " (recovered: elsewhere)"  # the address above must do
    scale = _Scale(first, last)
    bar = [" "] * (WIDTH + 1)
    if not kfence:
        for i in range((first - placed.area) // placed.size, (last - placed.area) // placed.size):
            slot = placed.area + i * placed.size
            scale.fill(bar, slot, slot + placed.pad, "r")
            scale.fill(bar, slot + placed.pad, slot + placed.pad + placed.requested, ".")
    for edge, sign in edges.items():
        bar[scale.column(edge)] = sign
    scale.fill(bar, plain["start"], plain["start"] + placed.requested, "#")
    legend = "# the object   . other slots' objects   r left red zone" if not kfence else (
        "# the object, the rest of the page is KFENCE's canary"
    )  # fmt: skip
    marks = [
        _Mark(plain["start"], "start", "green"),
        _Mark(plain["head"], "head", "cyan"),
        _Mark(plain["recovered"], "recovered", "red"),
    ]
    lines = [(f"  {title}", ""), ("  " + "".join(bar), "")]
    lines += [scale.mark(mark) for mark in marks if first <= mark.address <= last]
    return [*lines, (f"  {legend}", "dim")]


@dataclass(frozen=True)
class _Scale:
    first: int
    last: int

    def column(self, address: int) -> int:
        return (address - self.first) * WIDTH // max(self.last - self.first, 1)

    def fill(self, bar: list[str], start: int, end: int, sign: str) -> None:
        if end > start:
            # At least two columns, of which an edge may take one.
            for column in range(self.column(start), max(self.column(end), self.column(start) + 2)):
                if 0 <= column <= WIDTH and bar[column] != "|":
                    bar[column] = sign

    def mark(self, mark: _Mark) -> tuple[str, str]:
        column = self.column(mark.address)
        label = f"{mark.label} {_hex(mark.address)}"
        if column + 2 + len(label) <= WIDTH:
            return "  " + " " * column + "^ " + label, mark.style
        return "  " + " " * max(column - len(label) - 1, 0) + label + " ^", mark.style


def _address_space(witness: Witness) -> list[tuple[str, str]]:
    """Draw the address ranges, the link in the vmalloc area, and the struct page computed."""
    layout = witness.layout
    page = compute("virt_to_page", (witness.head,), witness.words)
    memory_end = witness.words["LINEAR_END"]
    last_page = compute("virt_to_page", (memory_end - 1,), witness.words)
    regions = [
        (layout.page_offset, memory_end, "linear map: addresses with a struct page"),
        (layout.vmalloc_start, layout.vmalloc_end, "vmalloc area"),
        (layout.vmemmap_start, last_page + 64, "vmemmap: the struct pages of the linear map"),
    ]
    arrows = {
        compute("untag", (witness.head,), witness.words): ("head", "cyan"),
        page: ("virt_to_page(head): no struct page there", "red"),
    }
    rows: list[tuple[int, str, str]] = []
    for start, end, name in regions:
        rows.append((start, f"  {_hex(start)} .. {_hex(end - 1)}  {name}", ""))
    for address, (name, style) in arrows.items():
        rows.append((address, f"  {_hex(address)}  <-- {name}", style))
    where = "user addresses" if page >> 63 == 0 else "an unmapped hole"
    if layout.arch == "x86-64" and page >= layout.vmemmap_end:
        where = "the unmapped hole behind vmemmap"
    arithmetic = (
        f"  {_hex(layout.vmemmap_start)} + ((head - {_hex(layout.page_offset)}) >> "
        f"{layout.page_shift}) * 64 = {_hex(page)}"
    )
    return [
        ("  the address space, lowest first:", ""),
        *((line, style) for _, line, style in sorted(rows)),
        ("", ""),
        (arithmetic, ""),
        (f"  page_slab() loads from that address: {where}", "red"),
    ]


def _broken(witness: Witness) -> list[tuple[str, str]]:
    lines: list[tuple[str, str]] = []
    for broken in witness.ran.broken[:2]:
        file = broken.where.file.rsplit("/", 1)[-1]
        args = ", ".join(_hex(a) for a in broken.args)
        lines.append(("", ""))
        lines.append((f"  not so: {broken.says} ({args})", "red"))
        lines.append((f"    {file}:{broken.where.line}:  {broken.where.text.strip()}", ""))
    return lines


def _hex(address: int) -> str:
    return f"{address:#018x}"


def _kib(size: int) -> str:
    return f"{size // 1024} KiB"
