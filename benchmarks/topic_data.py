# ruff: noqa: E501  # patterns are read better unbroken
"""Texts and truths for ``train_topics.py``: our own sentences composed to texts, and rules for public sets.

Not for: learning or measuring (``train_topics.py``), or the sentences (``detector_texts/topics.jsonl``).
"""

from __future__ import annotations

import json
import random
import re
from pathlib import Path
from typing import Any

from detector_data import TEXTS, is_held

NONE = "none"  # sentences that are about nothing in particular
#: Topic: title, description, and words of which two different ones make a public text one about it.
TOPICS: dict[str, tuple[str, str, str]] = {
    "animals": ("animals", "Pets, farm animals and wild animals.",
        "animals?|dogs?|cats?|pupp(?:y|ies)|birds?|horses?|species|wildlife|zoo|lions?|elephants?|sharks?|whales?|wolves|fish|pets?|monkeys?|bears?|breeds?"),
    "cars": ("cars and traffic", "Driving, vehicles, roads and traffic.",
        "cars?|driv(?:e|er|ers|ing)|vehicles?|engines?|traffic|roads?|highways?|trucks?|motor|parking|brakes?|tires?|tyres?|Toyota|Ford"),
    "clothes": ("clothes and fashion", "What people wear, fabrics and fashion.",
        "clothes|clothing|fashions?|dress(?:es)?|shirts?|shoes?|jackets?|wear(?:s|ing)?|jeans|designers?|skirts?|hats?|coats?|outfits?|style"),
    "computing": ("computers and software", "Computers, programs, data and the internet.",
        "computers?|software|internet|online|websites?|servers?|Microsoft|Windows|Linux|users?|browsers?|data|programs?|code|Google|hackers?|python|app"),
    "cooking": ("food and cooking", "Recipes, ingredients, meals and eating.",
        "cook(?:ed|ing)?|recipes?|bak(?:e|ed|ing)|oven|pan|sauce|butter|sugar|salt|pepper|garlic|onions?|eggs?|flour|cheese|ingredients|chicken|boil|stir|meals?|restaurants?"),
    "education": ("school and education", "Schools, universities, teaching and learning.",
        "schools?|students?|teachers?|universit(?:y|ies)|education|classes|classroom|college|exams?|pupils?|courses?|degrees?|curriculum|teaching"),
    "film": ("films and television", "Films, series, actors and directors.",
        "films?|movies?|actors?|actress|director|scenes?|plot|Hollywood|television|episodes?|characters?|cinema|TV|Oscars?"),
    "finance": ("money and banking", "Banks, markets, prices, taxes and companies' figures.",
        "banks?|stocks?|shares|profits?|earnings|investors?|markets?|prices|dollars?|taxe?s?|interest rates?|quarter|sales|billion|Wall Street|economy"),
    "gardening": ("plants and gardens", "Plants, gardens and growing things.",
        "plants?|gardens?|gardening|flowers?|soil|seeds?|trees?|leaves|roots?|crops?|grow(?:s|ing)?|vegetables?|roses?|watering"),
    "law": ("law and courts", "Courts, judges, crimes, contracts and legislation.",
        "courts?|judges?|lawyers?|legal|lawsuits?|laws?|attorneys?|trial|prosecutors?|jury|convicted|sentenced|sued|guilty|ruling|charges"),
    "medicine": ("medicine and health", "Illness, doctors, treatment and drugs.",
        "doctors?|hospitals?|patients?|medical|medicines?|diseases?|health|symptoms?|drugs?|treatments?|cancer|blood|infections?|surgery|clinical|vaccines?"),
    "music": ("music", "Songs, bands, instruments and concerts.",
        "music|songs?|bands?|albums?|singers?|guitar|concerts?|lyrics|piano|rock|rap|pop|jazz|melody|sing(?:s|ing)?"),
    "politics": ("politics and elections", "Governments, parties, elections and their campaigns.",
        "president|elections?|government|minister|voters?|parliament|senate|candidates?|party|Republicans?|Democrats?|campaign|prime|political|congress"),
    "religion": ("religion", "Faith, worship, churches and gods.",
        "god|church|religio(?:n|us)|pray(?:er|ers|s|ed)?|bible|christians?|muslims?|islam(?:ic)?|jesus|priests?|faith|temple|pope|holy|buddhis[tm]|jewish|spiritual"),
    "science": ("science", "Research, experiments, nature's laws and space.",
        "scientists?|research(?:ers)?|experiments?|physics|chemistry|planets?|space|NASA|atoms?|molecules?|energy|cells?|theory|universe|orbit|DNA|gravity|biology"),
    "sport": ("sport and games", "Matches, teams, athletes and competitions.",
        "game|games|team|teams|season|players?|coach|football|baseball|basketball|league|match|championship|Olympics?|win|goals?|cup|scored|tournament"),
    "travel": ("travel", "Journeys, holidays, hotels and sights.",
        "travel(?:s|ing|lers?|ers?)?|trips?|hotels?|flights?|airports?|tourists?|tourism|vacation|holidays?|visit|visitors|beach(?:es)?|passport|museums?|destination"),
    "war": ("war and weapons", "Armies, battles, weapons and those who fight.",
        "war|soldiers?|troops|military|army|bombs?|bombing|killed|fighting|weapons?|rebels?|attacks?|missiles?|forces|insurgents?|battle"),
    "weather": ("weather", "Rain, sun, storms and temperatures.",
        "weather|rain(?:s|ed|y|ing)?|storms?|hurricanes?|snow|winds?|temperatures?|sunny|climate|floods?|heat|cold|cloud(?:s|y)?|winter|mph"),
}  # fmt: skip
Text = dict[str, Any]


def sentences() -> list[dict[str, str]]:
    """Return our sentences, each with its topic."""
    lines = (TEXTS / "topics.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines]


def own(seed: int = 0) -> list[Text]:
    """Return each sentence alone, and twice among one to five others: ``text``, ``topics`` and ``held``."""
    rng = random.Random(seed)
    found: list[Text] = []
    for held in (False, True):
        mine = [row for row in sentences() if is_held(row["text"]) == held]
        for row in mine:
            found.append({"text": row["text"], "topics": [row["topic"]], "held": held})
            for n in (rng.choice((1, 2)), rng.choice((3, 5))):
                none = [other for other in mine if other["topic"] == NONE]
                others = [other for other in mine if other["topic"] != row["topic"]]
                beside = rng.sample(none if rng.random() < 0.4 else others, n)
                at = rng.randint(0, n)
                parts = [*beside[:at], row, *beside[at:]]
                topics = sorted({part["topic"] for part in parts})
                text = " ".join(part["text"] for part in parts)
                found.append({"text": text, "topics": topics, "held": held})
    return found


def words(text: str) -> set[str]:
    """Return the longer words of a text, in lower case."""
    return set(re.findall(r"[a-z]{4,}", text.lower()))


def own_words() -> dict[str, set[str]]:
    """Return the words that the sentences of one topic alone have."""
    of: dict[str, set[str]] = {}
    for row in sentences():
        of.setdefault(row["topic"], set()).update(words(row["text"]))
    return {
        topic: mine - set().union(*(theirs for other, theirs in of.items() if other != topic))
        for topic, mine in of.items()
    }


_POOL = {
    "arena_hard_outputs": 200, "novels": 120, "python_peps": 40, "rust_rfcs": 30, "movie_reviews": 60, "masc": 100,
    "gsm8k_train": 60, "user_prompts": 80, "state_union": 30,
}  # fmt: skip


def pool(data: Path) -> list[Text]:
    """Return beginnings of permissive public texts: those without a topic's own words are not about it."""
    import polars as pl

    whole, found = pl.read_parquet(data / "sae_corpus.parquet"), []
    for source, n in _POOL.items():
        mine = whole.filter(pl.col("source") == source)
        texts = mine.sample(min(n, mine.height), seed=3)["text"].to_list()
        kept = [(at, " ".join(text.split(" ")[:70])) for at, text in enumerate(texts) if text.strip()]
        found += [{"id": f"{source}:{at}", "text": text} for at, text in kept]
    return found


def about(topic: str, text: str) -> bool | None:
    """Whether a rule says that a text is about a topic: two different words of it; None with one."""
    found = {hit.lower() for hit in re.findall(rf"\b(?:{TOPICS[topic][2]})\b", text, re.I)}
    return len(found) > 1 or (None if found else False)


def unseen(data: Path, each: int = 20, others: int = 200) -> list[Text]:
    """Return beginnings of public texts that are not learned from: some about each topic, and any."""
    import polars as pl

    texts: list[Text] = []
    for name in (
        "ag_news_test",
        "alpaca_eval_outputs",
        "onestop_levels",
        "self_dialogue",
        "imdb_counterfactual",
    ):
        whole = pl.read_parquet(data / f"{name}.parquet")
        some = whole.sample(min(2500, whole.height), seed=11)
        label = some["label"].to_list() if name == "ag_news_test" else [None] * some.height
        texts += [
            {"text": " ".join(text.split()[:45]), "source": name, "label": mine}
            for text, mine in zip(some["text"].to_list(), label, strict=True)
            if len(text.split()) >= 8
        ]
    random.Random(7).shuffle(texts)
    chosen = dict.fromkeys(range(others))
    for topic in TOPICS:
        chosen |= dict.fromkeys([at for at, row in enumerate(texts) if about(topic, row["text"])][:each])
    return [texts[at] for at in chosen]
