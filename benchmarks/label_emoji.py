"""On which emoji, and with which marks of layout, the features of ``smollm2`` fire.

    python benchmarks/label_emoji.py

An emoji is two to four tokens, most of them bytes that it shares with its neighbours in Unicode, so a feature
fires on a family of them. Prints each feature that is above its threshold on two of 45 emoji or more, with
these emoji and its label, and for each of 24 edits of six sentences (capitals, bold, lists, fences, line
breaks ...) the features that tell it from the sentences as they were. Takes 15 CPU seconds.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

import numpy as np
from label_reading import Read, open_reader, read
from label_texts import Sourced

from saetext.documents import Document
from saetext.features.known_labels import shipped_labels
from saetext.features.labels import FeatureLabels
from saetext.reader.shipped import SMOLLM2

EMOJI = (
    *("😀", "😂", "😊", "😍", "😎", "😢", "😡", "🙂", "🤔", "🙏", "👍", "👏", "💪", "👇", "❤️", "💔", "🔥"),
    *("✨", "⭐", "🎉", "🎂", "✅", "❌", "⚠️", "➡️", "🚀", "💡", "📚", "📌", "🏠", "🚗", "🐶", "🐱", "🦋"),
    *("🌸", "🌊", "☀️", "🍕", "🍎", "☕", "⚽", "🎵", "💰", "🇫🇷", "🇺🇸"),
)
WITH_EMOJI = ("Thanks for the update, the meeting went well.", "We walked to the market before noon.")
SENTENCES = (
    "The river runs through the old town.",
    "She keeps three cats in a small flat.",
    "We walked to the market before noon.",
    "The meeting was moved to next week.",
    "He paints the fence every summer.",
    "They sell bread and cheese on the square.",
)
EDITS: dict[str, Callable[[str], str]] = {
    "capitals": str.upper,
    "lower case": str.lower,
    "bold": lambda t: f"**{t.split()[0]}** {t.split(' ', 1)[1]}",
    "italics": lambda t: f"*{t.split()[0]}* {t.split(' ', 1)[1]}",
    "heading": lambda t: f"# {t}",
    "list with -": lambda t: "\n".join(f"- {w}" for w in t.split(" ", 2)),
    "list with *": lambda t: "\n".join(f"* {w}" for w in t.split(" ", 2)),
    "numbered list": lambda t: "\n".join(f"{i}. {w}" for i, w in enumerate(t.split(" ", 2), 1)),
    "code fence": lambda t: f"```\n{t}\n```",
    "inline code": lambda t: f"`{t.split()[0]}` {t.split(' ', 1)[1]}",
    "straight quotes": lambda t: f'"{t}"',
    "curly quotes": lambda t: f"“{t}”",
    "exclamation mark": lambda t: f"{t[:-1]}!",
    "question mark": lambda t: f"{t[:-1]}?",
    "three dots": lambda t: f"{t[:-1]}...",
    "line break inside": lambda t: "\n".join(t.rsplit(" ", 1)),
    "line break": lambda t: f"{t}\n{t}",
    "blank line": lambda t: f"{t}\n\n{t}",
    "long dash": lambda t: f"{t[:-1]} — and so on.",
    "brackets": lambda t: f"({t})",
    "table": lambda t: f"| {' | '.join(t.split()[:3])} |",
    "semicolon": lambda t: f"{t[:-1]}; fine.",
    "link": lambda t: f"{t} https://example.com/page",
    "percent": lambda t: f"{t[:-1]} by 40%.",
}
MOST, TELLING = 14, 0.65  # features of an edit, and by how much their presence differs


def main() -> None:
    labels = shipped_labels(SMOLLM2)
    assert labels is not None
    texts = [(emoji, f"{sentence} {emoji}") for emoji in EMOJI for sentence in WITH_EMOJI]
    texts += [("plain", sentence) for sentence in SENTENCES]
    texts += [(name, change(sentence)) for name, change in EDITS.items() for sentence in SENTENCES]
    told = read(
        open_reader("smollm2"),
        [Sourced(n, Document(str(i), t, None, None, {}, i, "")) for i, (n, t) in enumerate(texts)],
    )
    thresholds = SMOLLM2.load_calibration().thresholds
    above = told.value > thresholds[told.feature]
    token, feature = told.token[above], told.feature[above]
    _of_emoji(told, token, feature, labels)
    _of_edits(told, token, feature, labels)


def _of_emoji(told: Read, token: np.ndarray, feature: np.ndarray, labels: FeatureLabels) -> None:
    found: dict[int, dict[str, None]] = defaultdict(dict)
    for at, f in zip(token.tolist(), feature.tolist(), strict=True):
        document = int(told.document[at])
        emoji = told.registers[document]
        if emoji in EMOJI and told.start[at] >= told.texts[document].rindex(emoji[0]) - 1:
            found[f][emoji] = None
    for f, some in sorted(found.items(), key=lambda row: (-len(row[1]), row[0])):
        if len(some) > 1:
            print(f"{f:5} {len(some):3} {''.join(some)}  {labels[f].label}")


def _of_edits(told: Read, token: np.ndarray, feature: np.ndarray, labels: FeatureLabels) -> None:
    present = np.zeros((len(told.texts), len(labels)), bool)
    present[told.document[token], feature] = True
    names = np.array(told.registers)
    plain = present[names == "plain"].mean(0)
    for name in EDITS:
        difference = present[names == name].mean(0) - plain
        for f in np.argsort(-np.abs(difference), kind="stable")[:MOST].tolist():
            if abs(difference[f]) >= TELLING:
                print(f"{name:18} {difference[f]:+.2f} {f:5} {labels[f].label}")


if __name__ == "__main__":
    main()
