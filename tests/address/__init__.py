"""Tests of the start-address property, from the word language to the report."""
