"""The designs and mutants as they ship."""
