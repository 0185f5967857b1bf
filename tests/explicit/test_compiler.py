"""Finding a compiler, compiling with it, and keeping what it made."""

import ctypes
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import platformdirs
import pytest

from engines.explicit import cache
from engines.explicit.cache import build_cached
from engines.explicit.compiler import (
    GENERATED_FLAGS,
    Compiler,
    CompilerError,
    StorageError,
    find_compiler,
    no_compiler,
)

TWICE = "int twice(int x);\nint twice(int x) { return 2 * x; }\n"


@pytest.fixture
def compiler() -> Compiler:
    found = find_compiler()
    assert found is not None, "no C compiler: `make test` installs one"
    return found


@pytest.fixture
def only_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that is all of PATH, on a machine without the ziglang wheel."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setitem(sys.modules, "ziglang", None)
    return folder


def fake(folder: Path, name: str, script: str) -> Path:
    """A compiler that answers when asked for its version, and is otherwise this script."""
    program = folder / name
    program.write_text(
        f'#!/bin/sh\nif [ "$1" = --version ]; then echo "{name} 1.0"; exit 0; fi\n{script}\n'
    )
    program.chmod(0o755)
    return program


def source(folder: Path, text: str = TWICE) -> Path:
    path = folder / "model.c"
    path.write_text(text)
    return path


def call(library: Path, function: str, *arguments: int) -> int:
    return int(getattr(ctypes.CDLL(str(library)), function)(*arguments))


def runtime(folder: Path, factor: int = 3) -> Path:
    """A runtime file with a header beside it.

    Its function has the name of one in libc, which must not be called instead.
    """
    folder.mkdir(exist_ok=True)
    (folder / "times.h").write_text(f"#define FACTOR {factor}\nint times(int x);\n")
    path = folder / "times.c"
    path.write_text('#include "times.h"\nint times(int x) { return FACTOR * x; }\n')
    return path


USES_RUNTIME = '#include "times.h"\nint ask(int x);\nint ask(int x) { return times(x) + 1; }\n'


# finding one


def test_without_any_compiler_there_is_none(only_path: Path) -> None:
    """Guards against an exception where the Python fallback should run."""
    assert find_compiler() is None


def test_the_first_that_runs_is_taken(only_path: Path) -> None:
    """Guards against taking a cc that is a dangling wrapper although gcc would work."""
    broken = only_path / "cc"
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o755)
    unstartable = only_path / "gcc"
    unstartable.write_text("#!/no/such/interpreter\n")
    unstartable.chmod(0o755)
    assert find_compiler() is None
    works = fake(only_path, "clang", "exit 1")
    assert find_compiler() == Compiler((str(works),), "clang 1.0")


def test_a_compiler_that_does_not_run_is_named(only_path: Path) -> None:
    """Guards against `none is on PATH` where one is, and is broken."""
    assert "none of cc, gcc, clang is on PATH" in str(no_compiler())
    broken = only_path / "cc"
    broken.write_text("#!/bin/sh\necho no licence >&2\nexit 1\n")
    broken.chmod(0o755)
    unstartable = only_path / "gcc"
    unstartable.write_text("#!/no/such/interpreter\n")
    unstartable.chmod(0o755)
    lines = str(no_compiler()).splitlines()
    assert f"{broken} is on PATH, but `--version` failed and said: no licence;" in lines[0]
    assert f"{unstartable} is on PATH, but `--version` cannot be run: No such file" in lines[0]
    assert all(line.startswith("  ") for line in lines[1:])


def test_the_environment_does_not_choose(only_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards against configuration by environment variable."""
    monkeypatch.setenv("CC", str(fake(only_path, "mycc", "exit 1")))
    assert find_compiler() is None


def test_the_ziglang_wheel_serves_when_nothing_is_on_path(
    only_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards against not seeing the compiler that `make` has installed."""
    wheel = tmp_path / "site"
    (wheel / "ziglang").mkdir(parents=True)
    (wheel / "ziglang" / "__init__.py").write_text("")
    (wheel / "ziglang-0.99.dist-info").mkdir()
    (wheel / "ziglang-0.99.dist-info" / "METADATA").write_text("Name: ziglang\nVersion: 0.99\n")
    monkeypatch.delitem(sys.modules, "ziglang")
    monkeypatch.setattr(sys, "path", [str(wheel), *(p for p in sys.path if "site-pack" not in p)])
    found = find_compiler()
    assert found is not None
    assert found.version == "ziglang 0.99"
    assert found.command[0] == sys.executable
    assert found.command[2:5] == ("-m", "ziglang", "cc")


@pytest.mark.slow
def test_the_real_ziglang_wheel_compiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards against flags that only gcc understands."""
    # Installed only where there is no other compiler, where every other test here uses it too.
    pytest.importorskip("ziglang", reason="the ziglang wheel is not installed")
    monkeypatch.setenv("PATH", str(tmp_path))
    library = build_cached(USES_RUNTIME, (runtime(tmp_path / "run"),), directory=tmp_path / "kept")
    assert call(library, "ask", 5) == 16


# compiling


def test_a_compiled_library_loads(compiler: Compiler, tmp_path: Path) -> None:
    """Guards against flags that do not make a shared library."""
    output = tmp_path / "twice.so"
    compiler.compile_shared(source(tmp_path), output, GENERATED_FLAGS)
    assert call(output, "twice", 21) == 42
    assert sorted(tmp_path.iterdir()) == [tmp_path / "model.c", output]


def test_a_refused_source_names_the_first_error(compiler: Compiler, tmp_path: Path) -> None:
    """Guards against "compilation failed" without the reason."""
    output = tmp_path / "broken.so"
    with pytest.raises(CompilerError) as caught:
        compiler.compile_shared(source(tmp_path, "int f(void)\n{ return nowhere; }\n"), output)
    assert "nowhere" in str(caught.value)
    assert "model.c:2" in str(caught.value)
    assert compiler.version in str(caught.value)
    assert not output.exists()


def test_an_undefined_function_is_named(only_path: Path, tmp_path: Path) -> None:
    """Guards against showing the linker's last line, which does not say what is missing."""
    script = "echo m.c: undefined reference to explore; echo collect2: error: ld returned 1; exit 1"
    broken = Compiler((str(fake(only_path, "cc", script)),), "cc 1.0")
    with pytest.raises(CompilerError, match="undefined reference to explore"):
        broken.compile_shared(source(tmp_path), tmp_path / "out.so")


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("kill -9 $$", "killed by SIGKILL; was memory short?"),
        ("kill -11 $$", "killed by SIGSEGV"),
        ("exit 7", "it printed nothing"),
        ("exit 0", "reported success but wrote no output"),
        ("echo x.c:1: error: first; echo x.c:9: error: last; exit 1", "x.c:1: error: first"),
    ],
)
def test_a_compiler_that_dies_is_an_error_that_says_how(
    only_path: Path, tmp_path: Path, script: str, message: str
) -> None:
    """Guards against a bare exception, and against taking a missing output for a library."""
    broken = Compiler((str(fake(only_path, "cc", script)),), "cc 1.0")
    with pytest.raises(CompilerError) as caught:
        broken.compile_shared(source(tmp_path), tmp_path / "out.so")
    assert message in str(caught.value)
    assert not isinstance(caught.value, StorageError)


def test_a_compiler_that_has_gone_is_an_error(tmp_path: Path) -> None:
    """Guards against a bare FileNotFoundError, or blaming the disk for it."""
    gone = Compiler((str(tmp_path / "cc"),), "cc 1.0")
    with pytest.raises(CompilerError, match="cannot run the C compiler") as caught:
        gone.compile_shared(source(tmp_path), tmp_path / "out.so")
    assert not isinstance(caught.value, StorageError)


def test_a_failure_leaves_the_old_output_and_nothing_half_written(
    only_path: Path, tmp_path: Path
) -> None:
    """Guards against loading a library of which only the first half was written."""
    script = 'for last; do :; done; echo half > "$last"; exit 1'
    broken = Compiler((str(fake(only_path, "cc", script)),), "cc 1.0")
    output = tmp_path / "out.so"
    output.write_text("old")
    before = sorted(tmp_path.iterdir())
    with pytest.raises(CompilerError):
        broken.compile_shared(source(tmp_path), output)
    assert output.read_text() == "old"
    assert sorted(tmp_path.iterdir()) == sorted([*before, tmp_path / "model.c"])


def test_a_full_disk_is_told_apart(only_path: Path, tmp_path: Path) -> None:
    """Guards against sending the user to look for a mistake in the generated C."""
    script = "echo ld: final link failed: No space left on device; exit 1"
    full = Compiler((str(fake(only_path, "cc", script)),), "cc 1.0")
    with pytest.raises(StorageError, match="Is the disk full"):
        full.compile_shared(source(tmp_path), tmp_path / "out.so")


def test_an_output_folder_that_cannot_be_written_is_told_apart(
    compiler: Compiler, tmp_path: Path
) -> None:
    """Guards against a bare OSError from the temporary file."""
    with pytest.raises(StorageError, match="missing"):
        compiler.compile_shared(source(tmp_path), tmp_path / "missing" / "out.so")


# keeping


def test_the_same_content_is_compiled_once(compiler: Compiler, tmp_path: Path) -> None:
    """Guards against compiling each time, and against linking without the runtime."""
    kept, times = tmp_path / "kept", runtime(tmp_path / "run")
    first = build_cached(USES_RUNTIME, (times,), compiler=compiler, directory=kept)
    assert call(first, "ask", 5) == 16
    gone = "/no/such/" + Path(compiler.command[0]).name
    silent = replace(compiler, command=(gone, *compiler.command[1:]))
    assert build_cached(USES_RUNTIME, (times,), compiler=silent, directory=kept) == first


def test_another_model_reuses_the_compiled_runtime(compiler: Compiler, tmp_path: Path) -> None:
    """Guards against compiling the runtime, the larger part, once per model."""
    kept, times = tmp_path / "kept", runtime(tmp_path / "run")
    for number in range(3):
        text = USES_RUNTIME.replace("+ 1", f"+ {number}")
        library = build_cached(text, (times,), compiler=compiler, directory=kept)
        assert call(library, "ask", 5) == 15 + number
    assert len(list(kept.glob("*.o"))) == 1
    assert len(list(kept.glob("*.so"))) == 3


def test_a_changed_header_is_noticed(compiler: Compiler, tmp_path: Path) -> None:
    """Guards against running an old runtime after an edit of a file that it only includes."""
    kept = tmp_path / "kept"
    answers = []
    for factor in (3, 4):
        times = runtime(tmp_path / "run", factor)
        library = build_cached(USES_RUNTIME, (times,), compiler=compiler, directory=kept)
        answers.append(call(library, "ask", 5))
    assert answers == [16, 21]


def test_another_compiler_version_compiles_again(compiler: Compiler, tmp_path: Path) -> None:
    """Guards against keeping what a compiler with a bug has made."""
    updated = Compiler(compiler.command, compiler.version + ".1")
    first = build_cached(TWICE, (), compiler=compiler, directory=tmp_path)
    assert build_cached(TWICE, (), compiler=updated, directory=tmp_path) != first


def test_an_empty_library_is_not_believed(compiler: Compiler, tmp_path: Path) -> None:
    """Guards against what a power cut can leave behind."""
    library = build_cached(TWICE, (), compiler=compiler, directory=tmp_path)
    library.write_bytes(b"")
    assert build_cached(TWICE, (), compiler=compiler, directory=tmp_path) == library
    assert call(library, "twice", 4) == 8


@pytest.mark.parametrize("keep", [100, -100, None])
def test_a_damaged_library_is_compiled_anew(
    compiler: Compiler, tmp_path: Path, keep: int | None
) -> None:
    """Guards against a crash in the middle of a search, and against one that never goes away."""
    kept, times = tmp_path / "kept", runtime(tmp_path / "run")
    library = build_cached(USES_RUNTIME, (times,), compiler=compiler, directory=kept)
    for built in (library, *kept.glob("*.o")):
        whole = built.read_bytes()
        middle = len(whole) // 2
        flipped = whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :]
        built.unlink()  # not in place: a library that is loaded must not change
        built.write_bytes(flipped if keep is None else whole[:keep])
    assert build_cached(USES_RUNTIME, (times,), compiler=compiler, directory=kept) == library
    assert (
        subprocess.run(
            [
                sys.executable,
                "-c",
                f"import ctypes; assert ctypes.CDLL({str(library)!r}).ask(5) == 16",
            ]
        ).returncode
        == 0
    )


def test_without_a_compiler_the_error_says_what_to_install(only_path: Path) -> None:
    """Guards against an error that leaves the reader alone."""
    with pytest.raises(CompilerError, match="pip install ziglang"):
        build_cached(TWICE, ())


def test_an_error_names_a_file_that_is_still_there(compiler: Compiler, tmp_path: Path) -> None:
    """Guards against a message about a temporary file that has gone."""
    with pytest.raises(CompilerError):
        build_cached("int f(void) { return nowhere; }\n", (), compiler=compiler, directory=tmp_path)
    (left,) = tmp_path.iterdir()
    assert left.suffix == ".c"


def test_the_default_is_the_users_cache_directory(
    compiler: Compiler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards against writing into the checkout or the working folder."""
    monkeypatch.setattr(platformdirs, "user_cache_path", lambda name: tmp_path / "cache" / name)
    library = build_cached(TWICE, (), compiler=compiler)
    assert library.parent == tmp_path / "cache" / "nolock"


def test_an_unwritable_cache_falls_back_to_a_temporary_directory(
    compiler: Compiler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards against failing in a container whose home directory is read-only."""
    file = tmp_path / "file"  # a file in the way stops root too, which a mode does not
    file.write_text("")
    notes: list[str] = []
    library = build_cached(TWICE, (), compiler=compiler, directory=file / "nolock", notes=notes)
    assert len(notes) == 1 and f"the cache {file}/nolock cannot be written" in notes[0]
    assert call(library, "twice", 3) == 6
    again = build_cached(TWICE, (), compiler=compiler, directory=file / "nolock")
    assert again == library, "one temporary directory for the whole process"
    other_home = {**os.environ, "HOME": str(file), "XDG_CACHE_HOME": str(file)}
    code = f"from engines.explicit.cache import build_cached as b; print(b({TWICE!r}, ()))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=other_home,
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(cache.__file__).parents[2],
    )
    used = Path(done.stdout.strip())
    assert used.name == library.name
    assert not used.parent.exists(), "it goes when its process ends"


def test_a_cache_on_a_full_disk_falls_back_too(only_path: Path, tmp_path: Path) -> None:
    """Guards against giving up where there is room elsewhere."""
    kept = tmp_path / "kept"
    script = (
        'for last; do :; done\ncase "$last" in\n'
        f'"{kept}"/*) echo "No space left on device"; exit 1;;\n'
        '*) echo library > "$last";;\nesac'
    )
    fake(only_path, "cc", script)
    library = build_cached(TWICE, (), directory=kept)
    assert library.parent != kept
    assert library.read_bytes().startswith(b"library\n")


def test_many_at_once_all_get_a_whole_library(compiler: Compiler, tmp_path: Path) -> None:
    """Guards against one process loading what another has half written."""
    times = runtime(tmp_path / "run")
    code = (
        "import ctypes, pathlib\n"
        "from engines.explicit.cache import build_cached\n"
        f"built = build_cached({USES_RUNTIME!r}, (pathlib.Path({str(times)!r}),),"
        f" directory=pathlib.Path({str(tmp_path / 'kept')!r}))\n"
        "print(ctypes.CDLL(str(built)).ask(5))\n"
    )

    def run(_: int) -> str:
        return subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            cwd=Path(cache.__file__).parents[2],
        ).stdout

    with ThreadPoolExecutor(6) as threads:
        assert list(threads.map(run, range(6))) == ["16\n"] * 6
    left = sorted(path.suffix for path in (tmp_path / "kept").iterdir())
    assert left == [".c", ".o", ".so"]
