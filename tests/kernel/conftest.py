"""Compiles the tests' designs, each configuration once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from properties.registry import build_machine
from tests.kernel.machine import ANSWERS, Walk

Kernel = Callable[..., Walk]


@pytest.fixture(scope="session")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Kernel:
    """Start a walk: `kernel(source, nmis=1)`. Without `other_gps` no grace period interferes."""
    folder = tmp_path_factory.mktemp("kernel")
    (folder / "answers.py").write_text(ANSWERS, encoding="utf-8")
    known: dict[object, Walk] = {}

    def start(source: str, *properties: str, **config: int) -> Walk:
        settings = {"other_gps": 0} | config
        key = (source, properties, tuple(sorted(settings.items())))
        if key not in known:
            machine = build_machine(_written(folder, source), settings, properties)
            known[key] = Walk(machine, machine.initial)
        return replace(known[key])

    return start


def _written(folder: Path, source: str) -> Path:
    path = folder / f"design_{abs(hash(source))}.py"
    path.write_text(source, encoding="utf-8")
    return path
