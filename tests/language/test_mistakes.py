"""A mistake in a model file is told with its place, its line and what to write instead.

`mistakes.txt` holds the files and the messages: `=== what`, the file, `---`, the message. After a
deliberate change `python -m tests.language.test_mistakes` writes the messages anew; read the
difference.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from model.language.compile import compile_machine
from model.language.source import CompileError
from tests.language.files import BASE, compiled

GOLDEN = Path(__file__).with_name("mistakes.txt")


def read_cases() -> dict[str, tuple[str, str]]:
    """File and message of each mistake."""
    cases = {}
    for part in GOLDEN.read_text(encoding="utf-8").split("=== ")[1:]:
        head, _, message = part.partition("\n---\n")
        name, _, source = head.partition("\n")
        cases[name] = (source + "\n", message.strip("\n"))
    return cases


def message(folder: Path, source: str, config: Mapping[str, int] = {}) -> str:
    """What the compiler says, with the folder left out."""
    try:
        compiled(folder, source, config)
    except CompileError as error:
        return str(error).replace(f"{folder.resolve()}/", "")
    return "(no mistake)"


CASES = read_cases()


@pytest.mark.parametrize("name", CASES)
def test_the_message(name: str, tmp_path: Path) -> None:
    source, expected = CASES[name]
    assert message(tmp_path, source) == expected


def test_every_message_has_a_place() -> None:
    """Guards against messages that send the reader searching."""
    nowhere = {"design that nothing calls", "empty file"}
    for name, (_, text) in CASES.items():
        assert name in nowhere or text.startswith(("model.py:", "base.py:")), name


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(CompileError, match="cannot be read: No such file or directory"):
        compile_machine(tmp_path / "nothing.py", {}, {})


def test_folder_in_place_of_a_file(tmp_path: Path) -> None:
    with pytest.raises(CompileError, match="cannot be read: Is a directory"):
        compile_machine(tmp_path, {}, {})


def test_file_that_is_not_text(tmp_path: Path) -> None:
    (tmp_path / "model.py").write_bytes(b"x = '\xff'")
    with pytest.raises(CompileError, match="is not a text file in UTF-8"):
        compile_machine(tmp_path / "model.py", {}, {})


def test_file_with_a_null_byte(tmp_path: Path) -> None:
    (tmp_path / "model.py").write_bytes(b"x = 1\0")
    with pytest.raises(CompileError, match="null bytes"):
        compile_machine(tmp_path / "model.py", {}, {})


def test_expression_that_is_nested_too_deeply(tmp_path: Path) -> None:
    (tmp_path / "base.py").write_text(BASE, encoding="utf-8")
    (tmp_path / "model.py").write_text(f"A = {'-' * 100_000}1\n", encoding="utf-8")
    with pytest.raises(CompileError, match=r"nested too deeply|too many nested"):
        compile_machine(tmp_path / "model.py", {}, {})


def test_a_mistake_in_another_file_names_the_call_that_leads_there(tmp_path: Path) -> None:
    """Guards against a message that blames the kernel's parts for an argument of the user's."""
    source = """
from model.kernel.contexts import client
from model.kernel.cpu import this_cpu
from model.kernel.objects import Object
from model.language.syntax import inline, routine


@inline
def where_parked(head: Object) -> Object:
    return this_cpu(head)


@routine(entry=(client,))
def free_now(head: Object) -> None:
    parked = where_parked(head)
"""
    (tmp_path / "model.py").write_text(source, encoding="utf-8")
    with pytest.raises(CompileError) as raised:
        compile_machine(tmp_path / "model.py", {}, {})
    lines = str(raised.value).splitlines()
    assert lines[0].startswith("model/kernel/cpu.py:")
    assert lines[2:] == [f"  called from {tmp_path}/model.py:10: return this_cpu(head)"]


def test_columns_count_characters(tmp_path: Path) -> None:
    """Guards against byte offsets shown as columns."""
    source = CASES["unknown name"][0].replace("bax.n = 1", 'helper("é", bax)')
    assert "unknown name `helper`" in message(tmp_path, source)
    source = CASES["unknown name"][0].replace("bax.n = 1", 'check("é", bax, "m")')
    source = source.replace("import routine", "import check, routine")
    assert message(tmp_path, source).startswith("model.py:8:")


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"boxs": 1}, "unknown knob `boxs`\n  did you mean `boxes`?"),
        ({"extra": 2}, "knob `extra` is 2; it is either 0 or 1\n  a switch"),
    ],
)
def test_wrong_settings(config: dict[str, int], expected: str, tmp_path: Path) -> None:
    assert message(tmp_path, CASES["unknown name"][0], config) == expected


def test_negative_count(tmp_path: Path) -> None:
    """Guards against a machine with fewer than no instances."""
    text = message(tmp_path, CASES["unknown name"][0], {"boxes": -1})
    assert text.splitlines()[0].endswith("-1 instances")


def _rewrite() -> None:
    parts = []
    for name, (source, _) in CASES.items():
        with tempfile.TemporaryDirectory() as folder:
            text = message(Path(folder), source)
        parts.append(f"=== {name}\n{source.rstrip()}\n---\n{text}\n\n")
    GOLDEN.write_text("".join(parts), encoding="utf-8")


if __name__ == "__main__":
    _rewrite()
