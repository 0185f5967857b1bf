"""The manual: its examples verify, its quotes are quotes, its links lead somewhere."""

from __future__ import annotations

import json
import re
import sysconfig
from pathlib import Path

import pytest
from click.testing import CliRunner

from nolock.cli import nolock
from nolock.readme_check import check

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
EXAMPLES = sorted((DOCS / "examples").glob("*.py"))
PAGES = [ROOT / "README.md", *sorted(DOCS.glob("*.md"))]
SHOWING_OUTPUT = [
    page for page in PAGES if page.parent == DOCS and "\n<!-- run:" in page.read_text()
]

_LINK = re.compile(r"\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)")
_PYTHON = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.mark.slow
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_every_verdict_of_an_example_is_as_it_expects(
    example: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards against an example that the language or the kernel parts have left behind."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    report = tmp_path / "report.json"
    words = ["verify", str(example), "--format", "json", "--output", str(report)]
    result = CliRunner().invoke(nolock, words)
    assert result.exit_code == 0, result.output
    found = json.loads(report.read_text())
    assert found["problems"] == []
    assert found["summary"] == {
        "expected": len(found["verdicts"]), "unexpected": 0, "incomplete": 0, "not judged": 0
    }  # fmt: skip
    assert {v["verdict"] for v in found["verdicts"]} == {"holds", "violated"}


def test_the_guide_quotes_the_example() -> None:
    """Guards against a quote in the guide that is no longer what the file says."""
    example = (DOCS / "examples" / "busy_flag.py").read_text()
    quotes = _PYTHON.findall((DOCS / "writing-a-design.md").read_text())
    assert quotes
    for quote in quotes:
        assert quote in example, quote


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_links_lead_to_files(page: Path) -> None:
    """Guards against a page that was renamed or never written."""
    links = _LINK.findall(page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.slow
@pytest.mark.parametrize("page", SHOWING_OUTPUT, ids=lambda path: path.stem)
def test_output_shown_is_what_the_commands_print(page: Path) -> None:
    """Guards against output in the manual that the program no longer prints.

    After a change that is meant: python -m nolock.readme_check --update docs/PAGE.md
    """
    if not (Path(sysconfig.get_path("scripts")) / "nolock").exists():
        pytest.skip("nolock is not installed in this environment")
    assert "\n\n".join(check(page, update=False)) == ""
