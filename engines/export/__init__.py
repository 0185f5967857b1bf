"""Writes a compiled machine in the languages of other model checkers."""
