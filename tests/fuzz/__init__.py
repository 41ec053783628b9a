"""Fuzzing: damaged inputs, strange options and hostile conditions; see :mod:`tests.fuzz.__main__`."""
