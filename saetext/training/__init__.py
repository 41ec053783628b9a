"""Train an SAE on one's own texts."""
