"""Reductions: fewer states, same verdicts."""
