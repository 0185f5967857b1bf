"""Trace files: what is saved is what is loaded, and anything else is refused in one line."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterexamples.decode import TraceDecodeError
from counterexamples.replay import KINDS
from counterexamples.store import (
    TraceFileError,
    from_content,
    load,
    replay,
    save,
    to_json,
)
from counterexamples.trace import Change, Identity, Interrupted, Read, Trace, TraceStep
from model.language.source import Frame, Provenance
from tests.counterexamples.hand_built import locking_nmi, shortest

words = st.text(st.characters(codec="utf-8"), max_size=8)
numbers = st.integers(-5, 10**20)
frames = st.builds(Frame, words, words, numbers, words)
places = st.builds(
    Provenance, words, numbers, numbers, words, st.lists(frames, max_size=2).map(tuple)
)


def tuples(of: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(of, max_size=2).map(tuple)


steps = st.builds(
    TraceStep,
    number=st.just(1),
    lane=words,
    process=st.none() | words,
    instance=st.none() | numbers,
    on_cpu=st.none() | numbers,
    transition=words,
    where=places,
    statement=places,
    args=tuples(st.tuples(words, numbers)),
    arguments=tuples(st.tuples(words, words)),
    changes=tuples(
        st.builds(Change, words, words, words, st.sampled_from(["shared", "ghost", "local"]))
    ),
    reads=tuples(st.builds(Read, words, words)),
    begins=tuples(words),
    returns=tuples(words),
    interrupts=tuples(st.builds(Interrupted, words, places, st.booleans())),
    environment=st.booleans(),
)
traces = st.builds(
    Trace,
    identity=st.builds(
        Identity,
        words,
        words,
        st.dictionaries(words, numbers, max_size=2).map(lambda d: tuple(d.items())),
        words,
    ),
    property=words,
    message=words,
    kind=st.sampled_from([kind for kind in KINDS if kind != "lasso"]),
    steps=st.lists(steps, max_size=1).map(tuple),
)
lassos = st.builds(replace, traces, kind=st.just("lasso"), steps=st.tuples(steps), stem=st.just(0))
json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=8,
)


def sample() -> Trace:
    machine = locking_nmi()
    return shortest(machine, "self_deadlock").trace(machine)


@given(traces | lassos)
def test_what_is_saved_is_loaded(trace: Trace) -> None:
    """Guards against a field that is lost or changed on its way through a file."""
    assert from_content(json.loads(to_json(trace))) == trace


@given(st.data())
def test_a_damaged_file_never_raises_anything_else(data: st.DataObject) -> None:
    """Guards against a bare KeyError or TypeError for a file that someone edited."""
    content = json.loads(to_json(sample()))
    place: Any = content
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = data.draw(st.sampled_from(keys))
        inner = place[key]
        if not isinstance(inner, dict | list) or not inner or data.draw(st.booleans()):
            break
        place = inner
    if isinstance(place, dict) and data.draw(st.booleans()):
        del place[key]
    else:
        place[key] = data.draw(json_values)
    try:
        from_content(content)
    except TraceDecodeError as error:
        assert "\n" not in str(error)


def test_files_from_before_lassos_are_read() -> None:
    """Guards the traces that people have kept: they say nothing of a loop."""
    content = json.loads(to_json(sample()))
    del content["stem"]
    assert from_content(content) == sample()


def test_a_saved_trace_replays(tmp_path: Path) -> None:
    """Guards against a file that loads and does not replay."""
    path = tmp_path / "trace.json"
    save(sample(), path)
    assert load(path) == sample()
    assert replay(path, locking_nmi()) == sample()
    assert [p.name for p in tmp_path.iterdir()] == ["trace.json"]


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    """Guards against half a file: the rename fails because the target is a folder."""
    target = tmp_path / "trace.json"
    target.mkdir()
    with pytest.raises(OSError):
        save(sample(), target)
    assert [p.name for p in tmp_path.iterdir()] == ["trace.json"]


def edited(**changes: Any) -> str:
    return json.dumps({**json.loads(to_json(sample())), **changes})


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is not valid JSON at line 1, column 1: Expecting value; record it again"),
        ("[1]", 'has no "format": "nolock trace"; is this a trace file?'),
        ("[" * 100_000, "is not valid JSON: nested too deep"),
        ('{"format": ' + "9" * 5000 + "}", "a number too long"),
        (edited(version=2), "has version 2, this nolock reads 1; update nolock"),
        (edited(version=True), "version is True, not a whole number"),
        (edited(steps={}), "steps is an object, not a list"),
        (edited(kind="maybe"), "kind is text, not check or invariant or rest or"),
        (edited(steps=[{"number": 2}]), "steps[0].number is not 1: steps are counted from 1"),
        (edited(steps=[{"number": 1}]), "steps[0].lane is missing"),
        (edited(identity=None), "identity is null, not an object"),
        (edited(stem=1), "stem goes with the kind lasso, and with no other; record it again"),
        (edited(kind="lasso"), "stem goes with the kind lasso"),
        (edited(kind="lasso", stem=99), "stem is 99, but the loop must be some of the"),
        (edited(kind="lasso", stem=-1), "stem is -1, but the loop"),
        (edited(message="\ud800"), "message holds half of a character"),
    ],
)
def test_errors_say_what_where_and_what_to_do(tmp_path: Path, text: str, says: str) -> None:
    """Golden errors."""
    path = tmp_path / "trace.json"
    path.write_text(text)
    with pytest.raises(TraceFileError) as error:
        load(path)
    message = str(error.value)
    assert message.startswith(f"{path}: ")
    assert says in message
    assert "\n" not in message


def test_a_missing_or_binary_file_is_told(tmp_path: Path) -> None:
    """Guards against OSError and UnicodeDecodeError reaching the user."""
    with pytest.raises(TraceFileError, match="no such file or directory; check the path"):
        load(tmp_path / "absent.json")
    binary = tmp_path / "binary.json"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(TraceFileError, match="is not text in UTF-8"):
        load(binary)
