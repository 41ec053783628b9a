"""Interventions: change a feature while a model runs, and see what happens. Not for: what a corpus shows."""
