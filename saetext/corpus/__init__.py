"""The corpus on disk: written shard by shard by CorpusWriter, mapped into memory by Corpus.

Not for: encoding (saetext.encode) or any analysis.
"""

from saetext.corpus.corpus import Corpus, StoredDocument
from saetext.corpus.item import CorpusDocument
from saetext.corpus.writer import CorpusWriter

__all__ = ["Corpus", "CorpusDocument", "CorpusWriter", "StoredDocument"]
