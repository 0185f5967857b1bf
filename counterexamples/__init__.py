"""Counterexamples: replay, shorten, explain, render and keep them; no search in here."""
