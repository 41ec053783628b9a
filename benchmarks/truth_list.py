"""All cases of ``truth.py``: what is planted where and how strongly, and the natural differences.

Names that say the truth were fixed before any result. Not for: how a case is made (``truth_cases.py``).
"""

from __future__ import annotations

import re

from truth_cases import (
    Case,
    Item,
    apart,
    chosen,
    cut,
    joined,
    labelled,
    models,
    natural_pair,
    nothing,
    planted,
    together,
)
from truth_plants import MARKS, PLANTS

#: Plant, pool, points more on one side, per cent on the other, texts a side.
PLANTED: tuple[tuple[str, str, int, int, int], ...] = (
    ("unfortunately", "answers", 20, 0, 150),
    ("unfortunately", "emotions", 8, 1, 250),
    ("honestly", "reviews", 20, 5, 150),
    ("hope", "answers", 50, 0, 150),
    ("hope", "answers", 8, 0, 250),
    ("note", "answers", 20, 0, 150),
    ("note", "articles", 50, 0, 150),
    ("let me know", "instructions", 20, 5, 150),
    ("conclusion", "reviews", 20, 0, 150),
    ("thanks", "answers", 8, 1, 250),
    ("feel free", "answers", 20, 5, 150),
    ("bold", "reviews", 20, 0, 150),
    ("bold", "answers", 50, 10, 150),
    ("bullets", "articles", 20, 0, 150),
    ("bullets", "answers", 50, 0, 150),
    ("numbered", "reviews", 50, 0, 150),
    ("numbered", "prompts", 20, 0, 150),
    ("heading", "articles", 20, 0, 150),
    ("exclamation", "answers", 20, 0, 150),
    ("exclamation", "articles", 50, 10, 150),
    ("emoji", "emotions", 20, 0, 200),
    ("emoji", "reviews", 8, 0, 250),
    ("closing question", "answers", 20, 0, 150),
    ("closing question", "reviews", 50, 5, 150),
    ("code", "instructions", 20, 0, 150),
    ("capitals", "dialogues", 20, 0, 150),
    ("quotation", "traces", 50, 0, 150),
    ("hedging", "answers", 20, 0, 150),
    ("hedging", "articles", 50, 10, 150),
    ("refusal", "answers", 20, 0, 150),
    ("refusal", "instructions", 8, 1, 250),
    ("apology", "answers", 20, 0, 150),
    ("first person", "articles", 20, 0, 150),
    ("praise", "answers", 20, 5, 150),
    ("praise", "answers", 50, 0, 150),
    ("disclaimer", "answers", 20, 0, 150),
    ("disclaimer", "answers", 8, 0, 250),
    ("moralising", "reviews", 50, 0, 150),
    ("moralising", "answers", 20, 0, 150),
    ("medicine", "articles", 20, 0, 150),
    ("cooking", "reviews", 20, 0, 150),
    ("sport", "answers", 8, 1, 250),
    ("law", "dialogues", 50, 5, 150),
    ("law", "traces", 20, 0, 150),
    ("computing", "articles", 8, 0, 250),
)

#: Two plants, pool, texts that have both, others that have each alone; of 400.
TOGETHER: tuple[tuple[str, str, str, int, int], ...] = (
    ("hope", "unfortunately", "answers", 20, 20),
    ("hope", "feel free", "articles", 20, 20),
    ("apology", "thanks", "answers", 10, 10),
    ("apology", "note", "reviews", 30, 30),
    ("medicine", "law", "dialogues", 20, 20),
    ("medicine", "cooking", "articles", 40, 40),
    ("cooking", "computing", "reviews", 10, 10),
    ("sport", "law", "reviews", 40, 20),
    ("sport", "medicine", "answers", 10, 20),
    ("praise", "let me know", "answers", 30, 20),
    ("refusal", "moralising", "prompts", 20, 20),
    ("disclaimer", "hedging", "articles", 30, 30),
    ("disclaimer", "conclusion", "reviews", 20, 10),
    ("first person", "cooking", "articles", 20, 40),
    ("refusal", "closing question", "reviews", 40, 30),
    ("bullets", "thanks", "reviews", 20, 20),
    ("honestly", "law", "emotions", 20, 20),
    ("conclusion", "computing", "dialogues", 30, 40),
    ("closing question", "unfortunately", "articles", 10, 10),
)


def long_sentences(text: str) -> bool:
    """Whether a text's sentences have more than 22 words on average."""
    parts = [part for part in re.split(r"[.!?]+\s", text) if part.strip()]
    return sum(len(part.split()) for part in parts) > 22 * len(parts)


def _mark(name: str) -> Item:
    return Item.of(PLANTS[name])


FIRST_PERSON = Item.of(PLANTS["first person"])

NATURAL: tuple[Case, ...] = (
    models("exclamation", "llama-2-13b-chat-hf", "vicuna-7b", "!", _mark("exclamation")),
    models("hope", "llama-2-13b-chat-hf", "zephyr-7b-beta", r"\bhope\b", Item.of(PLANTS["hope"])),
    models("first-person", "llama-2-13b-chat-hf", "tulu-2-dpo-7b", r"\bI\b", FIRST_PERSON),
    models("bold", "gemma-7b-it", "openbuddy-llama2-13b-v11.1", MARKS["bold"][1], _mark("bold")),
    models("bold-less", "Qwen1.5-7B-Chat", "gemma-2-9b-it-DPO", MARKS["bold"][1], _mark("bold")),
    models("numbered", "claude-3-5-sonnet-20240620", "claude", MARKS["numbered"][1], _mark("numbered")),
    models("bullets", "zephyr-7b-alpha", "claude-instant-1.2", MARKS["bullets"][1], _mark("bullets")),
    models(
        "heading",
        "mistral-medium",
        "gpt-4o-mini-2024-07-18",
        MARKS["heading"][1],
        _mark("heading"),
        longest=600,
    ),
    models(
        "sure",
        "openbuddy-llama2-13b-v11.1",
        "gpt4_1106_preview_concise",
        r"^(certainly|sure|of course|absolutely)\b",
        Item(
            (r"\bsure", r"\bcertain", r"\bof course", r"\bagree", r"\baffirm", r"\bcompl(y|iance)"),
            (r"\bexclam",),
        ),
    ),
    models(
        "conclusion",
        "Qwen1.5-1.8B-Chat",
        "alpaca-farm-ppo-human",
        r"\b(in conclusion|in summary|overall)\b",
        Item.of(PLANTS["conclusion"]),
    ),
    models("let-me-know", "claude", "vicuna-7b", r"let me know", Item.of(PLANTS["let me know"])),
    labelled(
        "reasoning_sentences",
        "label",
        "backtracking",
        "deduction",
        r"\bwait\b",
        Item((r"\bwait", r"\bbacktrack", r"\breconsider", r"\bself.correct"), (r"\bhesita", r"\bmaybe")),
    ),
    labelled(
        "reasoning_sentences",
        "label",
        "uncertainty-estimation",
        "adding-knowledge",
        r"\b(maybe|perhaps|might|not sure|i think)\b",
        Item.of(PLANTS["hedging"]),
    ),
    labelled(
        "reasoning_sentences",
        "label",
        "initializing",
        "deduction",
        r"\b(okay|alright|need to|figure out)\b",
        Item(
            (
                r"\bokay",
                r"\balright",
                r"need to",
                r"figure out",
                r"\bneed",
                r"\bobligation",
                r"posing the task",
            ),
        ),
    ),
    labelled("goemotions", "primary", "gratitude", "admiration", r"\bthank", Item.of(PLANTS["thanks"])),
    labelled("goemotions", "primary", "curiosity", "approval", r"\?", _mark("closing question")),
    labelled("goemotions", "primary", "remorse", "sadness", r"\b(sorry|apolog)", Item.of(PLANTS["apology"])),
    labelled(
        "goemotions",
        "primary",
        "amusement",
        "annoyance",
        r"\b(lol|lmao|haha)",
        Item(
            (r"\blol", r"\blaugh", r"\bhaha", r"\bfun"),
        ),
    ),
    labelled(
        "imdb_counterfactual",
        "label",
        "positive",
        "negative",
        r"\b(bad|worst|awful|terrible|waste|boring)\b",
        Item(
            (
                r"\bbad\b",
                r"\bworst?\b",
                r"\bnegativ",
                r"\bterribl",
                r"\bawful",
                r"\bcritici",
                r"\bboring",
                r"\bwaste",
                r"\bdislik",
                r"\bdull",
            ),
        ),
        most=120,
    ),
    labelled(
        "onestop_levels",
        "label",
        "advanced",
        "elementary",
        long_sentences,
        Item(
            (
                r"\bsentence length",
                r"\blong\w* sentences?",
                r"\bwords (in|per|a) (a )?sentence",
                r"\bformal",
                r"\bcomplex",
                r"\bsubordinat",
                r"\brelative clause",
                r"\bparticiple",
            ),
            (r"\bcomma", r"\bdash"),
        ),
        n=180,
        most=110,
    ),
)


# ---- all of them ----

DIFFERENCES: tuple[Case, ...] = (
    *(planted(plant, pool, points, base=base, n=n) for plant, pool, points, base, n in PLANTED),
    joined("emotions", 3),
    joined("news", 2),
    cut("whole reviews", (70, 170), (30, 110)),
    cut("whole dialogues", (70, 150), (40, 110)),
    chosen("whole answers", 150),
    chosen("prompts"),
    nothing("answers"),
    nothing("prompts"),
    nothing("reviews"),
    nothing("emotions", 250),
    nothing("banking", 250),
    *NATURAL,
)

PAIRS: tuple[Case, ...] = (
    *(together(*row) for row in TOGETHER),
    apart("medicine", "hope", "answers", 40),
    apart("apology", "cooking", "reviews", 40),
    natural_pair("problems", (r"\bmiles?\b", r"\bdistance", r"\btravel"), (r"\bhours?\b", r"\bspeed")),
    natural_pair(
        "problems", (r"%", r"\bpercent", r"\bdiscount"), (r"\bprice", r"\bsale\b", r"\bsold", r"\bcost")
    ),
    natural_pair("news", (r"\boil\b", r"\bcrude"), (r"\bprices?\b",)),
    natural_pair("news", (r"\bquarter", r"third-quarter"), (r"\bprofit", r"\bearnings")),
    natural_pair("news", (r"\bisrael", r"\bgaza"), (r"\bpalestin", r"\barafat")),
    natural_pair("banking", (r"\bpin\b", r"\bpasscode"), (r"\bchange", r"\bforg[eo]t", r"\breset")),
)

CASES = (*DIFFERENCES, *PAIRS)
