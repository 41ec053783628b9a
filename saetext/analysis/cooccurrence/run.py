"""Which concepts travel together: pairs of features, of features of two corpora, or a feature and a column.

Not for: the parts, each of which has a module of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from saetext import stats
from saetext.analysis.base import Source
from saetext.analysis.cooccurrence import kept as kept_pairs
from saetext.analysis.cooccurrence.asked import nothing_to, target_of, told_to, wanted
from saetext.analysis.cooccurrence.items import Items, Stored, feature_items, value_items
from saetext.analysis.cooccurrence.meeting import Placed, meetings, place
from saetext.analysis.cooccurrence.numeric import halves, rank_correlations, spearman
from saetext.analysis.cooccurrence.result import CorrelateResult
from saetext.analysis.cooccurrence.rows import Rows, make_rows
from saetext.analysis.cooccurrence.strata import Strata
from saetext.analysis.cooccurrence.streaming import ALPHA, CHANCE, KEEP, LEAST, Pairs, stream_pairs
from saetext.analysis.cooccurrence.surprise import Limits, decoder_cosine, hidden, label_similarity
from saetext.analysis.cooccurrence.tables import Found, Side, make_table
from saetext.corpus.keys import keys
from saetext.corpus.notices import warn_of
from saetext.corpus.protocol import CorpusLike, Ints
from saetext.encoding.opening import as_corpora, names_of
from saetext.errors import InputError, refuse_unused
from saetext.features.known_labels import labels_for
from saetext.features.labels import FeatureLabels
from saetext.io.progress import OnProgress, Say, Stages

if TYPE_CHECKING:
    from saetext.encoding.opening import AnyCorpus

LOOK = 20_000  # pairs of each kind that are looked at closely: labels, phrases, groups
Floats = NDArray[np.float64]


def correlate(
    corpus: AnyCorpus,
    across: AnyCorpus | None = None,
    *,
    column: str | None = None,
    pair_on: str | None = None,
    within: str | None = None,
    to: int | str | Sequence[int] | None = None,
    group: str | None = None,
    tap: str | None = None,
    across_tap: str | None = None,
    min_support: int | None = None,
    least: int = LEAST,
    top: int | None = 12,
    everything: bool = False,
    limits: Limits | None = None,
    order: Literal["surprise", "npmi"] = "surprise",
    fdr: Literal["bh", "by"] = "bh",
    bootstrap: int = 200,
    sample: int | None = None,
    seed: int = 0,
    names: Sequence[str] | None = None,
    labels: FeatureLabels | None = None,
    across_labels: FeatureLabels | None = None,
    snippets: bool | int = True,
    on_progress: OnProgress | None = None,
) -> CorrelateResult:
    """Find pairs that are in one document more or less often than chance, among documents of equal length.

    Parameters
    ----------
    corpus : Corpus, path, or what can be encoded
        The documents; feature a of each pair is theirs.
    across : as corpus, optional
        A second corpus with a document for each: feature b is of these (prompts against answers).
    column : str, optional
        Instead of features, what b is: a value of this column (text, true or false), or the number in it.
    pair_on : str, optional
        With ``across``, the column on which documents belong together; by default ``prompt_id``, ``prompt``
        or ``id`` (unless ids are row numbers), whichever pairs most.
    within : str, optional
        Compare within each value of this column, too; pairs whose sign differs without it are flagged.
    to : int, sequence of int or str, optional
        Only pairs with these features, or with those whose labels are like these words.
    group : str, optional
        Rows of one value are not independent (a user's): they share a half, p allows for it, and the
        bootstrap draws whole groups.
    tap, across_tap : str, optional
        Which tap of each; needed only when there are several.
    min_support : int, optional
        Documents a feature must be present in; by default 5 or .05 % of them, whichever is more.
    least : int
        Documents that must have both, for a pair that occurs more often than by chance.
    top : int, optional
        Pairs to keep of those more, and as many of those less often than by chance; a pair with its members
        is one. None for all.
    everything : bool
        Keep pairs that are no surprise, and those that are not significant (with p < .05; of more than five
        million pairs those 2.5 standard deviations from chance), too.
    limits : Limits, optional
        From where on a pair is no surprise.
    order : {"surprise", "npmi"}
        Whether pairs that follow from what the two go with otherwise come late, or rows are by NPMI alone.
    fdr : {"bh", "by"}
        Benjamini-Hochberg, or Benjamini-Yekutieli, which holds under any dependence.
    bootstrap : int
        Resamples for the interval of the NPMI of the pairs that are kept; 0 for none.
    sample : int, optional
        Look at a random choice of at most so many documents.
    seed : int
        For the sample, halves and resamples.
    names : sequence of str, optional
        What to call the corpora; by default the names of their files.
    labels, across_labels : FeatureLabels, optional
        What to call the features; by default those known for each corpus.
    snippets : bool or int
        Whether rows get their words, or how many of the first do.
    on_progress : callable, optional
        Gets a :class:`saetext.io.progress.Progress` at every stage, and as pairs are counted.

    Returns
    -------
    CorrelateResult

    Raises
    ------
    InputError
        If a column is missing, nothing pairs, no feature has the support, or nothing is like ``to``.

    Examples
    --------
    >>> import saetext
    >>> result = saetext.correlate(saetext.Corpus.open("gentle.corpus"), top=1)
    >>> result.table.select("label_a", "label_b").row(0)
    ('store and storage; China and Chinese', 'land, gardens, fields and acres')
    """
    tell = Stages(on_progress)
    if across is not None and column is not None:
        raise InputError("b is either a second corpus or a column; choose one")
    if across is None:
        refuse_unused(
            "it is for two corpora; name the second with across", pair_on=pair_on, across_tap=across_tap,
            across_labels=across_labels,
        )  # fmt: skip
    if isinstance(names, str) or (names is not None and len(names) != 1 + (across is not None)):
        raise InputError(f"names are a list with one name for each corpus, not {names!r}")
    for said, choices in ((order, ("surprise", "npmi")), (fdr, ("bh", "by"))):
        if said not in choices:
            raise InputError(f"unknown choice {said!r}; choose one of {', '.join(choices)}")
    if min_support is not None and min_support < 1:
        raise InputError(f"features must be present in at least 1 document, not {min_support}")
    if top is not None and top < 0:
        raise InputError(f"the number of pairs to keep must be at least 0, not {top}")
    given = [corpus] if across is None else [corpus, across]
    corpora: list[CorpusLike] = as_corpora(given)
    first = corpora[0]
    taps = [c.spec.tap(t).name for c, t in zip(corpora, (tap, across_tap or tap), strict=False)]
    named = list(names) if names else names_of(given) or _names(corpora)
    for name, c in zip(named, corpora, strict=False):
        if not c.n_documents:
            raise InputError(f"{name} ({c.path}) has no documents")
    warn_of(*corpora)
    tables = (labels, across_labels)
    known = [
        table if table is not None else labels_for(c, t)
        for table, c, t in zip(tables, corpora, taps, strict=False)
    ]
    for c, t, table in zip(corpora, taps, known, strict=True):
        table.require_for(c.spec.tap(t))

    tell("reading", 0, 0)
    target = None if column is None else target_of(first, column)
    if target is not None and target.number is not None:
        refuse_unused(
            f"{column} is a number, with which features have rank correlations, not pairs; leave it out",
            limits=None if limits == Limits() else limits, least=None if least == LEAST else least,
            order=None if order == "surprise" else order,
        )  # fmt: skip
    rows = make_rows(
        corpora, named, pair_on=pair_on, within=within, group=group, sample=sample, seed=seed,
        known=None if target is None else target.known,
    )  # fmt: skip
    notes = list(rows.notes)
    if target is not None:
        notes += target.notes
    support = max(5, -(-len(rows) // 2000)) if min_support is None else min_support
    only, told = wanted(to, known[0], first.spec.tap(taps[0]).d_sae)
    notes += told
    run = _Run(corpora, taps, named, known, rows, support, least, fdr, seed, limits or Limits(), tell)
    left, rare, always = run.features(0, None if across is None and column is None else only)
    if only is not None and not np.isin(np.flatnonzero(only), left.name).any():
        raise InputError(nothing_to(only, known[0], support, len(rows)))
    if only is not None:
        absent = np.setdiff1d(np.flatnonzero(only), left.name)
        if len(absent):
            named_so = ", ".join(f"{f} ({known[0].label(f)})" for f in absent[:5].tolist())
            notes.append(f"too rare to be paired, or in every document: {named_so}")
    if not len(left):
        raise InputError(
            f"no feature is present in {support:,} or more of the {len(rows):,} documents and absent from "
            "some; use more documents, or a smaller --min-support"
        )
    params: dict[str, Any] = {
        "corpus": named[0], "across": named[1] if across is not None else None, "column": column,
        "pair_on": pair_on, "within": within, "to": told_to(only), "group": group, "tap": taps[0],
        "across_tap": taps[1] if across is not None else None, "min_support": support, "min_joint": least,
        "min_expected": CHANCE, "alpha": ALPHA, "fdr": fdr, "bootstrap": bootstrap, "sample": sample,
        "seed": seed, "top": top, "order": order, "everything": everything, "limits": asdict(run.limits),
    }  # fmt: skip
    sources = tuple(Source(name, str(c.path), c.fingerprint) for name, c in zip(named, corpora, strict=False))
    metrics: dict[str, Any] = {
        "documents": first.n_documents, "rows": len(rows), "features": first.spec.tap(taps[0]).d_sae,
        "eligible_features": len(left), "rare": rare, "always": always,
        "strata": int(rows.stratum.max()) + 1,
        "median_tokens": float(np.median(run.length())),
    }  # fmt: skip
    if target is not None and target.number is not None:
        found = run.against_number(
            left, target.number[rows.take[0]], str(column), within, everything, metrics
        )
        notes += run.length_notes(target.number[rows.take[0]], str(column), within, metrics)
    else:
        right, back, sides = left, None, [Side(known[0], left.name), Side(known[0], left.name)]
        if across is not None:
            right, _, _ = run.features(1, None)
            if not len(right):
                raise InputError(f"no feature of {named[1]} is present in {support:,} documents")
            sides[1] = Side(known[1], right.name)
        elif target is not None:
            right = value_items(target.code[rows.take[0]], max(support, least))
            if target.drop is not None:
                right = right.picked(right.name != target.drop)
            if not len(right):
                least_needed = max(support, least)
                if target.drop is not None:
                    raise InputError(
                        f"{column} = {target.values[1 - target.drop]!r} occurs in fewer than "
                        f"{least_needed:,} documents, so nothing can be said about it"
                    )
                raise InputError(
                    f"no value of {column} occurs in {least_needed:,} or more documents"
                    + (
                        "; dates are read as categories: choose a column with fewer values, or a number"
                        if target.dated
                        else ""
                    )
                )
            sides[1] = Side(None, right.name, tuple(f"{column} = {target.values[v]}" for v in right.name))
        elif only is not None:
            left = left.picked(only[left.name])
            sides[0] = Side(known[0], left.name)
            back = np.full(len(right), -1, np.int32)
            place_of = {int(name): i for i, name in enumerate(left.name)}
            back[:] = [place_of.get(int(name), -1) for name in right.name]
        whole = across is None and target is None and only is None
        found = run.pairs(left, None if whole else right, back, sides, within, everything, metrics)
        metrics["eligible_items_b"] = len(right)
    notes += found.notes
    done = make_table(
        found, corpora, taps, rows, top=top, everything=everything, bootstrap=bootstrap, seed=seed,
        snippets=snippets, tell=tell, within=within is not None, by=order,
    )  # fmt: skip
    metrics.update(done.metrics)
    return CorrelateResult(
        "correlate", done.table, params, metrics, (*notes, *done.notes), sources, done.evidence, done.lines,
        done.communities,
    )  # fmt: skip


def _names(corpora: Sequence[CorpusLike]) -> list[str]:
    stems = [c.path.resolve().name.split(".")[0] for c in corpora]
    return stems if len(set(stems)) == len(stems) else [str(c.path) for c in corpora]


@dataclass(frozen=True, eq=False)
class _Run:
    corpora: list[CorpusLike]
    taps: list[str]
    names: list[str]
    labels: list[FeatureLabels]
    rows: Rows
    support: int
    least: int
    fdr: str
    seed: int
    limits: Limits
    tell: Say

    def features(self, number: int, only: NDArray[np.bool_] | None) -> tuple[Items, int, int]:
        stored = Stored.of(self.corpora[number], self.taps[number])
        return feature_items(stored, self.rows.take[number], max(self.support, 1), only)

    def length(self) -> Floats:
        """Return float64[rows]: the tokens of each row's document of the first corpus."""
        tokens = self.corpora[0].documents.select("n_tokens").collect()["n_tokens"].to_numpy()
        return tokens[self.rows.take[0]].astype(np.float64)

    # ---- pairs ---------------------------------------------------------------------------------------

    def pairs(
        self,
        left: Items,
        right: Items | None,
        back: NDArray[np.int32] | None,
        sides: list[Side],
        within: str | None,
        everything: bool,
        metrics: dict[str, Any],
    ) -> Found:
        rows, strata = self.rows, Strata.of(self.rows.stratum)
        streamed = stream_pairs(
            left, right, strata, rows.half_rows, back=back, dependent=self.fdr == "by", least=self.least,
            on_done=lambda done, total: self.tell("counting pairs", done, total),
        )  # fmt: skip
        other = left if right is None else right
        if not streamed.tests:
            raise InputError("there are no two features to pair")
        notes: list[str] = []
        self.tell("looking closely", 0, 0)
        pairs = streamed.pairs
        sides_of = kept_pairs.Sides.of(strata, left, other)
        moments = sides_of.left.moments(pairs.left, sides_of.right, pairs.right)
        p = kept_pairs.exact(pairs.both, pairs.p, moments, sides_of, pairs.left, pairs.right)
        metrics["eligible_pairs"] = streamed.tests
        if streamed.dropped:
            q = streamed.p.q(p, streamed.tests)
            metrics["significant"] = int(streamed.p.found(ALPHA, streamed.tests)[0])
            notes.append(f"of the significant pairs only the {KEEP:,} strongest of each kind were held")
        else:
            q = stats.benjamini_hochberg(p, streamed.tests, self.fdr == "by")
            metrics["significant"] = int((q < ALPHA).sum())
        significant = q < ALPHA
        confirmed = kept_pairs.confirm(pairs, streamed, rows, strata, left, other)
        metrics["found_on_half"] = confirmed.found
        pooled_npmi, flips = None, np.zeros(len(pairs), bool)
        if within is not None and len(pairs):
            pooled_npmi, flips = self._pooled(pairs, left, other)
            metrics["reversed"] = int((flips & significant).sum())
        look = _look(pairs, significant | confirmed.confirmed, flips, everything)
        pairs, moments, confirmed = pairs.take(look), moments.take(look), confirmed.take(look)
        p, q = p[look], q[look]
        if pooled_npmi is not None:
            pooled_npmi, flips = pooled_npmi[look], flips[look]
        if rows.group is not None and len(pairs):
            self.tell("allowing for groups", 0, 0)
            p = np.maximum(p, kept_pairs.grouped(pairs, left, other, rows, strata, sides_of))
            q = stats.benjamini_hochberg(p, streamed.tests, self.fdr == "by")
            metrics["significant"] = int((q < ALPHA).sum())
        good = confirmed.confirmed & (q < ALPHA) if rows.group is not None else confirmed.confirmed
        n = len(rows)
        n_a, n_b = left.n[pairs.left], other.n[pairs.right]
        both = pairs.both
        base = n_a.astype(np.float64) * n_b / n
        columns_of: dict[str, Any] = {
            "n_a": n_a, "n_b": n_b, "n_ab": both, "npmi": stats.npmi(both, moments.mean, n),
            "npmi_raw": stats.npmi(both, base, n), "lift": both / base,
            "phi": stats.phi(both, n_a, n_b, n), "p": p, "q": q, "confirmed": good,
            "expected": moments.mean,
            "lift_adjusted": _ratio(both, moments.mean),
            "phi_adjusted": _within_phi(both, moments, sides_of, pairs),
            "p_b_given_a": both / n_a, "p_a_given_b": both / n_b,
            "npmi_confirm": confirmed.npmi, "q_confirm": confirmed.q,
        }  # fmt: skip
        if pooled_npmi is not None:
            columns_of["npmi_pooled"], columns_of["reversed"] = pooled_npmi, flips & (q < ALPHA)
        placed = self._placed(pairs, left, other, sides[1].labels is not None, right)
        close, meets = self._meet(pairs, placed)
        columns_of["same_phrase"] = np.where(close >= 0, _ratio(close, both), np.nan)
        similarity, cosine = np.full(len(pairs), np.nan), np.full(len(pairs), np.nan)
        features = [side.feature[items] for side, items in zip(sides, (pairs.left, pairs.right), strict=True)]
        if sides[1].labels is not None and len(pairs):
            assert sides[0].labels is not None
            from saetext.reader.directions import decoder_of

            self.tell("comparing labels", 0, 0)
            similarity, told = label_similarity(sides[0].labels, sides[1].labels, features[0], features[1])
            notes += told
            decoders = [decoder_of(c.spec, t) for c, t in zip(self.corpora, self.taps, strict=True)]
            cosine = decoder_cosine(decoders[0], decoders[-1], features[0], features[1])
        columns_of["label_similarity"], columns_of["decoder_cosine"] = similarity, cosine
        reasons = hidden(
            {key: columns_of[key] for key in ("label_similarity", "decoder_cosine", "same_phrase")},
            self.limits,
        )
        return Found(columns_of, reasons, sides, pairs, left, other, strata, placed, meets, tuple(notes))

    def _pooled(self, pairs: Pairs, left: Items, other: Items) -> tuple[Floats, NDArray[np.bool_]]:
        """Return NPMI without the column, and where its sign differs though it is clearly not 0."""
        strata = Strata.of(self.rows.by_length)
        sides = kept_pairs.Sides.of(strata, left, other)
        moments = sides.left.moments(pairs.left, sides.right, pairs.right)
        above = pairs.both - moments.mean
        clear = np.abs(above) > 1.96 * np.sqrt(moments.variance)
        return stats.npmi(pairs.both, moments.mean, len(self.rows)), clear & (above * pairs.npmi < 0)

    def _placed(
        self, pairs: Pairs, left: Items, other: Items, features: bool, right: Items | None
    ) -> tuple[tuple[Placed, Ints], tuple[Placed, Ints] | None]:
        """Read strengths and peaks of the items in the pairs; with each side, which of them each pair has."""
        if right is None or (features and len(self.corpora) == 1):
            # one corpus: both sides are read together
            names = np.union1d(left.name[pairs.left], other.name[pairs.right])
            chosen = other.picked(np.isin(other.name, names))
            placed = place(self.corpora[0], self.taps[0], chosen, self.rows.take[0])
            order = np.argsort(chosen.name)
            at = [
                order[np.searchsorted(chosen.name[order], x)]
                for x in (left.name[pairs.left], other.name[pairs.right])
            ]
            return (placed, at[0]), (placed, at[1])
        sides: list[tuple[Placed, Ints]] = []
        for number, (items, mine) in enumerate(((left, pairs.left), (other, pairs.right))):
            if number and not features:
                return sides[0], None
            used, at_item = np.unique(mine, return_inverse=True)
            which = np.zeros(len(items), bool)
            which[used] = True
            placed = place(
                self.corpora[number], self.taps[number], items.picked(which), self.rows.take[number]
            )
            sides.append((placed, at_item))
        return sides[0], sides[1]

    def _meet(
        self, pairs: Pairs, placed: tuple[tuple[Placed, Ints], tuple[Placed, Ints] | None]
    ) -> tuple[Ints, Ints]:
        """Return how many common rows have both in one phrase (-1: not one text), and the best rows."""
        other = placed[1]
        if other is None or not len(pairs):
            return np.full(len(pairs), -1), np.full((len(pairs), 1), -1)
        (left, mine), (right, theirs) = placed[0], other
        found = meetings(left, right, mine, theirs)
        close = found.close if len(self.corpora) == 1 else np.full(len(pairs), -1)
        return close, found.rows

    # ---- numbers -------------------------------------------------------------------------------------

    def against_number(
        self,
        left: Items,
        number: Floats,
        column: str,
        within: str | None,
        everything: bool,
        metrics: dict[str, Any],
    ) -> Found:
        rows = self.rows
        self.tell("correlating ranks", 0, 0)
        placed = place(self.corpora[0], self.taps[0], left, rows.take[0])
        length = self.length()
        all_rows = rank_correlations(placed, number, rows.stratum, rows.group, length)
        raw = rank_correlations(placed, number, np.zeros(len(rows), np.int32))
        q = stats.benjamini_hochberg(all_rows.p, dependent=self.fdr == "by")
        confirmed, rho, q_confirm = halves(placed, number, rows, length)
        metrics["eligible_pairs"], metrics["significant"] = len(left), int((q < ALPHA).sum())
        flips = np.zeros(len(left), bool)
        pooled = None
        if within is not None:
            plain = rank_correlations(placed, number, rows.by_length, rows.group, length)
            pooled = plain.rho
            flips = (plain.rho * all_rows.rho < 0) & (plain.p < ALPHA) & (q < ALPHA)
            metrics["reversed"] = int(flips.sum())
        shown = np.arange(len(left)) if everything else np.flatnonzero((q < ALPHA) | confirmed)
        shown = shown[np.lexsort((left.name[shown], -np.abs(all_rows.rho[shown])))][: 2 * LOOK]
        n = len(rows)
        nothing = np.full(len(shown), np.nan)
        columns_of: dict[str, Any] = {
            "n_a": left.n[shown], "n_b": np.full(len(shown), n), "n_ab": left.n[shown],
            "p": all_rows.p[shown], "q": q[shown], "confirmed": confirmed[shown], "rho": all_rows.rho[shown],
            "rho_low": all_rows.low[shown], "rho_high": all_rows.high[shown], "rho_raw": raw.rho[shown],
            "rho_confirm": rho[shown], "q_confirm": q_confirm[shown],
        }  # fmt: skip
        if pooled is not None:
            columns_of["rho_pooled"], columns_of["reversed"] = pooled[shown], flips[shown]
        pairs = Pairs(
            shown, np.zeros(len(shown), np.int64), left.n[shown], left.n[shown], all_rows.rho[shown],
            all_rows.p[shown], nothing,
        )  # fmt: skip
        sides = [Side(self.labels[0], left.name), Side(None, np.zeros(1, np.int64), (column,))]
        meets = np.full((len(shown), 1), -1)
        return Found(
            columns_of, [None] * len(shown), sides, pairs, left, left, Strata.of(rows.stratum),
            ((placed, shown), None), meets, (), number=number,
        )  # fmt: skip

    def length_notes(
        self, number: Floats, column: str, within: str | None, metrics: dict[str, Any]
    ) -> list[str]:
        """Say how the number goes with length itself."""
        length = self.length()
        pooled = spearman(length, number, np.zeros(len(length), np.int32))
        metrics["rho_length"] = pooled
        told = f"{column} against the number of tokens: rank correlation {pooled:+.2f}"
        if within is None:
            return [told]
        code = keys([self.corpora[0]], within)[0][self.rows.take[0]].astype(np.int32)
        inside = spearman(length, number, code)
        metrics["rho_length_within"] = inside
        differs = "; the sign differs" if inside * pooled < 0 else ""
        return [f"{told} pooled, {inside:+.2f} within {within}{differs}"]


def _look(pairs: Pairs, significant: NDArray[np.bool_], flips: NDArray[np.bool_], everything: bool) -> Ints:
    """Return the pairs worth a closer look: the strongest of each kind, and those whose sign differs."""
    good = np.ones(len(pairs), bool) if everything else significant
    strength = np.abs(pairs.npmi)
    order = np.lexsort((pairs.right, pairs.left, -strength, ~significant))
    order = order[good[order]]
    chosen = [order[pairs.npmi[order] >= 0][:LOOK], order[pairs.npmi[order] < 0][:LOOK]]
    chosen.append(order[flips[order]][:LOOK])
    wanted = np.zeros(len(pairs), bool)
    wanted[np.concatenate(chosen)] = True
    return order[wanted[order]]


def _ratio(a: NDArray[Any], b: NDArray[Any]) -> Floats:
    """Return a / b, NaN where b is 0."""
    return np.divide(a, b, out=np.full(len(a), np.nan), where=np.asarray(b) > 0)


def _within_phi(both: Ints, moments: Any, sides: kept_pairs.Sides, pairs: Pairs) -> Floats:
    """Return the correlation of the two presences around their strata's means."""
    scale = []
    for counts, items in ((sides.left, pairs.left), (sides.right, pairs.right)):
        n, once = counts.strata.size, counts.strata.once
        if counts.table is not None:
            x = counts.table[items].astype(np.float64)
            scale.append((x * (n - x)) @ once)
        else:
            assert counts.matrix is not None
            m = counts.matrix[items].astype(np.float64)
            scale.append(np.asarray(m.sum(1)).ravel() - m.power(2) @ once)
    spread = np.sqrt(np.maximum(scale[0] * scale[1], 0))
    return np.divide(both - moments.mean, spread, out=np.zeros(len(both)), where=spread > 1e-12)


__all__ = ["Limits", "correlate"]
