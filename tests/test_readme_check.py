"""The README check: what it must notice, and what it must not trip over."""

import shlex
import stat
import sys
import sysconfig
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from nolock.readme_check import ReadmeError, find_blocks, main, normalise


def python(code: str) -> str:
    """A command line that runs this code, as a marker would have it."""
    return shlex.join([sys.executable, "-c", code])


def write(folder: Path, *blocks: tuple[str, str]) -> Path:
    """A README with one block per (marker, shown output)."""
    readme = folder / "README.md"
    parts = [f"<!-- {marker} -->\n```text\n{shown}\n```\n" for marker, shown in blocks]
    readme.write_text("# title\n\n" + "\nwords\n\n".join(parts) + "\nthe end\n", encoding="utf-8")
    return readme


def run(readme: Path, *options: str) -> Result:
    return CliRunner().invoke(main, [*options, str(readme)])


def test_output_that_agrees_is_green(tmp_path: Path) -> None:
    """Guards against a check that finds differences where there are none."""
    readme = write(tmp_path, (f"run: {python('print(1); print(2)')}", "1\n2"))
    result = run(readme)
    assert result.exit_code == 0, result.output


def test_every_block_that_differs_is_shown(tmp_path: Path) -> None:
    """Guards against a check that stops at the first difference, or that compares nothing."""
    readme = write(
        tmp_path,
        (f"run: {python('print(1)')}", "one"),
        (f"run: {python('print(2)')}", "2"),
        (f"run: {python('print(3)')}", "three"),
    )
    result = run(readme)
    assert result.exit_code == 1
    changed = [
        line
        for line in result.output.splitlines()
        if line[:1] in ("-", "+") and line[:3] not in ("---", "+++")
    ]
    assert changed == ["-one", "+1", "-three", "+3"]
    assert "--- README.md, line 5" in result.output
    assert "--update" in result.output


@pytest.mark.parametrize(
    ("shown", "printed"),
    [
        ("exact; 0.1 s", "exact; 12.3 s"),
        ("exact; 0.1 s", "exact; 1 min 3 s"),
        ("exact; 0.1 s", "exact; < 0.1 s"),
        ("at 3.2 M/s", "at 950 k/s"),
        ("at 3.2 M states/s", "at 83,009 states/s"),
        ("12 MiB, 3 CPUs", "1.4 GiB, 3 CPUs"),
        ("12 MB in 3 ms", "900 kB in 20 µs"),
        ("0:00:03 elapsed", "1:12:59 elapsed"),
        ("│ mainline  │   0.1 s │ 12 states", "│ mainline │ 112.0 s │ 12 states"),
        ("design   time\n──────────────", "design time\n────────────"),
        ("\x1b[31mviolated\x1b[0m   ", "violated"),
    ],
)
def test_measurements_and_their_alignment_are_not_compared(
    tmp_path: Path, shown: str, printed: str
) -> None:
    """Guards against a check that is red on another machine, or on a slower day."""
    readme = write(tmp_path, (f"run: {python(f'print({printed!r})')}", shown))
    if "\x1b" in shown:  # colour is what a command prints, not what a README shows
        readme = write(tmp_path, (f"run: {python(f'print({shown!r})')}", printed))
    result = run(readme)
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize(
    ("shown", "printed"),
    [
        ("83,009 states", "83,010 states"),
        ("25 M states", "26 M states"),
        ("24 bytes/state", "32 bytes/state"),
        ("3 steps", "4 steps"),
        ("slab_common.c:1234:56", "slab_common.c:1235:56"),
        ("  CPU 0", "    CPU 0"),
        ("holds", "violated"),
        ("holds, 0.1 s", "violated, 0.1 s"),
        ("holds", "holds\nholds"),
    ],
)
def test_results_are_compared(shown: str, printed: str) -> None:
    """Guards against a normalisation that wipes out what the README promises."""
    assert normalise(tuple(shown.splitlines())) != normalise(tuple(printed.splitlines()))


def test_an_unexpected_exit_code_is_red(tmp_path: Path) -> None:
    """Guards against a command that prints the right text and then fails."""
    command = python("print(1); raise SystemExit(3)")
    result = run(write(tmp_path, (f"run: {command}", "1")))
    assert result.exit_code == 1
    assert "exit code 3, not 0" in result.output
    assert run(write(tmp_path, (f"run exit=3: {command}", "1"))).exit_code == 0
    result = run(write(tmp_path, (f"run exit=1: {command}", "1")))
    assert "exit code 3, not 1" in result.output


def test_the_terminal_is_the_same_for_everyone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards against a check that depends on the width and colours of who runs it."""
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("FORCE_COLOR", "1")
    names = ("COLUMNS", "NO_COLOR", "TERM", "FORCE_COLOR")
    code = f"import os; print(*(os.environ.get(n) for n in {names}))"
    result = run(write(tmp_path, (f"run: {python(code)}", "100 1 dumb None")))
    assert result.exit_code == 0, result.output


def test_errors_and_output_are_shown_in_the_order_written(tmp_path: Path) -> None:
    """Guards against losing what goes to stderr, or mixing it up by buffering."""
    code = "import sys; print(1); print(2, file=sys.stderr); print(3)"
    result = run(write(tmp_path, (f"run: {python(code)}", "1\n2\n3")))
    assert result.exit_code == 0, result.output


def test_nolock_is_the_one_beside_the_interpreter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards against checking another nolock that happens to be first on PATH."""
    script = tmp_path / "nolock"
    script.write_text('#!/bin/sh\necho "ours: $*"\n')
    script.chmod(0o755)
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(tmp_path))
    result = run(write(tmp_path, ("run: nolock list --format text", "ours: list --format text")))
    assert result.exit_code == 0, result.output


def test_update_changes_the_blocks_and_nothing_else(tmp_path: Path) -> None:
    """Guards against an update that moves text, drops the mode, or leaves a file behind."""
    readme = write(
        tmp_path,
        (f"run: {python('print(1); print(2); print(3)')}", "old"),
        (f"run: {python('print(4)')}", "old\nold\nold"),
    )
    readme.chmod(0o640)
    expected = readme.read_text().replace("old\nold\nold", "4").replace("\nold\n", "\n1\n2\n3\n")
    result = run(readme, "--update")
    assert result.exit_code == 0, result.output
    assert readme.read_text() == expected
    assert stat.S_IMODE(readme.stat().st_mode) == 0o640
    assert list(tmp_path.iterdir()) == [readme]
    assert run(readme).exit_code == 0


def test_update_writes_nothing_when_a_command_fails(tmp_path: Path) -> None:
    """Guards against a README that shows half a run, or an error as if it were the output."""
    readme = write(
        tmp_path,
        (f"run: {python('print(1)')}", "old"),
        (f"run: {python('raise SystemExit(1)')}", "old"),
    )
    before = readme.read_text()
    assert run(readme, "--update").exit_code == 1
    assert readme.read_text() == before


def test_update_refuses_output_that_would_close_its_block(tmp_path: Path) -> None:
    """Guards against a broken README."""
    readme = write(tmp_path, (f"run: {python('print(chr(96) * 3)')}", "old"))
    result = run(readme, "--update")
    assert result.exit_code == 1
    assert "more backticks" in result.output
    text = readme.read_text().replace("```", "````")
    readme.write_text(text)
    assert run(readme, "--update").exit_code == 0
    assert run(readme).exit_code == 0


def test_markers_inside_other_blocks_are_text() -> None:
    """Guards against running what the README only quotes."""
    text = (
        "````markdown\n<!-- run: echo no -->\n```text\nx\n```\n````\n\n```\n<!-- run x -->\n```\n"
    )
    assert find_blocks(text) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<!-- run: x -->\n\n```text\n```\n", "line 1: no ```text block"),
        ("<!-- run: x -->\n```console\n```\n", "line 1: no ```text block"),
        ("<!-- run: x -->", "line 1: no ```text block"),
        ("\n<!-- run x -->\n```text\n```\n", "line 2: not a marker"),
        ("<!-- run exit: x -->\n```text\n```\n", "line 1: not a marker"),
        ("<!-- run: -->\n```text\n```\n", "line 1: not a marker"),
        ("  <!-- run: x -->\n```text\n```\n", "first column"),
        ("<!-- run: x -->\n```text\nshown\n", "line 2: this block is never closed"),
    ],
)
def test_a_marker_with_a_mistake_is_an_error(text: str, message: str) -> None:
    """Guards against a typing mistake that silently takes a block out of the check."""
    with pytest.raises(ReadmeError) as caught:
        find_blocks(text)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("# only words\n", "no block to check"),
        ("<!-- run: no-such-program -->\n```text\n```\n", "cannot run `no-such-program`"),
        ("<!-- run: echo 'x -->\n```text\n```\n", "No closing quotation"),
    ],
)
def test_what_cannot_be_checked_is_red(tmp_path: Path, text: str, message: str) -> None:
    """Guards against a green check that checked nothing, and against a bare exception."""
    readme = tmp_path / "README.md"
    assert run(readme).exit_code == 1
    readme.write_text(text)
    result = run(readme)
    assert result.exit_code == 1
    assert message in result.output
