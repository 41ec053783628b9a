"""What the rooms ask of a corpus: plain functions that know nothing of HTTP."""
