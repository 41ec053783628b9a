"""Results as terminal tables, JSON, CSV and Parquet."""
