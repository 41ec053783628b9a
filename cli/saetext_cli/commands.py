"""The commands there are: the module of each and the line that ``saetext --help`` shows, in its order.

Names and texts alone, so that listing commands imports none of them. Each line begins the command's own help,
under test. A command is a module with ``register``, and its line here; an analysis has its line in
:mod:`saetext.analysis.registry`. Not for: what a command does.
"""

from __future__ import annotations

from saetext.analysis import registry

_BEFORE = {
    "demo": "Compare two sets of 150 answers, one gentle and one brisk, from text files to a report.",
    "read": "Show what the reader sees in a text: its strongest features on the words.",
    "show": "Show one document of a corpus with its strongest features on the words where they peak.",
    "info": "Say what is in a corpus and how it was read.",
    "encode": "Read a file of texts into a corpus of named features. Interrupted, the same command resumes.",
    "finish": "Make a corpus of the shards that slices have encoded; --status says what is missing.",
    "append": "Add documents to a corpus, read exactly as it was. Interrupted, the same command resumes.",
    "compact": "Write a corpus with fewer, larger shards.",
    "merge": "Make one corpus of several that the same reader made.",
    "pull": "Copy a corpus, every byte checked, or a file from an object store. Interrupted, a corpus "
    "resumes.",
    "push": "Copy a corpus or a file to an object store, every byte checked. Interrupted, a corpus resumes.",
    "calibrate": "Set a threshold for each feature from reference text; kept in your cache for later "
    "encodings.",
    "export": "Write a corpus for other programs: its vectors, a map of its texts, or its features with "
    "examples.",
    "upgrade": "Bring a corpus to the newest layout on disk.",
}
_AFTER = {
    "explore": "Look at corpora in the browser: read, filter, shade by features, rename them.",
    "index": "Build what makes searches fast and hybrid: postings, sentence embeddings, words.",
    "readers": "List what can be used as a reader: saetext's own, and every SAE that SAELens knows.",
    "model": "Add a language model from a GGUF file, list those that were added, or remove one.",
    "features": "Find features and properties by meaning; look at one (--show); tabulate all (--table).",
    "detector": "List detectors of properties, score texts with them, or make one from examples.",
    "label": "Give features names from your own texts, a language model or published tables, and score them.",
    "mcp": "Serve search, diff and show to an assistant by the Model Context Protocol, over stdin and "
    "stdout.",
    "train": "Train a sparse autoencoder on your own texts and any Hugging Face encoder or decoder.",
}


def commands() -> dict[str, tuple[str, str]]:
    """Return the module and the line of help of each command, by its name."""
    analyses = {analysis.verb: (analysis.command, analysis.help) for analysis in registry.ANALYSES}
    return {**_own(_BEFORE), **analyses, **_own(_AFTER)}


def _own(lines: dict[str, str]) -> dict[str, tuple[str, str]]:
    return {name: (f"saetext_cli.{name}", line) for name, line in lines.items()}
