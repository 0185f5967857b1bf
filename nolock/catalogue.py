"""The designs and mutants that come with the product, and files of the user's own, by name."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from engines.kept import kept
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
    if not name_or_path:
        raise InputError("the name of a design is empty", _GIVE)
    built_in = DESIGNS / f"{name_or_path}.py"
    if "/" not in name_or_path and has_runs(built_in):
        return manifest_of(built_in)
    path = Path(name_or_path)
    if path.is_dir():
        raise InputError(f"{name_or_path} is a directory", _GIVE)
    if path.is_file():
        return manifest_of(path)
    if path.exists():
        raise InputError(f"{name_or_path} is not a regular file", _GIVE)
    if path.suffix == ".py" or "/" in name_or_path:
        raise InputError(f"there is no file {name_or_path}", _GIVE)
    raise unknown("design", name_or_path, design_paths())


def manifest_of(path: Path) -> Manifest:
    """What a design file says about itself; kept, as it imports half of the kernel's parts."""
    whole = path.absolute()
    manifest = kept(
        "manifest",
        str(whole),
        lambda: read_manifest(whole, tuple(PROPERTIES)),
        lambda manifest: manifest.files,
    )
    return replace(manifest, path=path)  # as the user wrote it, for trace IDs and messages


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
