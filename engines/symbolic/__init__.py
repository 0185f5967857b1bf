"""Symbolic proofs with Z3: addresses, induction, bounded search."""
