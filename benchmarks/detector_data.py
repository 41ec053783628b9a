# ruff: noqa: E501  # patterns and lists of sets are read better unbroken
"""Texts and truths for benchmarks/train_detectors.py: our own lines composed to texts, and rules for public sets.

Not for: learning or measuring (benchmarks/train_detectors.py).
"""

from __future__ import annotations

import json
import random
import re
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

TEXTS = Path(__file__).parent / "detector_texts"

#: name: (title, description, paraphrases are the description's job: searches are matched with it)
TITLES = {
    "refusal": ("refusing a request", "The assistant refuses to help, says that it cannot or will not do it."),
    "apology": ("apologising", "The writer apologises, says sorry or asks for forgiveness."),
    "as_an_ai": ("disclaimer of being an AI", "The writer says that it is an AI or a language model."),
    "question_back": ("asking a question", "The text ends by asking the user a question."),
    "praise": ("praise", "Someone or something is praised: a great question, good work, you are talented."),
    "moralising": ("moralising", "The text lectures on what is right, ethical and respectful."),
    "first_person": ("first person", "The writer says I, me or my."),
    "instructions": ("instructions in steps", "The text says how to do something, step by step."),
    "uncertainty": ("uncertainty", "The writer is not sure, does not know, doubts or is confused."),
    "hedging": ("hedging", "Claims are softened: may, might, perhaps, it seems, generally, likely."),
    "backtracking": ("backtracking", "A line of thought is stopped and corrected: wait, that is not right."),
    "enthusiasm": ("enthusiasm", "The tone is excited and enthusiastic, with exclamation marks."),
    "thanks": ("thanking", "The writer thanks somebody or shows gratitude."),
    "formality": ("formal language", "The style is formal, as in contracts, reports and official letters."),
    "politeness": ("politeness", "A request or answer is polite and courteous."),
    "narrative": ("telling a story", "A narrative with characters and events, as in fiction or a plot."),
    "code": ("programming", "The text has source code or commands, or says what functions do."),
    "mathematics": ("mathematics", "The text has calculations, equations or proofs."),
    "list": ("list", "The text has a list with bullets or numbers."),
    "table": ("table", "The text has a table with rows and columns in Markdown."),
    "call_to_action": ("call to action", "The reader is urged to sign up, buy, join, donate or vote."),
    "poetry": ("poetry", "The text is a poem or has verses."),
}  # fmt: skip

#: Lines of these files are not known to lack the property, unless they say so themselves.
_UNKNOWN = {
    "refusal": {"as_an_ai"},
    "apology": {"politeness"},
    "praise": {"enthusiasm", "politeness", "thanks"},
    "moralising": {"refusal"},
    "uncertainty": {"backtracking", "hedging", "as_an_ai", "apology", "refusal"},
    "hedging": {"uncertainty", "backtracking", "politeness", "as_an_ai", "moralising"},
    "backtracking": {"uncertainty", "apology"},
    "enthusiasm": {"praise", "thanks", "call_to_action"},
    "thanks": {"politeness", "formality", "praise", "enthusiasm", "apology", "refusal"},
    "instructions": {"call_to_action", "list", "code"},
    "formality": set(TITLES),
    "politeness": set(TITLES),
    "narrative": {"poetry", "first_person"},
    "code": {"table", "mathematics"},
    "mathematics": {"code"},
    "list": {"instructions", "code", "poetry", "table"},
    "table": {"code"},
    "call_to_action": {"enthusiasm", "moralising", "politeness", "poetry"},
    "poetry": {"list", "table"},
}

#: What the texts of ``elsewhere.jsonl`` have is not told of these.
_NOT_TOLD = {"formality", "uncertainty", "politeness", "narrative", "backtracking"}


@dataclass(frozen=True)
class Item:
    """A text with what is known of it: property to whether it has it; ``group`` keeps its copies together."""

    text: str
    truth: dict[str, bool] = field(default_factory=dict)
    group: str = ""
    source: str = "own"


def _rx(pattern: str, flags: int = re.I) -> Callable[[str], bool]:
    compiled = re.compile(pattern, flags)
    return lambda text: compiled.search(text.replace("’", "'")) is not None


_first_person = _rx(r"\b(I|I'm|I've|I'd|I'll)\b|\b([Mm]y|[Mm]e|[Mm]yself|[Mm]ine)\b", 0)
_code_fence = _rx(
    r"```|^(def|class|import|#include|SELECT|public class)\b|;\s*$.*;\s*$|<\w+[^>]*>.*</\w+>", re.M | re.S
)
_fence = _rx(r"```")
_table = _rx(r"^\s*\|.*\|.*\n\s*\|?[-:| ]{5,}", re.M)
_verbs = (
    "add|apply|attach|bake|begin|boil|bring|build|call|check|choose|clean|click|combine|connect|cook|cover|"
    "create|cut|define|divide|download|drain|enter|fill|find|fold|go|heat|identify|install|keep|let|make|mix|"
    "move|open|peel|place|plan|pour|practice|practise|preheat|prepare|press|put|read|remove|repeat|research|"
    "rinse|run|save|season|select|serve|set|start|step|stir|take|test|turn|use|wait|wash|whisk|write"
)
_step = re.compile(rf"^\s*(?:\d+[.)]|[-*•])\s+\**(?:{_verbs})\b", re.M | re.I)
_item = re.compile(r"^\s*(?:\d+[.)]|[-*•])\s+\S", re.M)
_hedge = re.compile(
    r"\b(may|might|perhaps|possibly|probably|likely|seems?|appears? to|could be|generally|usually|tends? to|"
    r"suggests?|arguably|presumably|apparently|somewhat|potentially|in some cases)\b",
    re.I,
)


def _asks_last(text: str) -> bool:
    return text.rstrip().rstrip("\"')”*").endswith("?")


def _steps(text: str) -> bool | None:
    found = len(_step.findall(text))
    return True if found >= 3 else None if found or len(_item.findall(text)) >= 3 else False


def _list(text: str) -> bool | None:
    found = len(_item.findall(text))
    return True if found >= 3 else None if found else False


def _hedges(text: str) -> bool | None:
    found, words = len(_hedge.findall(text)), len(text.split())
    if found == 0:
        return False
    return True if found >= 2 and found / words >= 0.02 else None


def _maths(text: str) -> bool | None:
    if re.search(
        r"\d\s*[-+*/×]\s*\$?\d+[^.\n]*=|\\frac|\\int|\\sum|[a-z]\s*=\s*-?\d+\s*[-+*/]|\bx\^2\b", text
    ):
        return True
    return None if re.search(r"[=^$\\<>]|\d\s*[-+*/]\s*\d", text) else False


def _code(text: str) -> bool | None:
    return (
        True if _fence(text) else None if _code_fence(text) or re.search(r"[{}`]|\w\(\)|;\n", text) else False
    )


def _either(has: str, maybe: str) -> Callable[[str], bool | None]:
    yes, unclear = _rx(has), _rx(maybe)
    return lambda text: True if yes(text) else None if unclear(text) else False


_CANNOT = r"(can'?t|cannot|can not|unable to|am not able|won'?t|will not|must decline|have to decline|refuse)"
_REFUSAL = (
    r"^\W*(i('m| am) (very |really |so )?(sorry|afraid)|sorry|i apologi[sz]e|my apologies|apologies|unfortunately|"
    r"as an? [^,.]{0,40},)?[^.?!\n]{0,60}\bi('m| am| must| have| do)?\W*( not| unable| cannot| decline| can'?t| won'?t)"
    r"[^.?!\n]{0,80}\b(assist|help|provide|fulfil|fulfill|comply|create|answer|do that|generate|recommend|access|"
    r"support|engage|write|produce|discuss|offer|give|tell|predict|browse|search|open|view|find|determine)"
)
#: What a rule can tell of a text: True, False, or None where it is not clear.
RULES: dict[str, Callable[[str], bool | None]] = {
    "refusal": lambda text: (
        True if _rx(_REFUSAL)(text[:300]) else None if _rx(rf"{_CANNOT}|sorry|unfortunately|no\b")(text[:400]) else False
    ),
    "apology": _either(
        r"\b(i'm|i am|we're|we are|so|very|really) sorry\b|apologi[sz]e|apologies|^sorry\b|\bsorry (about|for|if|that|to)\b"
        r"|forgive me|my bad\b",
        r"sorry|apolog|forgiv|pardon|regret|excuse",
    ),
    "as_an_ai": _either(
        r"\bas an? (ai|artificial|large language|language model|virtual assistant|text-based)"
        r"|\bi('m| am) (just |only )?an? (ai|artificial intelligence|language model|large language|computer program|chatbot)",
        r"\bai\b|artificial intelligence|language model|chatbot|robot|knowledge cutoff|training data",
    ),
    "question_back": lambda text: True if _asks_last(text) else None if "?" in text[-200:] else False,
    "praise": _either(
        r"\b(great|good|excellent|wonderful|fantastic|interesting|thoughtful) (question|idea|job|work|point|choice|start)\b"
        r"|\bwell done\b|you('re| are) (so |such a |very |really |an? )?(amazing|awesome|great|talented|wonderful|brilliant"
        r"|smart|incredible|lovely|beautiful|kind)|congratulations|proud of you|your \w+ (is|are|looks?) "
        r"(really |very |so )?(great|amazing|wonderful|beautiful|excellent|impressive)",
        r"\b(great|excellent|wonderful|amazing|impress\w*|love|awesome|nice|beautiful|brilliant|best|proud|congrat\w*)\b",
    ),
    "moralising": _either(
        r"it('s| is) (always )?(important|crucial|essential|vital|never okay|not okay|wrong) (to|that) (\w+ ){0,6}"
        r"(respect|ethic|moral|honest|legal|consent|dignity|kind|inclusi|responsib|sensitiv|treat)"
        r"|\b(unethical|immoral|disrespectful|harmful stereotypes|perpetuat\w+|morally wrong|offensive and)\b",
        r"\b(should|must|important|ethic\w*|moral\w*|respect\w*|responsib\w*|wrong|duty|ought|respectful|illegal|harm\w*"
        r"|right thing|honest\w*|remember)\b",
    ),
    "first_person": lambda text: _first_person(text),
    "instructions": _steps,
    "uncertainty": _either(
        r"\b(i'm|i am) (not|un)\s?(really |quite |entirely |completely |100% )?(sure|certain)|\bi don't (really )?know\b"
        r"|\bno idea\b|\bi('m| am) (a bit |so )?(confused|unsure)\b|\bnot sure\b",
        r"sure|know|maybe|perhaps|i think|guess|might|unclear|certain|hmm|wonder|doubt|suppose|confus|may\b|recall|\?",
    ),
    "hedging": _hedges,
    "backtracking": _either(
        r"\bwait,|\bhmm, (no|wait)|\blet me (reconsider|rethink|start over|try again|double-?check|re-?examine)|scratch that"
        r"|on second thought",
        r"\bwait\b|actually|hmm|mistake|let me|hold on|no,|instead|correct",
    ),
    "enthusiasm": lambda text: (
        True if text.count("!") >= 2 and text.count("!") >= len(text) / 250 else None if "!" in text else False
    ),
    "thanks": _either(
        r"\bthank(s| you)\b(?! to)|\bgrateful\b|appreciate (it|your|you|all|the help|any)|\bthx\b",
        r"thank|grateful|appreciat|cheers|gratitude",
    ),
    "code": _code,
    "mathematics": _maths,
    "list": _list,
    "table": lambda text: True if _table(text) else None if "|" in text else False,
    "call_to_action": _either(
        r"\b(sign up|click (here|the link)|join us|order (now|today|yours)|contact us|call us|visit (us|our)|subscribe"
        r"|donate (now|today)|register (now|today)|buy now|book (now|your)|shop now|don't miss|apply (now|today)"
        r"|get (yours|started) today|try it (now|today)|follow us|stop by)\b",
        r"sign|click|join|order|contact|call|visit|subscribe|donat|regist|buy|book|vote|today|now\b|download|share|try",
    ),
}  # fmt: skip

#: Sources of the permissive pool that have a property by what they are, and those that lack it.
BY_SOURCE: dict[str, tuple[set[str], set[str]]] = {
    "formality": ({"python_peps", "state_union", "inaugural", "rust_rfcs"}, {"self_dialogue", "movie_reviews_"}),
    "narrative": (
        {"novels"},
        {"python_peps", "rust_rfcs", "state_union", "inaugural", "banking77", "clickbait", "gsm8k_answers"},
    ),
    "poetry": (set(), {"python_peps", "rust_rfcs", "state_union", "inaugural", "banking77", "movie_reviews",
                       "self_dialogue", "gsm8k_answers", "gsm8k_train", "clickbait", "novels"}),
    "politeness": (set(), set()),
    "backtracking": (set(), {"novels", "python_peps", "rust_rfcs", "movie_reviews", "gsm8k_answers", "state_union"}),
    "mathematics": ({"gsm8k_answers"}, set()),
}  # fmt: skip
#: Rules that may teach as well as measure: those that look at form. Others only say which texts lack it.
TEACHING = {"code", "list", "table", "mathematics", "first_person", "question_back", "instructions"}


def own(seed: int = 0) -> list[Item]:
    """Return our lines, alone and among passages of other topics, each with what is known of it."""
    rng = random.Random(seed)
    slots: dict[str, list[str]] = {}
    for row in _rows("slots"):
        slots.setdefault(row["slot"], []).append(row["text"])
    passages = _rows("passages")
    found = []
    for name in TITLES:
        for row in _rows(name):
            group = f"{name} {row['text']}"
            truth = _truth(name, row["has"], row.get("also", []))
            held = is_held(group)
            beside = [p["text"] for p in passages if is_held(f"passage {p['topic']}") == held]
            for _ in range(3 if "{" in row["text"] else 2):
                text = _filled(row["text"], slots, rng)
                found.append(_item_of(text, truth, group))
                for _ in range(2):
                    mixed = _mixed(text, rng.sample(beside, min(rng.choice((1, 2, 4, 7)), len(beside))), rng)
                    at_end = mixed.endswith(text)
                    known = {k: v for k, v in truth.items() if k not in ("question_back", "formality")}
                    if at_end and "question_back" in truth:
                        known["question_back"] = truth["question_back"]
                    found.append(_item_of(mixed, known, group))
    for passage in passages:
        group = f"passage {passage['topic']}"
        beside = [p["text"] for p in passages if is_held(f"passage {p['topic']}") == is_held(group)]
        for n in (0, 1, 3, 6):
            text = " ".join([passage["text"], *rng.sample(beside, min(n, len(beside)))])
            found.append(
                _item_of(text, dict.fromkeys(set(TITLES) - {"formality", "politeness"}, False), group)
            )
    words = sorted({w for p in passages for w in re.findall(r"[a-z]{4,}", p["text"])})
    for word in rng.sample(words, 160):
        found.append(_item_of(word, dict.fromkeys(TITLES, False), f"word {word}"))
    return found


@dataclass(frozen=True)
class Elsewhere:
    """A text of another kind than those learned from: what it has, and what it may have."""

    text: str
    has: frozenset[str]
    perhaps: frozenset[str]
    held: bool


def elsewhere(seed: int = 0) -> list[Elsewhere]:
    """Return sayings, mock definitions, technical prose and the like, alone and two to five in a row.

    They have what they say, perhaps what they say so of, and nothing else of any property or topic.
    """
    rng = random.Random(seed)
    rows = [json.loads(line) for line in (TEXTS / "elsewhere.jsonl").read_text("utf-8").splitlines()]
    found = []
    for held in (False, True):
        mine = [row for row in rows if is_held(row["text"]) == held]
        for at in range(len(mine)):
            for n in (1, rng.randint(2, 5)):
                there = mine[at : at + n]  # neighbours are of one kind
                has = frozenset(name for row in there for name in row.get("has", []))
                perhaps = frozenset(name for row in there for name in row.get("perhaps", [])) - has
                found.append(Elsewhere(" ".join(row["text"] for row in there), has, perhaps, held))
    return found


def known_elsewhere(name: str, texts: Sequence[Elsewhere]) -> list[tuple[int, bool]]:
    """Return which of these texts are known to have a property or topic, and which to lack it."""
    known = []
    for at, text in enumerate(texts):
        truth: bool | None = None if name in text.perhaps else name in text.has
        if name == "first_person":
            truth = _first_person(text.text)
        elif name in _NOT_TOLD and not truth:
            truth = None
        if truth is not None:
            known.append((at, truth))
    return known


def varied(name: str, pool: Sequence[dict[str, str]], seed: int = 0) -> list[Item]:
    """Return many more lines with and without a property: alone, among our passages, and inside a public text.

    Half of those without it are near misses. A public text that may have the property itself hosts none.

    Parameters
    ----------
    name : str
        The property.
    pool : sequence of dict
        Public texts, with ``id`` and ``text``.
    """
    rng = random.Random(f"{seed} {name}")
    passages = _rows("passages")
    hosts = {held: [row for row in pool if is_held(row["id"]) == held] for held in (True, False)}
    found = []
    for row in _rows("varied"):
        if row["of"] != name:
            continue
        line, group = row["text"], f"{name} {row['text']}"
        held, truth = is_held(group), {name: bool(row["has"])}
        beside = [p["text"] for p in passages if is_held(f"passage {p['topic']}") == held]
        among = rng.sample(beside, min(rng.choice((1, 2, 4, 7)), len(beside)))
        texts = [line, _mixed(line, among, rng)]
        words, n = rng.choice(hosts[held])["text"].split(" "), rng.choice((20, 50, 90))
        start = rng.randrange(max(1, len(words) - n))
        words = words[start : start + n]
        at = rng.randrange(len(words) + 1)
        if RULES[name](" ".join((*words[:at], " ", *words[at:]))) is False:
            texts.append(" ".join((*words[:at], line, *words[at:])))
        found += [Item(text, truth, group, "varied") for text in texts]
    return found


def is_held(group: str) -> bool:
    """Whether texts of this group are kept for the calibration: one in four."""
    return zlib.crc32(group.encode()) % 4 == 0


def _rows(name: str) -> list[dict[str, str]]:
    return [json.loads(line) for line in (TEXTS / f"{name}.jsonl").read_text("utf-8").splitlines()]


def _truth(name: str, has: bool, also: Sequence[str]) -> dict[str, bool]:
    truth = {other: False for other in TITLES if name not in _UNKNOWN.get(other, set())}
    truth |= {"uncertainty": True} if "uncertainty" in also else {}
    truth |= dict.fromkeys(also, True)
    return {**truth, name: bool(has)}


def _item_of(text: str, truth: dict[str, bool], group: str) -> Item:
    known = {**truth, "first_person": _first_person(text)}
    if not group.startswith("question_back"):
        known["question_back"] = _asks_last(text)
    return Item(text, known, group)


def _filled(text: str, slots: dict[str, list[str]], rng: random.Random) -> str:
    filled = re.sub(r"\{(act|acting|topic|name)\}", lambda m: rng.choice(slots[m[1]]), text)
    return filled[:1].upper() + filled[1:] if text.startswith("{") else filled


def _mixed(text: str, passages: list[str], rng: random.Random) -> str:
    at = rng.choice((0, 0, 0, len(passages), len(passages), rng.randint(0, len(passages))))
    lines = "\n" in text
    return ("\n\n" if lines else " ").join([*passages[:at], text, *passages[at:]])
