"""Settings of all tests."""

from hypothesis import settings

# On a busy machine an example may take any time; what is slow is for benchmarks to say.
settings.register_profile("nolock", deadline=None)
settings.load_profile("nolock")
