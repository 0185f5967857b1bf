"""The reader of the running kernel's slab caches, on folders made up for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from engines.symbolic.slab_geometry import judge_caches, read_caches

FILES = {"object_size": 64, "slab_size": 64, "objs_per_slab": 64, "order": 0, "align": 64,
         "red_zone": 0}  # fmt: skip


def make_cache(sysfs: Path, name: str, **changes: object) -> None:
    """Write the files of a cache; None leaves one out."""
    folder = sysfs / name
    folder.mkdir(parents=True)
    for file, value in {**FILES, **changes}.items():
        if value is not None:
            (folder / file).write_text(f"{value}\n")


def test_merged_caches_count_once(tmp_path: Path) -> None:
    """Guards against judging the same cache under each of its names."""
    make_cache(tmp_path, ":0000064")
    for name in ("dentry-like", "another"):
        (tmp_path / name).symlink_to(":0000064")
    (cache,) = read_caches(tmp_path).caches
    assert (cache.name, cache.aliases, cache.size) == ("another", 2, 64)


def test_red_zone_pad_is_a_pointer_rounded_up_to_the_alignment(tmp_path: Path) -> None:
    """Guards red_left_pad, which sysfs does not show."""
    make_cache(tmp_path, "a", red_zone=1, slab_size=192, objs_per_slab=21)
    make_cache(tmp_path, "b", red_zone=1, align=8, slab_size=192, objs_per_slab=21)
    assert [c.red_left_pad for c in read_caches(tmp_path).caches] == [64, 8]


@pytest.mark.parametrize("changes", [{"slab_size": "many"}, {"order": None}, {"objs_per_slab": 0},
                                     {"align": ""}])  # fmt: skip
def test_malformed_caches_are_named_and_left_out(
    tmp_path: Path, changes: dict[str, object]
) -> None:
    """Guards against a crash, or silence, on a file that is missing, empty or no number."""
    make_cache(tmp_path, "good")
    make_cache(tmp_path, "bad", **changes)
    reading = read_caches(tmp_path)
    assert [c.name for c in reading.caches] == ["good"]
    assert reading.notes == (f"{tmp_path}: 1 caches not readable or malformed (bad)",)


def test_slabinfo_is_the_fallback(tmp_path: Path) -> None:
    """Guards the second source, and that its gaps are told."""
    info = tmp_path / "slabinfo"
    info.write_text(
        "slabinfo - version: 2.1\n# name <active_objs> ...\n"
        "kmalloc-96 42 42 96 42 1 : tunables 0 0 0 : slabdata 1 1 0\nbroken line\n"
    )
    reading = read_caches(tmp_path / "nowhere", info)
    assert [(c.name, c.size, c.objects, c.order) for c in reading.caches] == [
        ("kmalloc-96", 96, 42, 0)
    ]
    assert reading.source == str(info)
    assert len(reading.notes) == 3 and "1 lines malformed" in reading.notes[1]


def test_nothing_readable_says_so(tmp_path: Path) -> None:
    """Guards against an empty result that looks like a clean one."""
    (tmp_path / "empty").mkdir()
    reading = read_caches(tmp_path / "empty", tmp_path / "missing")
    assert reading.caches == () and reading.source == "nothing readable"
    assert reading.notes == (
        f"{tmp_path / 'empty'}: empty",
        f"{tmp_path / 'missing'}: No such file or directory",
    )


def test_caches_are_judged(tmp_path: Path) -> None:
    """Guards the verdicts per cache: a page-aligned cache is right under KFENCE by luck."""
    make_cache(tmp_path, "kmalloc-96", object_size=96, slab_size=96, objs_per_slab=42, align=32)
    page = {"object_size": 4096, "slab_size": 4096, "objs_per_slab": 8, "order": 3, "align": 4096}
    make_cache(tmp_path, "kmalloc-4k", **page)
    make_cache(tmp_path, "kmalloc-8", object_size=8, slab_size=8, objs_per_slab=512, align=8)
    caches = read_caches(tmp_path).caches
    verdicts = {(v.recovery, v.cache.name, v.kind): v.outcome
                for v in judge_caches(caches, ["seed", "corrected"])}  # fmt: skip
    assert all(v == "right" for key, v in verdicts.items() if key[0] == "corrected")
    seed = {key[1:]: v for key, v in verdicts.items() if key[0] == "seed"}
    assert seed["kmalloc-96", "slab"] == "right"
    assert seed["kmalloc-96", "kfence_right"] == "wrong_place"
    assert seed["kmalloc-4k", "kfence_right"] == "right"
    # The only offset of an 8-byte object is 0, and 2**56 is a multiple of 8.
    assert seed["kmalloc-8", "slab_hw_tags"] == "right"
    assert seed["kmalloc-96", "slab_hw_tags"] != "right"
