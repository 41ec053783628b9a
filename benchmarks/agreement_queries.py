"""What benchmarks/agreement.py asks: concepts in three wordings each, and questions that no feature answers.

Written before any of it was searched. Half of each list, every second line, is for development. Not for: the
texts, which lie outside the repository.
"""

from __future__ import annotations

#: concept -> where its truth comes from ("rule" of detector_data.py or a labelled public set), 3 wordings
CONCEPTS: dict[str, tuple[str, tuple[str, str, str]]] = {
    "refusal": (
        "rule",
        (
            "the assistant refuses to help",
            "refusing a request and apologising",
            "the writer declines to answer",
        ),
    ),
    "apology": (
        "rule",
        ("an apology", "the writer says sorry", "expressing regret and asking for forgiveness"),
    ),
    "as_an_ai": (
        "rule",
        (
            "a disclaimer of being an AI",
            "says that it is a language model",
            "the assistant mentions that it is a machine",
        ),
    ),
    "praise": (
        "rule",
        ("complimenting the reader", "the user is praised", "telling someone that they did well"),
    ),
    "uncertainty": ("rule", ("expressing doubt", "the writer is not sure", "admitting not to know")),
    "hedging": (
        "rule",
        ("cautious claims", "the writer hedges", "softened statements with may and perhaps"),
    ),
    "backtracking": (
        "rule",
        (
            "a change of mind",
            "the writer corrects an earlier step",
            "noticing a mistake and starting again",
        ),
    ),
    "thanks": ("rule", ("gratitude", "the writer thanks someone", "appreciation for help received")),
    "code": (
        "rule",
        ("source code", "a program in a programming language", "computer commands and functions"),
    ),
    "mathematics": (
        "rule",
        ("calculations with numbers", "the writer solves an equation", "arithmetic worked out"),
    ),
    "list": (
        "rule",
        ("bulleted list", "items are listed one by one", "an enumeration with numbers or bullets"),
    ),
    "instructions": (
        "rule",
        (
            "step-by-step instructions",
            "the text says how to do something in steps",
            "a guide or recipe to follow",
        ),
    ),
    "call_to_action": (
        "rule",
        (
            "a promotional appeal",
            "the reader is urged to buy or sign up",
            "advertising that asks people to act now",
        ),
    ),
    "enthusiasm": (
        "rule",
        ("an excited tone", "the writer is thrilled", "very enthusiastic writing with exclamation marks"),
    ),
    "moralising": (
        "rule",
        ("moral advice", "the text lectures on what is right", "says what one ought to do ethically"),
    ),
    "question_back": (
        "rule",
        ("a question at the end", "the text asks the reader something", "ending by asking for a reply"),
    ),
    "polite": ("politeness", ("polite wording", "the writer asks nicely", "a courteous request")),
    "anger": ("goemotions", ("anger", "the writer is furious", "an outburst of rage")),
    "sadness": ("goemotions", ("sadness", "the writer feels down", "sorrowful and lonely")),
    "love": ("goemotions", ("affection", "the writer adores someone", "being fond of somebody")),
}

#: what no feature of a reader of general text says: nonsense, names that nobody knows, facts about the
#: text or its origin that are not in its words
UNANSWERED: tuple[str, ...] = (
    "zorbleflax quintupling",
    "asdf qwer zxcv",
    "wugs that glorp",
    "frobnicated snarks",
    "blicket dax toma",
    "xkqj vvtr",
    "brillig and the slithy toves",
    "plumbus maintenance",
    "Ermintrude Plackett",
    "Jürgen Wibbelmann",
    "Osgood-on-Tweed",
    "the village of Kirkholme",
    "Ndabaningi Kwerekwe",
    "Tarquin Oldroyd-Hume",
    "the Battle of Whitford Mere",
    "Lake Oskelunga",
    "an odd number of words",
    "written on a Tuesday",
    "an acrostic of the author's name",
    "no letter e in it",
    "typed with the left hand",
    "copied from an older document",
    "every sentence has seven words",
    "the second paragraph is longer than the first",
    "words in alphabetical order",
    "written by somebody over fifty",
    "the original was in Hungarian",
    "a palindrome",
    "read aloud by a baritone",
    "stored in the wrong folder",
    "seen by more than a hundred people",
    "nothing rhymes with the last word",
)
