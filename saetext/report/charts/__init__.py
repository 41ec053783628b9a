"""Results as charts of matplotlib. Not for: pages, or the pictures that commands write."""
