"""Forms of English words: -ing, past, third person, plural, article. For chat_texts.py; rules and a table.

The first word of a phrase is inflected: "look up a word" -> "looking up a word".
"""

from __future__ import annotations

import re

_IRREGULAR = """
be being was been is|become becoming became become becomes|begin beginning began begun begins
bend bending bent bent bends|beat beating beat beaten beats|bleed bleeding bled bled bleeds
break breaking broke broken breaks|bring bringing brought brought brings|build building built built builds
buy buying bought bought buys|choose choosing chose chosen chooses|cut cutting cut cut cuts
deal dealing dealt dealt deals|do doing did done does|draw drawing drew drawn draws
drink drinking drank drunk drinks|drive driving drove driven drives|eat eating ate eaten eats
fall falling fell fallen falls|feed feeding fed fed feeds|feel feeling felt felt feels
find finding found found finds|fit fitting fitted fitted fits|forget forgetting forgot forgotten forgets
forgive forgiving forgave forgiven forgives|freeze freezing froze frozen freezes|get getting got got gets
give giving gave given gives|go going went gone goes|grow growing grew grown grows
hang hanging hung hung hangs|have having had had has|hide hiding hid hidden hides
hold holding held held holds|hurt hurting hurt hurt hurts|keep keeping kept kept keeps
know knowing knew known knows|lead leading led led leads|leave leaving left left leaves
lend lending lent lent lends|let letting let let lets|lie lying lied lied lies|lose losing lost lost loses
make making made made makes|mean meaning meant meant means|meet meeting met met meets
pay paying paid paid pays|pick picking picked picked picks|put putting put put puts
quit quitting quit quit quits|read reading read read reads|ride riding rode ridden rides
rise rising rose risen rises|run running ran run runs|say saying said said says|see seeing saw seen sees
sell selling sold sold sells|send sending sent sent sends|set setting set set sets
sew sewing sewed sewn sews|sing singing sang sung sings|sit sitting sat sat sits
sleep sleeping slept slept sleeps|sow sowing sowed sown sows|speak speaking spoke spoken speaks
spend spending spent spent spends|split splitting split split splits|stand standing stood stood stands
steal stealing stole stolen steals|take taking took taken takes|teach teaching taught taught teaches
tell telling told told tells|think thinking thought thought thinks|throw throwing threw thrown throws
tie tying tied tied ties|understand understanding understood understood understands
undo undoing undid undone undoes|wake waking woke woken wakes|wear wearing wore worn wears
win winning won won wins|write writing wrote written writes|overcome overcoming overcame overcome overcomes
withdraw withdrawing withdrew withdrawn withdraws|travel travelling travelled travelled travels
cancel cancelling cancelled cancelled cancels|bake baking baked baked bakes
"""
_VERBS = {row.split()[0]: row.split()[1:] for row in _IRREGULAR.replace("\n", "|").split("|") if row.strip()}
_FORMS = {"ing": 0, "ed": 1, "pp": 2, "s": 3}
_DOUBLED = re.compile(r"^[^aeiou]*[aeiou][bdgklmnprt]$")
_PLURALS = {
    "mouse": "mice",
    "child": "children",
    "man": "men",
    "woman": "women",
    "fish": "fish",
    "goldfish": "goldfish",
    "salmon": "salmon",
    "sheep": "sheep",
    "foot": "feet",
    "tooth": "teeth",
    "series": "series",
    "dice": "dice",
    "wolf": "wolves",
    "leaf": "leaves",
    "loaf": "loaves",
    "shelf": "shelves",
    "hero": "heroes",
    "tomato": "tomatoes",
    "scarf": "scarves",
    "bad": "bad",
    "chef": "chefs",
    "postman": "postmen",
    "handyman": "handymen",
    "stuntman": "stuntmen",
    "proof": "proofs",
    "sister": "sisters",
    "wife": "wives",
    "knife": "knives",
    "personnel": "personnel",
    "compass": "compasses",
    "mother-in-law": "mothers-in-law",
}


def inflect(phrase: str, form: str) -> str:
    """Return a verb phrase in base form as ``ing``, ``ed`` (past), ``pp`` (participle) or ``s``."""
    verb, space, rest = phrase.partition(" ")
    if verb in _VERBS:
        return _VERBS[verb][_FORMS[form]] + space + rest
    return _regular(verb, form) + space + rest


def _regular(verb: str, form: str) -> str:
    if form == "s":
        if re.search(r"(s|x|z|ch|sh|o)$", verb):
            return verb + "es"
        return verb[:-1] + "ies" if re.search(r"[^aeiou]y$", verb) else verb + "s"
    if form == "ing":
        if verb.endswith("e") and not verb.endswith(("ee", "ye", "oe")):
            return verb[:-1] + "ing"
        return (verb + verb[-1] if _DOUBLED.match(verb) else verb) + "ing"
    if verb.endswith("e"):
        return verb + "d"
    if re.search(r"[^aeiou]y$", verb):
        return verb[:-1] + "ied"
    return (verb + verb[-1] if _DOUBLED.match(verb) else verb) + "ed"


def plural(noun: str) -> str:
    """Return the plural of a noun phrase: its head is what stands before "of" or "with"."""
    head = re.match(r"^(.*?)( (?:of|with|in|upstairs|at)\b.*)?$", noun)
    assert head is not None
    before, after = head[1], head[2] or ""
    start, _, word = before.rpartition(" ")
    start = f"{start} " if start else ""
    if word in _PLURALS:
        return start + _PLURALS[word] + after
    if re.search(r"(s|x|z|ch|sh)$", word):
        return start + word + "es" + after
    if re.search(r"[^aeiou]y$", word):
        return start + word[:-1] + "ies" + after
    return start + word + "s" + after


def with_article(noun: str) -> str:
    return ("an " if _takes_an(noun) else "a ") + noun


def _takes_an(word: str) -> bool:
    first = re.split(r"[\s-]", word)[0]
    if re.match(r"^(?:uni|use|usu|eu|one|ukulele|u-)", first, re.I):
        return False
    if re.match(r"^(?:honest|hour|heir|MP|SSD|HR|LED|X-|F\b|8|11\b|18\b)", first):
        return True
    return bool(re.match(r"^[aeiou]", first, re.I))


def repair(text: str) -> str:
    """Make articles agree with the next word, and take out doubled spaces and stops that expansion leaves."""
    text = re.sub(
        r"\b([Aa])n? (?=[A-Za-z0-9])([\w'-]+)",
        lambda m: m[1] + ("n " if _takes_an(m[2]) else " ") + m[2],
        text,
    )
    text = re.sub(r"(?<=\S) {2,}", " ", text)
    text = re.sub(r" +([,.;!?](?:\s|$))", r"\1", text)
    text = re.sub(r"([!?:…])\.(?=\s|$)|(?<=\.)\.(?=\s|$)(?<!\.\.\.)", lambda m: m[1] or "", text)
    text = re.sub(r"([.!?]),", r"\1", text)
    return re.sub(r"\b(?:[Aa]lways|[Tt]ry to|[Mm]ake sure to|[Yy]ou can) never\b", "Never", text)
