"""Documents through a reader into a corpus."""
