"""Finding a C compiler and compiling with it, so that a failure never leaves half an output."""

import errno
import importlib.metadata
import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from engines.kept import COMPILING, seal

GENERATED_FLAGS = ("-std=gnu11", "-O1", "-fPIC", "-shared")
"""For the steps of one model: compiled for each model, so the time to compile counts. Warnings cost
a sixth of it; the tests compile generated C with all of them."""

GNU_FLAGS = (
    "-Og",
    *("-finline-functions-called-once", "-fif-conversion", "-fif-conversion2"),
    *("-fssa-phiopt", "-ftree-sra"),
)
"""For gcc, in place of -O1: what of it makes generated steps faster, in two thirds of its time."""

OPTIMISED_FLAGS = ("-std=gnu11", "-O3", "-fPIC", "-shared")
"""For a search of minutes: compiling takes two to three times as long, a state a tenth to a third
less."""

RUNTIME_FLAGS = ("-std=gnu11", "-O2", "-fPIC", "-c", "-pthread", "-Wall", "-Wextra", "-Werror")
"""For the explorer: compiled once, then only linked."""

LINK_FLAGS = ("-pthread", "-Wl,-Bsymbolic")
"""-pthread: before glibc 2.34 threads are a library of their own. -Bsymbolic: without it a function
of ours that happens to be called like one of libc's (`times`) is silently replaced by that one."""

_NAMES_ON_PATH = ("cc", "gcc", "clang")
# The compiler's errors, and the linker's, which come before the line that sums them up as one.
_ERROR = re.compile(r"error:|undefined reference|undefined symbol|multiple definition|cannot find")
_GNU = "Free Software Foundation"
_LINES_SHOWN = 8
_SECONDS_FOR_VERSION = 60
_NO_STORAGE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)


class CompilerError(Exception):
    """The compiler refused the source, died, or is gone."""


class StorageError(CompilerError):
    """The output cannot be written where it was asked for; elsewhere it may work."""


@dataclass(frozen=True)
class Compiler:
    """A C compiler that has answered when asked for its version."""

    command: tuple[str, ...]
    version: str
    scratch: Path | None = None
    """Where the ziglang wheel keeps its own files; None is its default, in the home directory."""
    gnu: bool = False
    """Whether it is gcc, and knows its flags."""
    optimise: bool = False
    """Whether generated C is compiled for long searches."""

    @property
    def generated_flags(self) -> tuple[str, ...]:
        """How it compiles generated C."""
        if self.optimise:
            return OPTIMISED_FLAGS
        return (*GENERATED_FLAGS, *GNU_FLAGS) if self.gnu else GENERATED_FLAGS

    def compile_shared(
        self,
        source: Path,
        output: Path,
        flags: Sequence[str] | None = None,
        *,
        objects: Iterable[Path] = (),
        include: Iterable[Path] = (),
    ) -> None:
        """Compile one C file, link it with `objects`, and put the shared library at `output`.

        `flags` are `generated_flags` unless given.
        """
        flags = self.generated_flags if flags is None else flags
        inputs = [str(source), *map(str, objects)]
        self._run([*flags, *_include_flags(include), *inputs, *LINK_FLAGS], source, output)

    def compile_object(
        self,
        source: Path,
        output: Path,
        flags: Sequence[str] = RUNTIME_FLAGS,
        *,
        include: Iterable[Path] = (),
    ) -> None:
        """Compile one C file to an object file at `output`."""
        self._run([*flags, *_include_flags(include), str(source)], source, output)

    def _run(self, arguments: Sequence[str], source: Path, output: Path) -> None:
        """Compile beside `output` and move the result there in one step."""
        try:
            with tempfile.TemporaryDirectory(dir=output.parent, prefix=COMPILING) as beside:
                unfinished = Path(beside) / output.name
                self._compile([*arguments, "-o", str(unfinished)], source, unfinished)
                seal(unfinished)  # what follows the end of an object file or library is ignored
                unfinished.replace(output)
        except OSError as error:
            raise _storage_error(output, error.strerror or str(error)) from error

    def _compile(self, arguments: Sequence[str], source: Path, unfinished: Path) -> None:
        try:
            done = subprocess.run(
                [*self.command, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=self._environment(unfinished.parent),
                check=False,
            )
        except OSError as error:
            raise CompilerError(
                f"cannot run the C compiler {self.command[0]}: {error.strerror}\n"
                "  It was there a moment ago: has it been removed, or is memory short?"
            ) from error
        said = done.stdout.decode(errors="replace")
        if done.returncode == 0 and unfinished.is_file():
            return
        for number in _NO_STORAGE:
            if os.strerror(number) in said:
                raise _storage_error(unfinished.parent.parent / unfinished.name, said.strip())
        raise CompilerError(
            f"the C compiler {_ending(done.returncode)} on {source}\n"
            f"{_first_error_lines(said)}\n"
            f"  (compiler: {self.version})"
        )

    def _environment(self, temporary: Path) -> dict[str, str]:
        # Untranslated messages, because their error lines are picked out below. A compiler that is
        # killed leaves its temporary files behind: there, they go with the folder.
        environment = {**os.environ, "LC_ALL": "C", "TMPDIR": str(temporary)}
        if self.scratch is not None:
            environment["ZIG_GLOBAL_CACHE_DIR"] = str(self.scratch)
            environment["ZIG_LOCAL_CACHE_DIR"] = str(self.scratch)
        return environment


def find_compiler() -> Compiler | None:
    """The first of cc, gcc and clang on PATH that runs, else the ziglang wheel, else None."""
    for name in _NAMES_ON_PATH:
        path = shutil.which(name)
        if path is None:
            continue
        version, said = _ask_version(path)
        if version is not None:
            return Compiler((path,), version, gnu=_GNU in said)
    return _ziglang()


def no_compiler() -> CompilerError:
    """What to raise where there is none: what is there, and what it said."""
    there = [path for name in _NAMES_ON_PATH if (path := shutil.which(name)) is not None]
    names = ", ".join(_NAMES_ON_PATH)
    what = [f"none of {names} is on PATH"] if not there else []
    what += [f"{path} is on PATH, but `--version` {_ask_version(path)[1]}" for path in there]
    what.append("the ziglang wheel is not installed")
    return CompilerError(
        f"no C compiler: {'; '.join(what)}\n"
        "  Install one, for example: pip install ziglang. Or use the Python engine (slower, same "
        "answers)."
    )


def _ask_version(path: str) -> tuple[str | None, str]:
    """The first line of `--version`, or None when the program does not run; and what it said."""
    try:
        done = subprocess.run(
            [path, "--version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_SECONDS_FOR_VERSION,
            check=False,
        )
    except OSError as error:
        return None, f"cannot be run: {error.strerror}"
    except subprocess.TimeoutExpired:
        return None, f"does not end within {_SECONDS_FOR_VERSION} s"
    lines = done.stdout.decode(errors="replace").splitlines()
    if done.returncode == 0 and lines:
        return lines[0], "\n".join(lines)
    said = [*done.stderr.decode(errors="replace").splitlines(), *lines]
    text = f"{_ending(done.returncode)} and said: {said[0] if said else '(nothing)'}"
    return None, text


def _ziglang() -> Compiler | None:
    if importlib.util.find_spec("ziglang") is None:
        return None
    try:
        version = importlib.metadata.version("ziglang")
    except importlib.metadata.PackageNotFoundError:
        return None
    # -P: a ziglang.py in the working folder is not ours.
    # -mcpu=baseline: zig compiles for the CPU it runs on, but a cache in a home directory is often
    # shared by machines with different ones.
    command = (sys.executable, "-P", "-m", "ziglang", "cc", "-mcpu=baseline")
    return Compiler(command, f"ziglang {version}")


def _include_flags(include: Iterable[Path]) -> list[str]:
    return [f"-I{directory}" for directory in include]


def _ending(returncode: int) -> str:
    if returncode > 0:
        return "failed"
    if returncode == 0:
        return "reported success but wrote no output"
    try:
        name = signal.Signals(-returncode).name
    except ValueError:
        name = f"signal {-returncode}"
    hint = "; was memory short?" if name == "SIGKILL" else ""
    return f"was killed by {name}{hint}"


def _first_error_lines(said: str) -> str:
    """What the compiler said from its first error on, or from the start if it names none."""
    lines = [line.rstrip() for line in said.splitlines() if line.strip()]
    if not lines:
        return "  (it printed nothing)"
    first = next((number for number, line in enumerate(lines) if _ERROR.search(line)), 0)
    shown = lines[first : first + _LINES_SHOWN]
    left_out = len(lines) - first - len(shown)
    if left_out:
        shown.append(f"... and {left_out} more lines")
    return "\n".join(f"  {line}" for line in shown)


def _storage_error(output: Path, reason: str) -> StorageError:
    return StorageError(
        f"cannot write {output}: {reason}\n  Is the disk full, or {output.parent} not writable?"
    )
