"""Files, streams and frames of text -> a stream of documents, each input row a Document or a Reject.

    for item in open_documents("answers.jsonl", id="prompt_id"): ...

Reading streams: memory does not grow with the file. Not for: tokens, models or the corpus on disk; nothing
here knows torch.
"""

from saetext.documents.record import REASONS, Columns, Document, Message, Reject
from saetext.documents.source import FORMATS, DocumentSource, open_documents

__all__ = [
    "FORMATS",
    "REASONS",
    "Columns",
    "Document",
    "DocumentSource",
    "Message",
    "Reject",
    "open_documents",
]
