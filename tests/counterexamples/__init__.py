"""Tests of traces: replay, store, simplify, explain, render."""
