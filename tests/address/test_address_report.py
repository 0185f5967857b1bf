"""What the user sees: the picture, the table, the JSON."""

from __future__ import annotations

import io
import json

import pytest
from rich.console import Console

from counterexamples.memory_picture import plain_picture
from engines.symbolic.start_address import prove_start_address
from nolock.prove_report import render_start_address
from nolock.report_json import start_address_json

AR_1 = """\
seed: vmalloc, x86-64, 4 KiB pages
  start      0xffffc90000004000  what the allocator returned; 12288 bytes
  head       0xffffc90000004010  start +16: the link inside the object
  recovered  0xffffc90000004000  the right value, but see below

  the address space, lowest first:
  0xffff888000000000 .. 0xffff8881ffffffff  linear map: addresses with a struct page
  0xffffc90000000000 .. 0xffffe8ffffffffff  vmalloc area
  0xffffc90000004010  <-- head
  0xffffea0000000000 .. 0xffffea0007ffffff  vmemmap: the struct pages of the linear map
  0xffffeb0200000100  <-- virt_to_page(head): no struct page there

  0xffffea0000000000 + ((head - 0xffff888000000000) >> 12) * 64 = 0xffffeb0200000100
  page_slab() loads from that address: the unmapped hole behind vmemmap

  not so: the argument of virt_to_slab is in the linear map (0xffffc90000004010)
    seed.py:15:  slab = virt_to_slab(head)  # S1: before any test of the range
"""


def test_picture_of_ar_1() -> None:
    """Golden picture: the address map with the struct page that does not exist."""
    (verdict,) = prove_start_address(["seed"], ["vmalloc"], [4096], "x86-64")
    assert plain_picture(verdict) == AR_1


@pytest.mark.parametrize("kind", ["kfence_right", "kfence_left_red_zone", "slab_hw_tags"])
def test_pictures_fit_the_screen(kind: str) -> None:
    """Guards the size of a picture, and that object, link and result are all in it."""
    arch = "arm64" if "tags" in kind else "x86-64"
    (verdict,) = prove_start_address(["seed"], [kind], [4096], arch)
    lines = plain_picture(verdict).splitlines()
    assert len(lines) <= 25 and max(map(len, lines)) <= 100
    for sign in ("^ start", "^ head", "recovered", "#"):
        assert any(sign in line or sign.replace("^ ", "") in line for line in lines)


def test_report_and_json() -> None:
    """Guards that each known defect is explained once and that the JSON has the agreed keys."""
    kinds = ["slab", "vmalloc", "kfence_right", "kfence_left_red_zone"]
    verdicts = prove_start_address(["seed"], kinds, [4096], "x86-64")
    out = io.StringIO()
    render_start_address(verdicts, Console(file=out, width=110))
    text = out.getvalue()
    assert text.count("AR-1  seed on") == text.count("AR-2  seed on") == 1
    assert "1 proved, 3 violated; all as expected" in text
    rows = json.loads(json.dumps(start_address_json(verdicts)))
    agreed = {"design", "environment", "property", "verdict", "expected", "bounds", "engine",
              "states", "depth", "seconds", "trace_length", "unreached"}  # fmt: skip
    assert all(agreed <= set(row) for row in rows)
    assert rows[0]["witness"] is None and rows[1]["witness"]["head"] == "0xffffc90000004010"
