"""One file per design, written in the modelling language."""
