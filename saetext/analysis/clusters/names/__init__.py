"""What a cluster is called: words and labels that set it apart.

They are chosen on half of its documents and checked on the other.

Not for: what a table says beside the name (:mod:`saetext.analysis.clusters.describing`).
"""
