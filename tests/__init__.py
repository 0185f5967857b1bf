"""The tests of nolock."""
