"""The options of a search and of building its index. Not for: searching or building."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from saetext.analysis.request import ClusteredRequest
from saetext.errors import InputError, refuse_unused
from saetext.io.common_options import progress_keyword, top_option
from saetext.io.memory import memory_option, size_of
from saetext.io.progress import OnProgress  # at run time: it is part of the signature
from saetext.io.request import Request, keyword, option

if TYPE_CHECKING:
    from saetext.analysis.search.asking import Settings
    from saetext.analysis.search.by_llm import LLMReranker
    from saetext.encoding.engines.protocol import Engine
    from saetext.io.llm import ChatClient
    from saetext.reader.reader import Reader

Mode = Literal["features", "dense", "bm25", "hybrid", "projected"]
DEPTH = 1000  # documents of each ranking that are fused
_LLM = "Language model"
_ONE_RANKING = "it is how far a hybrid search reads each ranking, and here is one; leave it out"


@dataclass(frozen=True, kw_only=True)
class SearchRequest(ClusteredRequest):
    """The options of :func:`saetext.search`, checked.

    Raises
    ------
    InputError
        If a number is out of its range, or options contradict each other.
    """

    mode: Mode | None = option(
        "Ranking to use; by default hybrid where its index exists, else features. 'projected' goes with "
        "--similar.",
        default=None,
    )
    features: str | Mapping[int, float] | None = option(
        "Feature weights set by hand: 12:1.5, -88 (unlike), 7:0 (left out).",
        default=None,
        hint=str | None,
        metavar="N:W,-N",
    )
    exclude: Sequence[str] = option(
        "What documents should not have; may be repeated.",
        default=(),
        hint=list[str] | None,
        metavar="TEXT",
        flags=("--not", "--exclude"),
    )
    literal: str | None = option(
        "Find this text as it is written, such as a name or an emoji; needs no index.",
        default=None,
        metavar="TEXT",
        flags=("--words",),
    )
    like: Sequence[str] | None = option(
        "Id of a document to be like; repeat it, 3 to 5 are enough.",
        default=None,
        hint=list[str] | None,
        metavar="ID",
    )
    unlike: Sequence[str] = option(
        "With --like: id of a document to be unlike; may be repeated.",
        default=(),
        hint=list[str] | None,
        metavar="ID",
    )
    similar: str | None = option("Find documents similar to this one.", default=None, metavar="ID")
    detector: str | None = option(
        "Rank by this detector's probability; 'saetext detector list' names them.",
        default=None,
        metavar="NAME",
    )
    more: Sequence[str | int] = option(
        "Numbers or ids of documents shown that are right: the search is fitted to them, and shows others.",
        default=(),
        hint=list[str] | None,
        metavar="N,N",
    )
    less: Sequence[str | int] = option(
        "Numbers or ids of documents shown that are wrong.",
        default=(),
        hint=list[str] | None,
        metavar="N,N",
    )
    top: int | None = top_option("documents", 10)
    offset: int = option("Number of documents to skip: the next page.", default=0, least=0, metavar="N")
    group_by: str | None = option(
        "Show only the best document of each value of this column.", default=None, metavar="COLUMN"
    )
    lexical: bool | None = option(
        "Match labels by their words (BM25), not by meaning.",
        default=None,
        flags=("--lexical",),
        hint=bool | None,
    )
    depth: int = option(
        "Number of documents of each ranking that a hybrid search fuses.",
        default=DEPTH,
        least=1,
        metavar="N",
    )
    rerank: int = option(
        "Number of first documents that the LLM reranker grades; 0 for none.",
        default=0,
        least=0,
        metavar="N",
        group=_LLM,
    )
    rerank_features: bool = option(
        "Let the LLM reranker grade how well each feature fits the query.", default=False, group=_LLM
    )
    reranker: ChatClient | None = keyword("The language model that reranks.", default=None)
    settings: Settings | None = keyword("How words become weighted features.", default=None)
    reader: Reader | None = keyword(
        "Reader that reads the words of a query too; the embedded reader is loaded when needed.",
        default=None,
    )
    device: str = keyword("Where models run.", default="auto")

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("exclude", "like", "unlike", "more", "less"):
            given = getattr(self, name)
            if isinstance(given, int) and name in ("more", "less"):
                given = (given,)
            if isinstance(given, str) and name in ("more", "less"):
                given = (given,)
            if isinstance(given, str):
                raise InputError(f"{name} is a list of texts, not the text {given!r}")
            if given is not None:
                object.__setattr__(self, name, tuple(given))
        self._require_examples()
        self._require_similar()
        if (self.more or self.less) and (self.reranks or self.reranker is not None):
            raise InputError("--more and --less fit the search again: leave --rerank out")

    def _require_examples(self) -> None:
        if self.like is not None and not self.like:
            raise InputError("name documents to be like with --like")
        if self.unlike and not self.like:
            raise InputError("--unlike goes with --like")
        if self.like and self.mode not in (None, "features"):
            raise InputError("--like learns weights of features: leave --mode out")
        if (self.reranks or self.reranker is not None) and (self.like or self.similar is not None):
            raise InputError("--rerank and --rerank-features go with a search in words")

    def _require_similar(self) -> None:
        if self.similar is None:
            if self.mode == "projected":
                raise InputError("--mode projected goes with --similar")
            return
        if self.like:
            raise InputError("choose one of --like and --similar")
        if self.features or self.exclude or self.mode == "features":
            raise InputError("--similar goes with --mode projected, dense, bm25 or hybrid only")

    def deep(self, documents: int) -> int:
        """Documents to rank: those shown, and those further down that may be judged by their number.

        All where all are shown, or the best of each group.
        """
        if self.group_by is not None or self.most is None:
            return documents
        return max(self.depth, self.most + self.offset)

    @property
    def reranks(self) -> bool:
        """Whether anything is reranked by a language model."""
        return self.rerank > 0 or self.rerank_features

    @property
    def weights(self) -> dict[int, float]:
        """The feature weights set by hand."""
        from saetext.analysis.search.query import parse_edits

        return parse_edits(self.features) if isinstance(self.features, str) else dict(self.features or {})

    def require_one(self, in_words: bool, by_query: bool = False) -> None:
        """Raise :class:`InputError` unless it is told in one way what to search for."""
        ways = {
            "a description": in_words, "--like": bool(self.like), "--similar": self.similar is not None,
            "--query": by_query, "--detector": self.detector is not None, "--words": self.literal is not None,
        }  # fmt: skip
        given = [name for name, there in ways.items() if there]
        if len(given) > 1:
            raise InputError(f"choose one of {' and '.join(given)}")
        if not given and not self.features:
            if self.exclude:
                raise InputError("--not says only what not to find: say what to find too")
            if self.more or self.less:
                raise InputError("--more and --less fit a search that was made: repeat its words before them")
            raise InputError("what to search for? name words, features or examples")

    def llm_reranker(self) -> LLMReranker | None:
        """Return the LLM reranker asked for.

        Raises
        ------
        InputError
            If there is no language model, or it would be asked nothing.
        """
        from saetext.analysis.search.by_llm import LLMReranker

        if self.reranker is not None:
            return LLMReranker(self.reranker, self.rerank_features, self.rerank, self.on_progress)
        if self.reranks:
            raise InputError(
                "an LLM reranker needs a language model: give --base-url and --model, or reranker in Python"
            )
        return None

    def require_used(self, mode: str, words: bool) -> None:
        """Raise :class:`InputError` for options that a search in this mode would not use."""
        if mode in ("dense", "bm25"):
            refuse_unused(
                f"a search by {mode} has no features; leave it out, or take mode 'features' or 'hybrid'",
                features=self.features or None, settings=self.settings,
            )  # fmt: skip
        if not words or mode in ("dense", "bm25"):
            self.require_no_words()
        if not words or mode == "bm25":
            unused = None if self.device == "auto" else self.device
            refuse_unused("no model runs in this search; leave it out", device=unused)
        if mode != "hybrid":
            self.require_one_ranking()

    def require_no_words(self) -> None:
        """Raise :class:`InputError` for options of how words become features, where none do."""
        refuse_unused(
            "it says how words become features, and here none do; leave it out",
            settings=self.settings, lexical=None if self.lexical is None else True, reader=self.reader,
        )  # fmt: skip

    def require_random(self) -> None:
        """Raise :class:`InputError` if a seed is given and nothing is random."""
        if self.sample is None:
            refuse_unused("nothing is random without sample or like; leave it out", **self.changed("seed"))

    def require_one_ranking(self) -> None:
        """Raise :class:`InputError` if ``depth`` is given where only one ranking is read."""
        refuse_unused(_ONE_RANKING, depth=None if self.depth == DEPTH else self.depth)

    def require_opened(self) -> None:
        """Raise :class:`InputError` for options that were settled when a searcher was opened."""
        refuse_unused(
            "it is settled when a Searcher is opened; give it there",
            sae=self.sae, labels=self.labels, lexical=True if self.lexical is not None else None,
            reader=self.reader, device=None if self.device == "auto" else self.device,
        )  # fmt: skip

    def params(self) -> dict[str, Any]:
        """Return the recorded options, weights by feature; those of the reranker only where there is one."""
        known = {**super().params(), "features": self.weights, "like": list(self.like or ())}
        if self.reranker is None:
            return {name: value for name, value in known.items() if not name.startswith("rerank")}
        return {**known, "llm": self.reranker.model}


@dataclass(frozen=True, kw_only=True)
class IndexRequest(Request):
    """The options of :func:`saetext.build_index`, checked."""

    dense: bool = option("Embed every document, for hybrid search; this takes longest.", default=True)
    device: str = option(
        "Where the sentence model runs: auto, cpu, cuda or mps.", default="auto", group="Where models run"
    )
    part: str | None = option(
        "Only embed the documents of one of N slices of the shards, 0/N to N-1/N, each on a machine of its "
        "own; auto: what SLURM or an indexed job says. Then without it, for all the rest.",
        default=None,
        metavar="I/N",
        flags=("--slice",),
        group="Many machines",
    )
    engine: Engine | None = keyword(
        "Who embeds documents: a ProcessEngine or a RayEngine; by default this process.", default=None
    )
    memory: int | str | None = memory_option()
    on_progress: OnProgress | None = progress_keyword()

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.memory is not None:
            size_of(self.memory)

    def require_used(self) -> None:
        """Raise :class:`InputError` for a device, or a slice, that would embed nothing."""
        if self.part is not None:
            refuse_unused("a slice is embedded by the process that is asked for it", engine=self.engine)
            refuse_unused(
                "it bounds the building of an index, and a slice is no index yet", memory=self.memory
            )
        if not self.dense:
            refuse_unused("it embeds documents, and dense=False leaves that out", part=self.part)
            refuse_unused("it embeds documents, and dense=False leaves that out", engine=self.engine)
            refuse_unused(
                "it is where documents are embedded, and dense=False leaves that out",
                device=None if self.device == "auto" else self.device,
            )
