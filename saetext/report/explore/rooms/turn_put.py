"""The room Turn, what is put aside: both texts, or what one word of them comes from.

Not for: the drawer (collect/items.py), or forms (turn.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from saetext.report.explore.collect.items import Item, Recipe
from saetext.report.explore.queries.explaining import Word
from saetext.report.explore.queries.turning import Question, Turned
from saetext.report.explore.rooms.turn_shown import answer_of, pairs_of
from saetext.report.explore.rooms.turn_word import FAINT, found_of
from saetext.report.html.parts import SHADES
from saetext.report.html.passages import Passage, Piece
from saetext.text.passages import printable

if TYPE_CHECKING:
    from saetext.features.labels import FeatureLabels
    from saetext.intervene.attribution.one_token import TokenCauses
    from saetext.intervene.edit import Change
    from saetext.intervene.result import SteerResult

#: Of a word, what is kept of each pair shown.
PAIR = ("position", "feature", "exact")
_ASTRAY = 4  # it is warned of where at least one of so many pairs acts the other way


def recipe_of_texts(result: SteerResult, question: Question) -> Recipe:
    """Return how both texts are written again."""
    texts = [row["text"] for pair in pairs_of(result) for row in pair]
    return Recipe(
        "steer",
        (),
        {**question.options(), "prompts": list(question.prompts)},
        key=(question.model.name, *texts),
    )


def item_of(found: Turned, question: Question, label: str, link: str) -> Item:
    """Return both arms as they are put aside."""
    answer, result = answer_of(found, question, label), found.result
    told = [
        ("model", question.model.name),
        ("feature", f"{question.feature} of {question.model.sae}"),
        ("strength", f"{answer['strength']}, one is {answer['unit']} ({answer['unit_source']})"),
        ("sampling", f"temperature {question.temperature:g}, seed {question.seed}"),
        ("by itself", answer["figures"][0]),
        ("turned", answer["figures"][1]),
        *(("beware", caution) for caution in answer["cautions"]),
    ]
    passages = [
        (
            ("by itself", f"turned {answer['strength']}")[number],
            Passage(
                text["prompt"],
                tuple(Piece(part, shade / SHADES) for part, shade, _ in side["pieces"]),
            ),
        )
        for text in answer["texts"]
        for number, side in enumerate(text["sides"])
    ]
    title = f"{label} turned {'up' if question.strength > 0 else 'down'} in {question.model.title}"
    return Item("turn", title, recipe_of_texts(result, question), tuple(told), tuple(passages), link)


def recipe_of_word(found: Turned, question: Question, word: Word, causes: TokenCauses) -> Recipe:
    """Return how what a word comes from is computed again: from the tokens written, and the edit."""
    ids = found.texts[word.prompt, word.is_turned].ids[: word.token + 1]
    options = {
        "prompt": question.prompts[word.prompt],
        "raw": question.raw,
        "written": list(ids),
        "changes": list(map(_change, found.changes)) if word.is_turned else [],
        "pairs": [[row[name] for name in PAIR] for row in causes.table.to_dicts()],
    }
    return Recipe(
        "why",
        (),
        options,
        key=(question.model.name, question.model.sae, word.key),
        figures={"value": causes.value, "without": causes.without},
    )


def _change(change: Change) -> dict[str, Any]:
    """Return an edit of a feature in plain JSON types; what the room turns is never a bare direction."""
    assert change.feature is not None and change.direction is None and change.values is None
    return {"feature": change.feature, "op": change.op, "value": change.value}


def word_item_of(
    found: Turned, question: Question, word: Word, causes: TokenCauses, labels: FeatureLabels, link: str
) -> Item:
    """Return what a word comes from, as it is put aside."""
    shown = found_of(causes, labels)
    where = f"turned {question.strength:+g}" if word.is_turned else "by itself"
    told = [
        ("model", question.model.name),
        ("text", f"{where}, feature {question.feature} of {question.model.sae}"),
        ("probability", f"{shown['probability']}, log-probability {shown['value']}"),
    ]
    if shown["unedited"] is not None:
        told.append(("the edit", f"adds {shown['by_edit']}; without it: {shown['unedited']}"))
    told += [
        ("all features", f"{shown['change']}, of which attributions miss {shown['missed']}"),
        ("not explained", str(shown["error"])),
        *_pairs_told(shown),
        *(("beware", caution) for caution in cautions_of_word(shown)),
    ]
    passage = Passage(question.prompts[word.prompt], tuple(_before(causes)))
    title = f"Why “{printable(word.text)}”, {where}"
    recipe = recipe_of_word(found, question, word, causes)
    return Item("word", title, recipe, tuple(told), ((where, passage),), link)


def _pairs_told(shown: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for way, rows in (("raises", shown["raise"]), ("lowers", shown["lower"])):
        for row in rows:
            amounts = f"attributed {row['attribution']}, exact {row['exact']}"
            yield way, f"{row['label']} ({row['feature']}) at “{row['token'].strip()}”: {amounts}"


def cautions_of_word(shown: Mapping[str, Any]) -> Sequence[str]:
    """Return what to beware of, in sentences."""
    found = []
    if shown["misses"]:
        found.append(
            f"The attributions miss {shown['missed']} of what all features together change: "
            "go by the exact effects."
        )
    if shown["more_error"]:
        found.append(
            f"What the SAE does not hold of the text counts for more ({shown['error']}) than its features: "
            "they tell less than half of it."
        )
    if _ASTRAY * shown["astray"] >= shown["shown"] > 0:
        found.append(
            f"Taken out alone, {shown['astray']} of the {shown['shown']} pairs act the other way than their "
            "attribution says: go by the exact effects."
        )
    return found


def _before(causes: TokenCauses) -> Iterator[Piece]:
    """Return the answer before the word in pieces, shaded by what raises it there, and the word itself."""
    most = max(causes.sums.max(initial=0.0), 1e-12)
    for at in range(causes.prompt, len(causes.tokens)):
        strength = float(causes.sums[at] / most)
        yield Piece(causes.tokens[at], strength if strength > FAINT else 0.0)
    yield Piece(" → ", 0.0)  # else it would run into the token before it
    yield Piece(causes.token.lstrip(), 1.0)
