"""Engines: workers that encode shards for one driver. Not for: slices, which need no driver."""
