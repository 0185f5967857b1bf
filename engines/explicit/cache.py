"""Compiled models, kept by the content they were compiled from."""

import atexit
import functools
import hashlib
import platform
import shutil
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from engines.explicit.compiler import (
    LINK_FLAGS,
    RUNTIME_FLAGS,
    Compiler,
    StorageError,
    find_compiler,
    no_compiler,
)
from engines.kept import cache_directory, is_sealed, tidy, used, write_atomically

_DIGEST_BYTES = 20
FILE_NAMES = "surrogateescape"
"""The generated C names the model's files. A name that is no text in the locale's encoding is
written as the bytes that it is."""


def build_cached(
    source_text: str,
    extra_sources: tuple[Path, ...],
    *,
    compiler: Compiler | None = None,
    directory: Path | None = None,
    notes: list[str] | None = None,
) -> Path:
    """The shared library made of generated C and the runtime's C files, compiled if need be.

    The headers beside the runtime files can be included by all of them and count as their content.
    Without `compiler`, `find_compiler()` is asked; who builds many models asks it once and passes
    it. Without `directory`, libraries are kept in the user's cache directory, or, where that cannot
    be written, in a temporary one that goes when this process ends; `notes` then says so.

    Raises CompilerError.
    """
    compiler = compiler or find_compiler()
    if compiler is None:
        raise no_compiler()
    cache = directory or cache_directory()
    build = _Build(source_text, _Runtime.read(extra_sources), compiler)
    try:
        return build.library_in(cache)
    except StorageError:
        if notes is not None:
            notes.append(f"the cache {cache} cannot be written, so each run compiles anew")
        place = _temporary_directory()
        # What cannot be cached there most likely leaves no room for the compiler's cache either.
        compiler = replace(compiler, scratch=place / "compiler")
        return replace(build, compiler=compiler).library_in(place)


@dataclass(frozen=True)
class _Runtime:
    """The C files linked to every model, and the content that decides what they compile to."""

    sources: tuple[Path, ...]
    folders: tuple[Path, ...]
    content: tuple[bytes, ...]

    @staticmethod
    def read(sources: Sequence[Path]) -> "_Runtime":
        folders = tuple(dict.fromkeys(source.parent for source in sources))
        headers = [header for folder in folders for header in sorted(folder.glob("*.h"))]
        files = dict.fromkeys([*sources, *headers])
        content = [part for file in files for part in (file.name.encode(), file.read_bytes())]
        compiled = tuple(source for source in sources if source.suffix == ".c")
        return _Runtime(compiled, folders, tuple(content))


@dataclass(frozen=True)
class _Build:
    source_text: str
    runtime: _Runtime
    compiler: Compiler

    def library_in(self, directory: Path) -> Path:
        """The library in this directory.

        Processes that build the same one at the same time all compile it; each moves its own into
        place in one step, and any of them is right.
        """
        flags = (self.compiler.generated_flags, RUNTIME_FLAGS, LINK_FLAGS)
        digest = self._digest(*flags, self.source_text.encode(errors=FILE_NAMES))
        library = directory / f"model-{digest}.so"
        if is_sealed(library):
            used(library)
            return library
        # Kept beside its library, so that a compiler's message names a file that can be read.
        source = library.with_suffix(".c")
        try:
            write_atomically(source, self.source_text.encode(errors=FILE_NAMES))
        except OSError as error:
            raise StorageError(f"cannot write {source}: {error.strerror}") from error
        self.compiler.compile_shared(
            source, library, objects=self._objects_in(directory), include=self.runtime.folders
        )
        tidy(directory)
        return library

    def _objects_in(self, directory: Path) -> list[Path]:
        objects = []
        for source in self.runtime.sources:
            digest = self._digest(RUNTIME_FLAGS, source.name.encode())
            built = directory / f"{source.stem}-{digest}.o"
            used(built)
            if not is_sealed(built):
                self.compiler.compile_object(source, built, include=self.runtime.folders)
            objects.append(built)
        return objects

    def _digest(self, *parts: bytes | Iterable[str]) -> str:
        """One name for all that the result depends on; the compiler's folder is not part of it."""
        digest = hashlib.blake2b(digest_size=_DIGEST_BYTES)
        command = (Path(self.compiler.command[0]).name, *self.compiler.command[1:])
        for part in (command, [self.compiler.version, platform.machine()], *parts):
            if isinstance(part, bytes):
                _add(digest, part)
            else:
                _add(digest, "\0".join(part).encode(errors=FILE_NAMES))
        for content in self.runtime.content:
            _add(digest, content)
        return digest.hexdigest()


def _add(digest: "hashlib.blake2b", content: bytes) -> None:
    # The length first: otherwise text could move from one part to the next unnoticed.
    digest.update(len(content).to_bytes(8, "little"))
    digest.update(content)


@functools.cache
def _temporary_directory() -> Path:
    """One per process, and not at a name that others could guess: what is in it gets executed."""
    try:
        place = Path(tempfile.mkdtemp(prefix="nolock-"))
    except OSError as error:
        raise StorageError(
            f"no directory to compile in: {error.strerror}\n"
            "  Neither the cache directory nor a temporary one can be written."
        ) from error
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    return place
