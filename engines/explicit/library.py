"""The C library of a machine: its functions and structures, as ctypes sees them."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from pathlib import Path
from typing import Any

RUNTIME = tuple(
    Path(__file__).with_name(name)
    for name in (
        *("explore.c", "expand.c", "parents.c", "results.c", "threads.c", "phases.c"),
        *("backward.c", "trim.c", "liveness.c"),
    )
)
"""The C files that every machine is linked with."""

NONE = 0xFFFFFFFF
"""No state, no transition."""

MOST_EDGES = (1 << 14) - 1
"""NL_MOST_EDGES: system steps of a state, where goals are judged."""


class First(ctypes.Structure):
    """struct nl_first."""

    _fields_ = [("state", ctypes.c_uint32), ("transition", ctypes.c_uint32)]


class Graph(ctypes.Structure):
    """struct nl_graph."""

    _fields_ = [
        ("expanded", ctypes.c_uint64),
        ("nodes", ctypes.c_void_p),
        ("missed", ctypes.c_void_p),
        ("edges", ctypes.c_void_p),
        ("edge_of", ctypes.c_void_p),
        ("states", ctypes.c_void_p),
        ("index", ctypes.c_void_p),
    ]


@dataclass(frozen=True)
class Counts:
    """What nl_counts() writes, in its order."""

    states: int
    expanded: int
    transitions: int
    levels: int
    rests: int
    stuck: int
    first_stuck: int
    edges: int
    memory: int
    fault_state: int
    fault_transition: int


def open_library(path: Path) -> Any:
    """The library with the signatures of all functions that Python calls."""
    library = ctypes.CDLL(str(path))
    pointer, number, state = ctypes.c_void_p, ctypes.c_uint64, ctypes.c_uint32
    signatures: dict[str, tuple[Any, list[Any]]] = {
        # explore.c
        "nl_new": (pointer, [pointer, number, *3 * [state], ctypes.c_int, state, number]),
        "nl_slice": (ctypes.c_int, [pointer, number]),
        "nl_free": (None, [pointer]),
        "nl_shed": (None, [pointer]),
        # results.c
        "nl_counts": (None, [pointer, pointer]),
        "nl_levels": (ctypes.POINTER(number), [pointer]),
        "nl_fired": (ctypes.POINTER(number), [pointer]),
        "nl_failures": (ctypes.POINTER(First), [pointer]),
        "nl_first_broken": (ctypes.POINTER(state), [pointer]),
        "nl_failing": (ctypes.POINTER(number), [pointer]),
        "nl_first_failing": (ctypes.POINTER(state), [pointer]),
        "nl_state": (None, [pointer, state, pointer]),
        "nl_want": (ctypes.c_int, [pointer, pointer, number]),
        "nl_kept_count": (number, [pointer]),
        "nl_kept": (ctypes.POINTER(number), [pointer]),
        "nl_graph": (ctypes.c_int, [pointer, pointer]),
        # parents.c
        "nl_path": (number, [pointer, number, pointer]),
        # backward.c
        "nl_seed": (None, [pointer, pointer, ctypes.c_uint32]),
        "nl_sweep": (number, [pointer, pointer, ctypes.c_int]),
        "nl_doomed": (number, [pointer, pointer, pointer]),
        # trim.c, liveness.c
        "nl_cycles_new": (pointer, [pointer]),
        "nl_cycles_free": (None, [pointer]),
        "nl_cycles_trim": (number, [pointer, ctypes.c_int]),
        "nl_cycles_goal": (number, [pointer, ctypes.c_uint32]),
        "nl_cycles_round": (ctypes.c_int, [pointer, number]),
        "nl_cycles_slice": (ctypes.c_int, [pointer, number]),
        "nl_cycles_first": (state, [pointer]),
        "nl_cycles_edges": (ctypes.c_uint32, [pointer, state, *3 * [pointer]]),
        "nl_cycles_peak": (number, [pointer]),
        "nl_most_successors": (ctypes.c_uint32, []),
    }
    for name, (result, arguments) in signatures.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library
