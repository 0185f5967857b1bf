"""The designs and mutants that come with the product, and files of the user's own, by name."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from model.language.declarations import nearest
from model.manifest import Manifest, Run, has_runs, read_manifest
from nolock.errors import InputError
from nolock.jobs import DESIGNS, MUTANTS
from properties.registry import PROPERTIES

_GIVE = "give a design file or a name"


def design_paths() -> dict[str, Path]:
    """The built-in designs by name; parts that designs share are not among them."""
    paths = sorted(DESIGNS.glob("*.py"))
    return {path.stem: path for path in paths if has_runs(path)}


def mutant_paths() -> dict[str, Path]:
    """The built-in mutants by ID."""
    return {path.stem: path for path in sorted(MUTANTS.glob("*.py")) if path.stem != "__init__"}


def design_named(name_or_path: str) -> Manifest:
    """A design by name, or a file."""
    known = design_paths()
    if name_or_path in known:
        return read_manifest(known[name_or_path], tuple(PROPERTIES))
    if not name_or_path:
        raise InputError("the name of a design is empty", _GIVE)
    path = Path(name_or_path)
    if path.is_dir():
        raise InputError(f"{name_or_path} is a directory", _GIVE)
    if path.is_file():
        return read_manifest(path, tuple(PROPERTIES))
    if path.exists():
        raise InputError(f"{name_or_path} is not a regular file", _GIVE)
    if path.suffix == ".py" or "/" in name_or_path:
        raise InputError(f"there is no file {name_or_path}", _GIVE)
    raise unknown("design", name_or_path, known)


def unknown(what: str, name: str, known: Iterable[str]) -> InputError:
    """The error for a name that nothing has, with the nearest one that exists."""
    known = list(known)
    hint = nearest(name, known)
    return InputError(f"unknown {what} `{name}`", hint or f"there is no {what}")


def chosen_names(what: str, names: Iterable[str], known: Iterable[str]) -> tuple[str, ...]:
    """The names, each of which must be known."""
    known = list(known)
    for name in names:
        if name not in known:
            raise unknown(what, name, known)
    return tuple(dict.fromkeys(names))


def runs_named(manifest: Manifest, names: Iterable[str]) -> tuple[Run, ...]:
    """The runs of a design by name."""
    chosen = chosen_names(f"run of {manifest.name}", names, [run.name for run in manifest.runs])
    return tuple(run for run in manifest.runs if run.name in chosen)
