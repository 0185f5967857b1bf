"""The parts of the kernel that designs stand on, written in the modelling language."""
