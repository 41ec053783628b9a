"""From correlated pairs to what their HTML report shows: sentences, marked passages, the network.

Not for: drawing (:mod:`saetext.report.html.pair_page`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from saetext.analysis.base import Row
from saetext.analysis.cooccurrence import CorrelateResult
from saetext.analysis.cooccurrence.communities import layout
from saetext.analysis.cooccurrence.result import Meeting, Shown
from saetext.corpus.protocol import CorpusLike
from saetext.features.known_labels import labels_for
from saetext.features.labels import FeatureLabels
from saetext.io.progress import OnProgress, Stages
from saetext.report.html.feature_told import told_of
from saetext.report.html.pair_model import Network, Node, PairExample, PairFinding, PairPage
from saetext.report.html.passages import WIDTH, Passage, PassageBuilder, Piece, Span
from saetext.text.one_line import many
from saetext.text.passages import printable

if TYPE_CHECKING:
    from saetext.reader.reader import Reader

_LISTED = 6  # pairs of the list that the summary names
_MOST = 2_000  # pairs of each kind on a page; those without a card have a line
_DRAWN = 60  # pairs of the network, at most
_SHADING = (
    "Tokens are shaded by activation, read again with the reader.",
    "Tokens are shaded by activation; where a text could not be read again as it was, only the strongest "
    "words are marked.",
    "The reader was not at hand, so only the strongest words of each passage are marked.",
)
Place = tuple[int, int, float, int]


def pair_page(
    result: CorrelateResult,
    corpora: Sequence[CorpusLike],
    labels: FeatureLabels,
    *,
    reader: Reader | None = None,
    findings: int = 60,
    lines: int = _MOST,
    opened: int | None = None,
    on_progress: OnProgress | None = None,
) -> PairPage:
    """Collect the page.

    Parameters
    ----------
    result : CorrelateResult
        The result.
    corpora : sequence of Corpus
        The corpora it came from.
    labels : FeatureLabels
        For the descriptions of the first corpus's features.
    reader : Reader, optional
        Reads the texts shown again to shade every token; without it the strongest words are marked.
    findings : int
        Most findings of each kind with a card.
    lines : int
        Most findings of each kind, those that have only a line included.
    opened : int, optional
        How many of each kind are shown at first; by default as many as the result's ``top`` says.
    on_progress : callable, optional
        Gets a :class:`saetext.io.progress.Progress` as findings are done.
    """
    tell = Stages(on_progress, "findings")
    found = result.grouped()
    kinds = [[one for one in found if _avoided(one.row) is avoided] for avoided in (False, True)]
    shown = [one for kind in kinds for one in kind[:findings]]
    second = labels if len(corpora) == 1 else labels_for(corpora[1], result.params["across_sae"])
    examples_of = _Examples(result, corpora, reader)
    made: list[PairFinding] = []
    done = 0
    for kind in kinds:
        for at, one in enumerate(kind[: max(findings, lines)]):
            row: Row = {**one.row, "within": result.params["within"]}
            if at >= findings:
                made.append(PairFinding(row, one.members, brief=True))
                continue
            examples = examples_of.examples(one.row, result.evidence.get(one.at, ()))
            a = told_of(labels, row["feature_a"], row["label_a"], row["fits_a"])
            b = told_of(second, row["feature_b"], row["label_b"], row["fits_b"])
            made.append(PairFinding(row, one.members, examples, a, b))
            done += 1
            tell("reading examples", done, len(shown))
    listed = _listed(result, findings, max(findings, lines))
    return PairPage(
        title=_title(result),
        summary=_summary(result, [one.row for one in shown]),
        findings=made,
        listed=listed,
        network=_network(result, [one.row for one in shown]),
        notes=result.notes,
        facts=_facts(result),
        shading=examples_of.builder.told(*_SHADING),
        opened=result.params["top"] if opened is None else opened,
        total=_total(result, len(found)),
    )


def _total(result: CorrelateResult, found: int) -> int:
    """Return how many pairs there are, those of features that ``top`` leaves out of the table included."""
    left_out = max(0, int(result.metrics["pairs"]) - result.table.height)
    return found + left_out + (0 if result.found is None else result.found.height)


def _avoided(row: dict[str, Any]) -> bool:
    return bool(row["npmi"] is not None and row["npmi"] < 0)


def _title(result: CorrelateResult) -> str:
    corpus = printable(result.params["corpus"])
    if result.params["across"]:
        return f"What in {corpus} goes with what in {printable(result.params['across'])}"
    if result.params["column"]:
        return f"What goes with {printable(result.params['column'])} in {corpus}"
    return f"What occurs together in {corpus}"


def _summary(result: CorrelateResult, shown: Sequence[Row]) -> list[str]:
    metrics = result.metrics
    noun = "feature" if "rho_length" in metrics else "pair"
    listed = [] if result.found is None else result.found.head(_LISTED).to_dicts()
    told = [
        f"{printable(row['name_a'])} with {printable(row['name_b'])} ({row['n_ab']:,} documents, "
        f"{row['expected']:.0f} by chance)"
        for row in listed
    ]
    sentences = [f"Words, format, properties and themes that go together: {'; '.join(told)}."] if told else []
    sentences += [
        f"{many(metrics['rows'], 'document')}. Of {many(metrics['eligible_pairs'], f'eligible {noun}')}, "
        f"{metrics['significant']:,} differ from chance among documents of equal length (q < .05); "
        f"{metrics['confirmed']:,} of them replicated on the held-out half."
    ]
    if metrics["hidden"]:
        why = ", ".join(f"{reason} {n:,}" for reason, n in metrics["hidden"].items())
        verb = "shown with the others" if result.params["everything"] else "not shown"
        sentences.append(f"Expected pairs, {verb}: {metrics['hidden_pairs']:,} ({why}).")
    best = [row for row in shown if row["confirmed"] and not _avoided(row)][:3]
    if best:
        pairs = "; ".join(f"{printable(r['name_a'])} with {printable(r['name_b'])}" for r in best)
        sentences.append(f"First confirmed pairs of features: {pairs}.")
    return sentences


def _listed(result: CorrelateResult, findings: int, most: int) -> list[PairFinding]:
    """Return the first pairs of the list, the very first with their lines of text."""
    if result.found is None:
        return []
    return [
        PairFinding(
            row,
            examples=tuple(map(_line, result.found_examples.get(at, ()))) if at < findings else (),
            also=tuple(row["members"]),
            brief=at >= findings,
        )
        for at, row in enumerate(result.found.head(most).to_dicts())
    ]


def _line(shown: Shown) -> PairExample:
    pieces = (Piece(text, float("a" in kind), float("b" in kind)) for text, kind in shown.line.pieces)
    return PairExample((Passage(shown.document, tuple(pieces)),))


class _Examples:
    """Makes the examples of pairs: passages with both concepts shaded."""

    def __init__(self, result: CorrelateResult, corpora: Sequence[CorpusLike], reader: Reader | None) -> None:
        self._names = [result.params["corpus"], result.params["across"]]
        # the second corpus may have been read by another reader
        same = [c.spec.fingerprint == corpora[0].spec.fingerprint for c in corpora]
        saes = [result.params["sae"], result.params["across_sae"]]
        self.builder = PassageBuilder(corpora, saes, [reader if s else None for s in same])

    def examples(self, row: Row, meetings: Sequence[Meeting]) -> tuple[PairExample, ...]:
        """Return all examples of a pair, each concept on one scale of shades."""
        places = {"a": [m.place_a for m in meetings], "b": [m.place_b for m in meetings]}
        full = {
            side: self._scale(row[f"feature_{side}"], [place for place in found if place is not None])
            for side, found in places.items()
        }
        return tuple(self._example(row, meeting, full) for meeting in meetings)

    def _scale(self, feature: int | None, places: Sequence[Place]) -> float:
        if feature is None or not places:
            return 1.0
        return self.builder.full(places[0][0], feature, (value for _, _, value, _ in places))

    def _example(self, row: Row, meeting: Meeting, full: Mapping[str, float]) -> PairExample:
        a, b = meeting.place_a, meeting.place_b
        prompt = self.builder.prompt(place[:2] for place in (a, b) if place is not None)
        if a is not None and b is not None and a[:2] == b[:2]:
            return PairExample(self._together(row, a, b, full), prompt)
        passages = []
        for kind, place, feature in (("a", a, row["feature_a"]), ("b", b, row["feature_b"])):
            if place is not None and feature is not None:
                spans = self._spans(place, feature, full[kind])
                layers: list[list[Span]] = [spans, []] if kind == "a" else [[], spans]
                passages.append(self._passage(place, layers, self._focus(place)))
        told = "each where it is strongest" if _avoided(row) else ""
        return PairExample(tuple(passages), "" if self._names[1] else prompt, told)

    def _together(self, row: Row, a: Place, b: Place, full: Mapping[str, float]) -> tuple[Passage, ...]:
        """Return one passage with both, or two of one document where they are far apart."""
        layers = [
            self._spans(a, row["feature_a"], full["a"]),
            self._spans(b, row["feature_b"], full["b"]),
        ]
        one, two = self._focus(a), self._focus(b)
        both = (min(one[0], two[0]), max(one[1], two[1]))
        if both[1] - both[0] <= WIDTH:
            return (self._passage(a, layers, both),)
        return tuple(self._passage(a, layers, focus, WIDTH // 2) for focus in sorted((one, two)))

    def _focus(self, place: Place) -> tuple[int, int]:
        return self.builder.focus(place[0], place[1], place[3])

    def _spans(self, place: Place, feature: int, full: float) -> list[Span]:
        number, row, value, peak = place
        return self.builder.spans(number, row, feature, value, peak, full)

    def _passage(
        self, place: Place, layers: Sequence[Sequence[Span]], focus: tuple[int, int], width: int = WIDTH
    ) -> Passage:
        name = printable(self._names[place[0]] or "")
        return self.builder.passage(place[0], place[1], layers, focus, width=width, name=name)


def _network(result: CorrelateResult, rows: Sequence[dict[str, Any]]) -> Network | None:
    """Return the network of the attracted pairs that are on the page."""
    drawn = [(number, row) for number, row in enumerate(rows, start=1) if not _avoided(row)][:_DRAWN]
    if "rho_length" in result.metrics or len(drawn) < 2:
        return None

    def node(row: dict[str, Any], side: str) -> tuple[str, object]:
        feature = row[f"feature_{side}"]
        where = side if result.params["across"] else ""
        return (where, row[f"name_{side}"] if feature is None else feature)

    edges = [(node(row, "a"), node(row, "b"), max(row["npmi"], 0.01)) for _, row in drawn]
    place = layout(edges, int(result.params["seed"]))
    names: dict[Any, str] = {}
    weight, community = dict.fromkeys(place, 0.0), dict.fromkeys(place, -1)
    for (_, row), (a, b, strength) in zip(drawn, edges, strict=True):
        for key, side in ((a, "a"), (b, "b")):
            names.setdefault(key, row[f"name_{side}"])
            weight[key] += strength
            if row["community"]:
                community[key] = row["community"] - 1
    order = list(place)
    most = max(weight.values()) or 1.0
    strongest = max(strength for _, _, strength in edges)
    nodes = tuple(
        Node(printable(names[key]), *place[key], weight[key] / most, community[key]) for key in order
    )
    lines = tuple(
        (order.index(a), order.index(b), strength / strongest, number)
        for (number, _), (a, b, strength) in zip(drawn, edges, strict=True)
    )
    listed = tuple("; ".join(map(printable, group[:8])) for group in result.communities)
    note = "Only pairs that occur more often than chance are drawn. A thicker line is a higher NPMI."
    return Network(nodes, lines, listed, note)


def _facts(result: CorrelateResult) -> dict[str, str]:
    facts = {}
    for key, value in result.params.items():
        if value is None or key == "everything":
            continue
        if isinstance(value, dict):
            value = ", ".join(f"{name.replace('_', ' ')} {limit:g}" for name, limit in value.items())
        elif isinstance(value, list):
            value = ", ".join(map(str, value))
        facts[key.replace("_", " ")] = printable(str(value))
    for source in result.sources:
        where = f" where {source.where}" if source.where else ""
        facts[f"corpus {printable(source.name)}"] = printable(
            f"{source.path}{where}, {source.fingerprint[:12]}"
        )
    return facts
