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


def property_lines(found: Sequence[Property], of: str, *, corpus: bool) -> list[str]:
    """Return lines that name properties, and say what one does with them; none without any.

    Parameters
    ----------
    found : sequence of Property
        Those that fit the words.
    of : str
        The reader or corpus, as the user called it.
    corpus : bool
        Whether it is a corpus, so that there are texts to count.
    """
    if not found:
        return []
    lines = [_line("score", "property", "texts" if corpus else "", "what a text has, as a detector sees it")]
    for each in found:
        score = "" if each.score is None else f"{each.score:.2f}"
        share = "" if not corpus else "?" if each.share is None else share_text(each.share)
        lines.append(_line(score, printable(each.name), share, printable(each.title)))
    best = found[0]
    lines.append(f"look at it: saetext features {typed(of)} --show {best.name}")
    if corpus and not best.topic:
        lines.append(f"find texts: saetext search {typed(of)} --detector {best.name}")
    return lines


def _line(score: str, name: str, share: str, title: str) -> str:
    return f"{score:>8} {name:<16}" + (f" {share:>7}" if share else "") + f"  {title}"


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
