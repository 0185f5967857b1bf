"""Explicit search: every reachable state, at native speed."""
