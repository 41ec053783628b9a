"""Labels from words alone: what is at and around the tokens that activate a feature.

No model is needed. A label is only as good as words allow: it names words that activate a feature, in which
surroundings, or at which place of the text. Not for: meaning behind varied words; that takes a reader.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from saetext.features.contexts import Context, FeatureContexts
from saetext.features.labels import FeatureLabel
from saetext.text.passages import printable
from saetext.text.words import is_unspaced
from saetext.text.words import words as _words

CONTEXTS = 16  # of each level, worth gathering for words
_NEAR = 4  # words on either side that count as surroundings
_MOST = 0.6  # share of the firing places that a cue must cover to name the feature
_FUNCTION_WORDS = """
    a about after all also am an and any are as at be because been before but by can could did do does
    for from had has have he her him his how i if in into is it its just like may me might more most my
    no nor not of on one or other our out over own same she should so some such than that the their them
    then there these they this those through to too under until up very was we were what when where
    which while who why will with would you your
"""
_FUNCTION = frozenset(_FUNCTION_WORDS.split())


@dataclass(frozen=True)
class _Cue:
    """Something a place in a text can have; ``says`` turns it into a label."""

    name: str
    has: Callable[[Context], bool]


_CUES = (
    _Cue("numbers", lambda c: bool(re.fullmatch(r"[\d.,:%$€£/-]*\d[\d.,:%$€£/-]*", c.snippet.match))),
    _Cue("line breaks", lambda c: c.snippet.match in ("↵", "⏎")),
    _Cue("question marks", lambda c: c.snippet.match == "?"),
    _Cue("exclamation marks", lambda c: c.snippet.match == "!"),
    _Cue("punctuation", lambda c: not any(ch.isalnum() for ch in c.snippet.match)),
    _Cue("names with underscores or code", lambda c: "_" in c.snippet.match or "()" in c.snippet.after[:2]),
    _Cue("the first words of a text", lambda c: not c.snippet.before.strip()),
    _Cue("the beginning of a sentence", lambda c: bool(re.search(r"[.!?][\"'”’)]?\s*$", c.snippet.before))),
    _Cue("the word before a question mark", lambda c: c.snippet.after.lstrip().startswith("?")),
    _Cue("the last word of a sentence", lambda c: bool(re.match(r"\s*[.!?](\s|$)", c.snippet.after))),
    _Cue("words in quotation marks", lambda c: bool(re.search(r"[\"“‘]\s*$", c.snippet.before))),
    _Cue("words after a number", lambda c: bool(re.search(r"\d\s*$", c.snippet.before))),
)


def label_by_words(
    contexts: Mapping[int, FeatureContexts],
    densities: Mapping[int, float] | None = None,
    top_words: Mapping[int, Sequence[str]] | None = None,
    passages: Sequence[str] = (),
) -> list[FeatureLabel]:
    """Name every feature that is active in ``contexts`` (gather about :data:`CONTEXTS` of each level).

    Words are ranked by their share of the log-likelihood ratio (Dunning 1993) of the activating places
    and ``passages`` of any kind (:func:`saetext.features.contexts.random_passages`) with its own; no label
    depends on the other features. Among words that occur once, those in ``top_words`` (of the calibration,
    from reference text) come first. Snippets come from the contexts.
    """
    common = Counter(word for passage in passages for word in set(_words(passage)))
    return [
        _name(
            found,
            _Background(common, len(passages), found),
            (densities or {}).get(feature),
            frozenset((top_words or {}).get(feature, ())),
        )
        for feature, found in contexts.items()
        if found.firing
    ]


class _Background:
    """In how many passages a word is: those of all texts, and a feature's own."""

    def __init__(self, common: Counter[str], total: int, found: FeatureContexts) -> None:
        own = [set(_words(_flat(context))) for context in (*found.firing, *found.silent)]
        self._common, self._own = common, Counter(word for passage in own for word in passage)
        self.total = total + len(own)

    def __getitem__(self, word: str) -> int:
        return self._common[word] + self._own[word]


def _name(
    found: FeatureContexts,
    background: _Background,
    density: float | None,
    known: frozenset[str],
) -> FeatureLabel:
    firing = found.firing
    words = Counter(w for c in firing for w in set(_at(c)))
    around = Counter(w for c in firing for w in set(_around(c)) if _tells(w))
    top = _ranked(words, len(firing), background, known)
    near = [w for w in _ranked(around, len(firing), background) if around[w] >= 3 and w not in words]
    forms = _forms(top, words)
    label, description, kind = _describe(found, forms, words, near)
    return FeatureLabel(
        found.feature,
        label,
        description,
        kind,
        source="words",
        density=density,
        top_words=tuple(top[:10]),
        snippets=tuple(printable(c.snippet.marked()) for c in (*found.top[:2], *found.middle[:1])),
    )


def _describe(
    found: FeatureContexts, forms: list[list[str]], words: Counter[str], near: list[str]
) -> tuple[str, str, str]:
    firing, n = found.firing, len(found.firing)
    covered = [sum(words[w] for w in form) / n for form in forms]
    where = f"; often near {_listed(near[:4])}" if near else ""
    phrase = _phrase(firing)
    if phrase is not None and covered and covered[0] >= _MOST:
        near = [word for word in near if word not in phrase.split()]
        where = f"; often near {_listed(near[:4])}" if near else ""
        return f'the phrase "{phrase}"', f"Fires in the phrase “{phrase}”{where}.", "word form"
    if covered and covered[0] >= _MOST:
        form = forms[0]
        if len(form) == 1:
            label = f'the word "{form[0]}"'
            if near and _share(firing, near[0]) >= 0.3 and _share(found.silent, near[0]) < 0.1:
                label += f" near {near[0]}"
        else:
            label = f'forms of "{min(form, key=len)}" ({", ".join(form[:3])})'
        return label, f"Fires on {_listed(form[:6])}{where}.", "word form"
    for cue in _CUES:
        here, there = _cover(firing, cue), _cover(found.silent, cue)
        if here >= _MOST and here - there >= 0.4:
            kind = "discourse" if "sentence" in cue.name or "text" in cue.name else "format"
            extra = [f[0] for f in forms[:3] if words[f[0]] > 1]
            label = cue.name + (f" ({', '.join(extra)})" if extra and kind == "discourse" else "")
            return label, f"Fires on {cue.name} in {here:.0%} of its places{where}.".replace("%", " %"), kind
    piece = _piece(firing, found.silent)
    if piece is not None and not (covered and covered[0] >= _MOST / 2):
        name, like = piece
        return (
            f"{name} ({', '.join(like[:3])})",
            f"Fires on {name}, such as {_listed(like[:5])}.",
            "word form",
        )
    heads = [form[0] for form, share in zip(forms, covered, strict=True) if share >= 0.04][:4]
    heads = heads or [form[0] for form in forms[:3]]
    if not heads:
        text = _listed(near[:3]) if near else ""
        return (f"places near {text}" if text else f"feature {found.feature}"), "", "other"
    if near and sum(covered[:4]) < 0.5:
        label = f"{', '.join(heads[:3])} (around {', '.join(near[:2])})"
    else:
        label = ", ".join(heads)
    kind = "discourse" if sum(h in _FUNCTION for h in heads) * 2 > len(heads) else "topic"
    return label, f"Fires on words such as {_listed(heads)}{where}.", kind


def _ranked(
    counts: Counter[str],
    n: int,
    background: _Background,
    known: frozenset[str] = frozenset(),
) -> list[str]:
    def score(word: str) -> float:
        h = counts[word]
        return h * math.log(h * background.total / (n * max(background[word], h)))

    # once is chance: such words come after all others
    return sorted(counts, key=lambda w: (counts[w] == 1, counts[w] == 1 and w not in known, -score(w), w))


def _forms(top: Sequence[str], words: Counter[str]) -> list[list[str]]:
    """Group words that share their first letters (parse, parser, parsing), best first."""
    groups: list[list[str]] = []
    for word in top:
        for group in groups:
            if _related(word, group[0]):
                group.append(word)
                break
        else:
            groups.append([word])
    return sorted(groups, key=lambda g: -sum(words[w] for w in g))


def _related(a: str, b: str) -> bool:
    stem = 0
    for x, y in zip(a, b, strict=False):
        if x != y:
            break
        stem += 1
    longest = max(len(a), len(b))
    return (stem >= 4 and stem >= 0.6 * longest) or (stem >= 3 and longest - stem <= 2)


def _piece(firing: Sequence[Context], silent: Sequence[Context]) -> tuple[str, list[str]] | None:
    """Return the beginning or end that most of the different words share, with words that have it."""
    here = list(dict.fromkeys(w for c in firing for w in _at(c) if w not in _FUNCTION))
    there = {w for c in silent for w in _words(_flat(c))}
    best: tuple[float, str, list[str]] | None = None
    for size in (5, 4, 3):
        for name, cut in (("beginning with", slice(None, size)), ("ending in", slice(-size, None))):
            pieces = Counter(w[cut] for w in here if len(w) > size and w.isalpha())
            if not pieces:
                continue
            piece, count = pieces.most_common(1)[0]
            share = count / len(here)
            usual = sum(len(w) > size and w[cut] == piece for w in there) / max(len(there), 1)
            if count >= 4 and share >= 0.4 and share > 5 * usual and (best is None or share > best[0] + 0.1):
                like = [w for w in here if len(w) > size and w[cut] == piece]
                best = (share, f'words {name} "{piece}"', like)
    return None if best is None else best[1:]


def _phrase(firing: Sequence[Context]) -> str | None:
    """Return the two words that most places share, the word at the peak being one of them."""
    pairs: Counter[str] = Counter()
    for context in firing:
        before, here, after = _words(context.snippet.before), _at(context), _words(context.snippet.after)
        if not here:
            continue
        if before:
            pairs[f"{before[-1]} {here[0]}"] += 1
        if after:
            pairs[f"{here[-1]} {after[0]}"] += 1
    if not pairs:
        return None
    best, count = pairs.most_common(1)[0]
    return best if count >= max(3, _MOST * len(firing)) else None


def _tells(word: str) -> bool:
    """Whether a word near a place says something about it: no function word, contraction or number."""
    stem = re.split("['’]", word)[0]
    return len(word) > 1 and word not in _FUNCTION and stem not in _FUNCTION and not word.isdigit()


def _share(contexts: Sequence[Context], word: str) -> float:
    return sum(word in _around(c) for c in contexts) / max(1, len(contexts))


def _cover(contexts: Sequence[Context], cue: _Cue) -> float:
    return sum(cue.has(c) for c in contexts) / max(1, len(contexts))


def _around(context: Context) -> list[str]:
    return _words(context.snippet.before)[-_NEAR:] + _words(context.snippet.after)[:_NEAR]


def _flat(context: Context) -> str:
    return f"{context.snippet.before}{context.snippet.match}{context.snippet.after}"


def _at(context: Context) -> list[str]:
    """Return the words of the place itself; of a script without spaces, the token as it is."""
    match = context.snippet.match
    return [match.strip().lower()] if is_unspaced(match.strip()) else _words(match)


def _listed(words: Iterable[str]) -> str:
    return ", ".join(f"“{w}”" for w in words)
