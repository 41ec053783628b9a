"""Properties as text for a terminal: those that words ask for, and one on a compact page.

Returns strings and prints nothing; titles and texts are data. Not for: features
(:mod:`saetext.report.console.features`).
"""

from __future__ import annotations

from collections.abc import Sequence

from saetext.features.properties import Property, PropertyProfile
from saetext.report.console.features import list_of, print_contexts, print_notes, share_text
from saetext.report.console.lines import finish, make_console, styled
from saetext.text.one_line import many
from saetext.text.passages import printable
from saetext.text.terminal import typed


def property_lines(found: Sequence[Property], of: str, *, corpus: bool, topics: frozenset[str]) -> list[str]:
    """Return lines that name properties, and say what one does with them; none without any.

    Parameters
    ----------
    found : sequence of Property
        Those that fit the words.
    of : str
        The reader or corpus, as the user called it.
    corpus : bool
        Whether it is a corpus.
    topics : frozenset of str
        Names of those that say what a text is about: search does not rank by them.
    """
    if not found:
        return []
    lines = [f"   score {'property':<16} {'texts':>7}  what a whole text or a passage of it has"]
    for each in found:
        score = "" if each.score is None else f"{each.score:.2f}"
        share = "" if each.share is None else share_text(each.share)
        lines.append(f"{score:>8} {printable(each.name):<16} {share:>7}  {printable(each.title)}")
    name = found[0].name
    lines.append(f"look at it: saetext features {typed(of)} --show {name}")
    if corpus and name not in topics:
        lines.append(f"find texts: saetext search {typed(of)} --detector {name}")
    return lines


def render_property(
    profile: PropertyProfile, console_width: int = 100, color: bool = False, *, encoding: str = "utf-8"
) -> str:
    """Return one property as a compact page: what it is, how good it is, and texts.

    Parameters are those of :func:`saetext.report.console.differences.render_diff`.
    """
    console = make_console(console_width, color)
    console.print(styled(f"property {profile.name} of {printable(profile.of)}", "dim"))
    console.print(styled(printable(profile.title), "bold"))
    console.print(styled(printable(profile.description)))
    for fact in facts(profile):
        console.print(styled(fact))
    darkest = max((piece.value for each in profile.contexts for piece in each.pieces), default=0.0) or 1.0
    print_contexts(console, profile.contexts, darkest, color)
    console.print()
    heading = f"of {profile.n_features} features, those with the largest weights"
    for line in list_of(heading, "weight", profile.weights):
        line.truncate(console.width, overflow="ellipsis")
        console.print(line)
    print_notes(console, profile.notes)
    return finish(console, encoding)


def facts(profile: PropertyProfile) -> list[str]:
    """Return what it looks at, how good it was on texts with known answers, and how many texts have it."""
    where = f"passages of {2 * profile.reach + 1} tokens" if profile.reach else "whole texts"
    lines = [f"looks at {where}; a text has it from a probability of {profile.threshold:.2f} on"]
    if profile.auc:
        sets = ", ".join(f"{value:.2f} ({printable(key)})" for key, value in profile.auc.items())
        lines.append(f"AUC: {sets}")
    if profile.support is not None and profile.documents is not None:
        share = profile.support / max(profile.documents, 1)
        lines.append(
            f"present in {profile.support:,} of {many(profile.documents, 'document')} ({share_text(share)})"
        )
    return lines
