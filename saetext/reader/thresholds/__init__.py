"""From where on a feature counts as present: made from reference text, kept, chosen."""
