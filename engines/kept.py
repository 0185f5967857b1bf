"""Results kept from one command to the next, and made again when anything they depend on changes.

An entry is believed only with its checksum, and only while nolock's own files and the files that it
names have the content they had: a cache can make a command faster, never wrong. What cannot be
read or written is made anew, without a word.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import pickle
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

import platformdirs

Value = TypeVar("Value")

ROOT = Path(__file__).resolve().parents[1]
_PACKAGES = ("counterexamples", "engines", "model", "nolock", "properties")
_DIGEST_BYTES = 20
_CLOCK_SECONDS = 0.1
"""How far the times of files may be behind the clock."""
LIMIT = 1 << 30
"""Bytes of a folder of the cache. What was not used for the longest time goes first."""
WRITING = ".writing-"
COMPILING = ".compiling-"
"""How what is being made is named."""
_UNFINISHED_SECONDS = 3600
"""What is being made for as long was left by a process that was killed."""


def cache_directory() -> Path:
    """Where everything is kept. It may not exist, and need not be writable."""
    found = platformdirs.user_cache_path("nolock")
    # For a user without a home directory the path begins with `~`, and would be a folder of that
    # name where the command is run. In the null device nothing can be made: nothing is kept.
    return found if not str(found).startswith("~") else Path(os.devnull, "nolock")


def kept(
    kind: str,
    key: object,
    make: Callable[[], Value],
    files_of: Callable[[Value], Iterable[Path]] = lambda value: (),
) -> Value:
    """What `make` returns, or what it returned when it was asked for the same thing before.

    `kind` and `key` say what is asked for; `repr(key)` must be the same in every process.
    `files_of` gives the files outside of nolock that went into a value. A value must survive
    pickling, and nobody may change it. Exceptions of `make` are passed on and not kept.
    """
    path = cache_directory() / "kept" / f"{kind}-{_digest([repr(key).encode()]).hex()}"
    found = _recalled(path)
    if found is not None:
        value: Value = found[0]
        return value
    _own_content()  # before anything is made from these files
    began = time.time()
    value = make()
    _keep(path, value, [file.resolve() for file in files_of(value)], began)
    return value


def _recalled(path: Path) -> tuple[Any] | None:
    """The value of an entry in a tuple of one, or None if there is none that can be believed."""
    try:
        content = path.read_bytes()
        checksum, rest = content[:_DIGEST_BYTES], content[_DIGEST_BYTES:]
        if checksum != _digest([rest]):
            return None
        # From here on it is an entry that we wrote: the folder is the user's own, as is that of
        # the compiled models, which are executed too.
        files, basis, pickled = pickle.loads(rest)
        if basis != _basis(files):
            return None
        used(path)
        return (pickle.loads(pickled),)
    except OSError:
        return None


def _keep(path: Path, value: object, files: list[Path], began: float) -> None:
    try:
        # Of a file that was changed meanwhile, who knows which content the value was made from?
        if _changed_since(_own_content()[1], _own_files()) or _changed_since(began, files):
            return
        names = [str(file) for file in files]
        rest = pickle.dumps((names, _basis(names), pickle.dumps(value, protocol=5)), protocol=5)
        write_atomically(path, _digest([rest]) + rest)
        tidy(path.parent)
    except (OSError, RecursionError):
        pass  # no room, or not ours to write, or nested too deeply to be pickled


def write_atomically(path: Path, content: bytes) -> None:
    """Others see the old content or the new; raises OSError."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=WRITING, delete=False) as file:
        part = Path(file.name)
        try:
            file.write(content)
            file.close()
            part.replace(path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise


def seal(path: Path) -> None:
    """Put a checksum at the end of a file; where the file's format allows, it changes nothing."""
    with path.open("r+b") as file:
        checksum = _digest([file.read()])
        file.write(checksum)


def is_sealed(path: Path) -> bool:
    """Whether the file is there and is as it was when it was sealed."""
    try:
        content = path.read_bytes()
    except OSError:
        return False
    return content[-_DIGEST_BYTES:] == _digest([content[:-_DIGEST_BYTES]])


def used(path: Path) -> None:
    """Note that it was used now."""
    with contextlib.suppress(OSError):
        os.utime(path)


def tidy(directory: Path, limit: int = LIMIT) -> None:
    """Remove what killed processes left there, and what is too much."""
    now, files = time.time(), []
    with contextlib.suppress(OSError):
        for entry in os.scandir(directory):
            with contextlib.suppress(FileNotFoundError):  # others tidy too
                about = entry.stat(follow_symlinks=False)
                if entry.name.startswith((WRITING, COMPILING)):
                    if now - about.st_mtime > _UNFINISHED_SECONDS:
                        _remove(Path(entry.path))
                elif entry.is_file(follow_symlinks=False):
                    files.append((about.st_mtime, about.st_size, entry.path))
        total = sum(size for _, size, _ in files)
        for _, size, path in sorted(files):
            if total <= limit:
                break
            Path(path).unlink(missing_ok=True)
            total -= size


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _basis(files: Iterable[str]) -> bytes:
    """A digest of all that a value depends on besides its key."""
    parts = [_own_content()[0]]
    for file in files:
        parts += (file.encode(errors="surrogateescape"), Path(file).read_bytes())
    return _digest(parts)


@functools.cache
def _own_content() -> tuple[bytes, float]:
    """A digest of nolock's files and of the Python that runs them, and when that was taken."""
    moment = time.time()
    parts = [sys.version.encode()]
    for file in _own_files():
        parts += (str(file.relative_to(ROOT)).encode(), file.read_bytes())
    return _digest(parts), moment


def _own_files() -> list[Path]:
    return [file for name in _PACKAGES for file in sorted((ROOT / name).rglob("*.py"))]


def _changed_since(moment: float, files: Iterable[Path]) -> bool:
    return any(file.stat().st_mtime > moment - _CLOCK_SECONDS for file in files)


def _digest(parts: Iterable[bytes]) -> bytes:
    digest = hashlib.blake2b(digest_size=_DIGEST_BYTES)
    for part in parts:
        # The length first: otherwise bytes could move from one part to the next unnoticed.
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.digest()
