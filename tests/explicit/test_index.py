"""The index loses nothing when it grows, whatever the sizes and however many threads do it."""

import ctypes
from collections.abc import Callable
from pathlib import Path

import pytest

from engines.explicit.compiler import find_compiler
from engines.explicit.library import RUNTIME

COMPILER = find_compiler()
SOURCE = Path(__file__).with_name("index_growth.c")
Growth = Callable[[int, int, int, int, bool], int]

pytestmark = pytest.mark.skipif(COMPILER is None, reason="no C compiler")


@pytest.fixture(scope="module")
def wrong_after_growth(tmp_path_factory: pytest.TempPathFactory) -> Growth:
    """How many entries are wrong afterwards: sizes before and after, threads, seed, crowded."""
    assert COMPILER is not None
    built = tmp_path_factory.mktemp("index") / "index_growth.so"
    COMPILER.compile_shared(SOURCE, built, include=[RUNTIME[0].parent])
    function = ctypes.CDLL(str(built)).wrong_after_growth
    number = ctypes.c_uint64
    function.argtypes = [number, number, ctypes.c_uint32, number, ctypes.c_int]
    function.restype = ctypes.c_int64

    def called(before: int, after: int, threads: int, seed: int, crowded: bool) -> int:
        return int(function(before, after, threads, seed, crowded))

    return called


@pytest.mark.parametrize("crowded", [False, True])
@pytest.mark.parametrize("threads", [1, 2, 3, 16])
@pytest.mark.parametrize(
    "before,after",
    [
        (4096, 8192),
        (4096, 4104),
        (100_000, 100_800),
        (131_072, 262_144),
        (131_072, 196_608),
        (131_072, 163_840),
        (131_072, 1_000_000),
    ],
)
def test_growing_keeps_every_entry(
    wrong_after_growth: Growth, before: int, after: int, threads: int, crowded: bool
) -> None:
    """Twice as large, hardly larger, many times as large."""
    for seed in (1, 2, 3):
        assert wrong_after_growth(before, after, threads, seed, crowded) == 0
