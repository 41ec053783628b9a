"""The ``saetext`` command: parse, call, format. Nothing imports it, and it holds no logic of its own."""
