"""What is asked of corpora: differences, co-occurrence, clusters, search."""
