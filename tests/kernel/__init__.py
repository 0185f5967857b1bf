"""Each part of the kernel does what the kernel does: facts as tables, compared with the model."""
