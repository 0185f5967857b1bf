"""Tests of the explicit engine."""
