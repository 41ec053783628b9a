"""The forms of documents of chat_texts.py: each draws a prompt, or none, and a text."""

from __future__ import annotations

from collections.abc import Callable

import chat_code
import chat_markdown as md
from chat_grammar import Writer
from chat_sums import word_problem

Document = tuple[str | None, str]
# What a sentence of an answer is, besides a plain one.
_ASIDES = (
    *(
        "hedge",
        "hedge",
        "praise",
        "empathy",
        "moral",
        "reason",
        "reason",
        "confide",
        "confide",
        "disclaimer",
        "disclaimer",
    ),
    *("warn", "apology", "polite", "define", "sum", "compare", "compare"),
)


def _prompt(w: Writer) -> str:
    return w.rule("prompt")


def sentences(w: Writer, low: int, high: int, asides: float = 0.25) -> list[str]:
    return [
        w.rule(w.pick(_ASIDES)) if w.chance(asides) else w.rule("say") for _ in range(w.between(low, high))
    ]


def paragraphs(w: Writer, said: list[str]) -> str:
    """Join sentences by spaces, now and then by one line break or two."""
    style = w.pick(("one", "one", "one", "breaks", "paragraphs"))
    joined = said[0] if said else ""
    for sentence in said[1:]:
        gap = " "
        if style != "one" and w.chance(0.4):
            gap = "\n" if style == "breaks" else "\n\n"
        joined += gap + sentence
    return joined


def echo(w: Writer) -> list[str]:
    """Return, mostly, a sentence or two that take up what the prompt asks."""
    asked = [f"echo_{part}" for part in ("goal", "case", "claim") if part in w.kept]
    return [w.rule(w.pick(asked)) for _ in range(w.between(0, 2))] if asked else []


def answer(w: Writer) -> Document:
    prompt = _prompt(w)
    said = echo(w) + sentences(w, 1, 10)
    if w.chance(0.6):
        said.insert(0, w.rule("open_yes"))
    if w.chance(0.5):
        said.append(w.rule("close"))
    return prompt, paragraphs(w, said)


def essay(w: Writer) -> Document:
    """Return a long answer of several paragraphs."""
    prompt = w.rule("prompt")
    said = [*echo(w), *sentences(w, 8, 17, 0.3)]
    breaks = {w.between(2, 4), w.between(5, 7), w.between(8, 12)}
    text = "".join(sentence + ("\n\n" if i in breaks else " ") for i, sentence in enumerate(said, 1))
    return (prompt if w.chance(0.7) else None), text + w.rule("sum")


def lists(w: Writer) -> Document:
    prompt = _prompt(w) if w.chance(0.7) else None
    form = w.pick(
        (
            md.bullets,
            md.bullets,
            md.bullets,
            md.numbered,
            md.numbered,
            md.nested,
            md.tasks,
            md.tasks,
            md.nested,
        )
    )
    return prompt, form(w)


def headed(w: Writer) -> Document:
    return (_prompt(w) if w.chance(0.5) else None), md.headed(w)


def table(w: Writer) -> Document:
    return (
        w.write("{Compare <pair_a> and <pair_b>|Make a table of <things/pl>|<prompt>}{.|}")
        if w.chance(0.6)
        else None
    ), md.table(w)


def code(w: Writer) -> Document:
    language = w.pick(chat_code.LANGUAGES)
    ask = w.write(
        "{How do I|Can you|Write code to|Please|I need to} {sort|load|count|store|print|show|filter} "
        "{my <things/pl>|a list of <things/pl>|the <stuff>}"
        " {in|with|using} <lang>{?|, please|, it has to be <good>|. <^troubles>.|}".replace(
            "<lang>", chat_code.TITLES[language]
        )
    )
    if w.chance(0.25):
        return (ask if w.chance(0.6) else None), " ".join(md.inline_code(w) for _ in range(w.between(1, 3)))
    return (ask if w.chance(0.7) else None), md.coded(w, language)


def quoted(w: Writer) -> Document:
    return None, md.quoted(w)


def linked(w: Writer) -> Document:
    return (_prompt(w) if w.chance(0.4) else None), md.linked(w)


def refusal(w: Writer) -> Document:
    ask = w.rule("ask_bad")
    ask = ask[0].upper() + ask[1:] if w.chance(0.6) else ask
    ask += w.write("{?|.||. It's for a <things>.|, please|, {nobody will know|it's urgent|just this once}}")
    order = [w.rule("refuse")]
    if w.chance(0.65):
        order.append(w.rule("refuse_why"))
    if w.chance(0.5):
        order.append(w.rule("refuse_instead"))
    if w.chance(0.2):
        order.insert(0, w.rule(w.pick(("empathy", "polite", "reason"))))
    if w.chance(0.2):
        order.append(w.rule(w.pick(("moral", "say", "close", "hedge", "disclaimer"))))
    if w.chance(0.1):
        w.random.shuffle(order)
    return (ask if w.chance(0.85) else None), paragraphs(w, order)


def speech_act(w: Writer) -> Document:
    """Return one act drawn twice or so, in company: praise, apology, moral, empathy, rudeness, ..."""
    act = w.pick(
        (
            "hedge",
            "praise",
            "praise",
            "empathy",
            "empathy",
            "moral",
            "moral",
            "disclaimer",
            "disclaimer",
            "apology",
            "apology",
            "warn",
            "warn",
            "polite",
            "polite",
            "rude",
            "rude",
        )
    )
    said = [w.rule(act) for _ in range(w.between(1, 2))]
    said += sentences(w, 0, 3, 0.35)
    w.random.shuffle(said)
    prompt = w.write("{<prompt>|<confide>|<polite>|<greet>}") if act != "rude" and w.chance(0.5) else None
    return prompt, paragraphs(w, said)


def reasoning(w: Writer) -> Document:
    said = [
        w.rule(w.pick(("reason", "reason", "reason", "compare", "hedge", "say")))
        for _ in range(w.between(2, 6))
    ]
    return (_prompt(w) if w.chance(0.6) else None), paragraphs(
        w, [*said, w.rule("sum")] if w.chance(0.4) else said
    )


def sums(w: Writer) -> Document:
    ask, worked = word_problem(w)
    return (ask, worked) if w.chance(0.8) else (None, f"{ask}\n{worked}")


def explained(w: Writer) -> Document:
    rule = w.pick(("define", "compare", "sum", "compare", "define"))
    said = [w.rule(rule), *sentences(w, 1, 4, 0.15), w.rule(rule)]
    ask = w.write(
        {
            "define": "{What is|Define|What's the meaning of} {a <things>|<stuff>}?",
            "sum": "{Summarise|Sum up|TL;DR of} {this|the text about <stuff>}: <say> <say>",
            "compare": "<^pair_a> {or|vs} <pair_b>{?| for a <who>?}",
        }[rule]
    )
    return ask, paragraphs(w, said)


def mail(w: Writer) -> Document:
    subject = (
        w.write(
            "{Subject|Re|RE}: {<bad> <things>|<acts/ing> on <day>|order <code>|<things> <where>|"
            "{invitation|reminder|complaint}: <stuff>}\n\n"
        )
        if w.chance(0.35)
        else ""
    )
    body = [
        w.rule(w.pick(("letter", "letter", "letter", "confide", "polite", "apology", "say")))
        for _ in range(w.between(2, 6))
    ]
    end = w.write("<signoff>\n<name>{|, <city>|\n<phone>|\n<email>|\n<^who>, <brand>}")
    text = f"{subject}{w.rule('salute')}\n\n{paragraphs(w, body)}\n\n{end}"
    ask = w.write(
        "{Write|Draft|Can you write} {an e-mail|a letter|a formal letter|a short message} to {my "
        "<person>|the <who>|<brand>|my <relative>} about {the <things>|<stuff>|<acts/ing>}{.|, please.|"
        ", it should be <good>}"
    )
    return (ask if w.chance(0.5) else None), text


def tweet(w: Writer) -> Document:
    parts = [w.rule("tweet")]
    if w.chance(0.6):
        parts += [w.rule("hashtag") for _ in range(w.between(1, 3))]
    if w.chance(0.4):
        parts.insert(w.between(0, 1), w.rule("handle"))
    if w.chance(0.15):
        parts.append(w.rule("url"))
    return None, " ".join(parts)


def chat(w: Writer) -> Document:
    lines = [w.rule("chatty") for _ in range(w.between(1, 5))]
    if w.chance(0.35):
        lines[-1] += f" {w.rule('smiley')}"
    if w.chance(0.25):
        first, second = w.rule("name").lower(), w.rule("animal") + w.rule("digit")
        lines = [f"{(first, second)[i % 2]}: {line}" for i, line in enumerate(lines)]
    prompt = w.rule("chatty") if w.chance(0.25) else None
    return prompt, w.pick(("\n", "\n", " ")).join(lines)


def review(w: Writer) -> Document:
    kind = w.pick(("review_good", "review_bad", "review_mixed"))
    said = [w.rule(kind) for _ in range(w.between(2, 4))]
    if w.chance(0.4):
        said.insert(
            w.between(0, len(said)), w.rule(w.pick(("confide", "say", "facts")).replace("facts", "say"))
        )
    stars = {
        "review_good": ("★★★★★", "5/5", "9/10", "A+"),
        "review_bad": ("★", "1/5", "2/10", "★☆☆☆☆"),
        "review_mixed": ("★★★☆☆", "3/5", "6/10"),
    }[kind]
    head = w.write(
        f"{{{w.pick(stars)} –_|<brand> <things>:_|<^good>? <^bad>!\n|{w.pick(stars)}_|Review of the "
        "<brand> <things> (<price>)\n||||}"
    ).replace("_", " ")
    return None, head + paragraphs(w, said)


def forum(w: Writer) -> Document:
    said = [w.rule(w.pick(("forum", "forum", "confide", "say", "hedge"))) for _ in range(w.between(2, 5))]
    return None, paragraphs(w, said)


def service(w: Writer) -> Document:
    said = [w.rule("service") for _ in range(w.between(2, 5))]
    ask = w.write(
        "{My <things> arrived <bad>!|Where is my order <code>?|I want to return the <things> I bought "
        "on <date>. <^troubles>.|<review_bad>}"
    )
    return (ask if w.chance(0.6) else None), paragraphs(w, said)


def machine(w: Writer) -> Document:
    """Return what programs print: logs, errors, tables, JSON; asked about or bare."""
    shown = w.pick(
        (
            chat_code.log,
            chat_code.log,
            chat_code.traceback,
            chat_code.traceback,
            chat_code.table_fragment,
            chat_code.table_fragment,
            chat_code.as_json,
        )
    )(w)
    if w.chance(0.35):
        return w.write(
            "{What does this mean?|I get this error when I <acts>:|Why?|Help, <troubles>:|<chatty>}"
        ) + f"\n{shown}", paragraphs(w, sentences(w, 1, 3, 0.2))
    return None, shown if w.chance(0.6) else f"{shown}\n\n{w.rule('say')}"


def tale(w: Writer) -> Document:
    w.kept["name"], w.kept["person"] = w.rule("name"), w.rule("person")
    said = [w.rule("tale") for _ in range(w.between(3, 8))]
    ask = w.write(
        "{Tell me|Write|I'd like} a {short |bedtime |<adjective> |}story about {a <animal>|a <person> "
        "and a <object>|the <place>}{.|, please!|}"
    )
    return (ask if w.chance(0.5) else None), paragraphs(w, said)


def dialogue(w: Writer) -> Document:
    first, second = w.random.sample(
        (
            "Anna",
            "Tom",
            w.rule("name"),
            "The " + w.rule("person"),
            w.rule("who").title(),
            "A",
            "B",
            "Customer",
            "Clerk",
        ),
        2,
    )
    lines = [
        f"{(first, second)[i % 2]}: "
        f"{w.write('{<say>|<confide>|<polite>|<hedge>|<prompt>|<rude>|<greet>|<reason>|<apology>}')}"
        for i in range(w.between(2, 6))
    ]
    return None, "\n".join(lines)


def poem(w: Writer) -> Document:
    lines = [
        w.rule("poem").rstrip(",. ") + w.pick((",", ",", ".", "", ";", " –")) for _ in range(w.between(3, 10))
    ]
    if len(lines) > 5:
        lines.insert(4, "")
    title = w.write("{|<^object> <where>\n\n|**The <adjective> <object>**\n\n|<month>\n\n}")
    ask = w.write(
        "{Write|Compose} a {poem|haiku|few lines|rhyme} about {a <animal>|<stuff>|the <place> in <month>}{.|}"
    )
    return (ask if w.chance(0.5) else None), title + "\n".join(lines)


def recipe(w: Writer) -> Document:
    amount = (
        "{<fraction> cup|<fraction> tsp|{100|150|200|250|300|500} {g|ml}|<digit>|a {pinch|handful} of|{2|3} "
        "{tbsp|cups|cans of}}"
    )
    things = (
        "{flour|butter|<food>|sugar|onions|lentils|milk|cream|<colour> peppers|eggs|rice|chopped walnuts|"
        "lemon juice|olive oil|cinnamon|stock|spinach|potatoes|mushrooms|salt|yoghurt|honey|beans}"
    )
    steps = (
        (
            "{Chop|Peel|Grate|Wash|Fry|Roast|Simmer} the <x> {finely|gently|in butter|for <digit> "
            "minutes|until <good_food>}.|"
            "{Stir|Mix|Fold|Whisk} {in |}the <x> {and|with} the <x>{, <adverb>|}.|"
            "Bake at {160|180|190|200|220} °C for {10|15|20|25|35|45} minutes{, until <good_food>|}.|"
            "{Season|Serve|Top} with <x>{ and <food>|}{, hot or cold|}."
        )
        .replace("<x>", things)
        .replace("<good_food>", "{golden|soft|crisp|fragrant|tender}")
    )
    mark = w.pick(("- ", "* ", "", "• "))
    listed = "\n".join(mark + w.write(f"{amount} {things}") for _ in range(w.between(3, 6)))
    done = "\n".join(f"{i}. {w.write('{' + steps + '}')}" for i in range(1, w.between(3, 6)))
    title = w.write(
        "{<^adjective> <food>|<food> with <food>|<relative>'s <food>|<city> <food>|<food> for {two|four|six}}"
    )
    title = title[0].upper() + title[1:]
    head = w.pick((f"**{title}**", f"# {title}", title))
    return (
        w.write("{Recipe for|How do I make|I have guests and want} <food>{?|}") if w.chance(0.5) else None
    ), f"{head}\n\n{listed}\n\n{done}"


def prompts(w: Writer) -> Document:
    return None, w.write(
        "{<prompt>|<prompt>|<prompt> <confide>|<polite>|<confide> <prompt>|<greet> <prompt>|<polite> "
        "<prompt>}"
    )


def greeting(w: Writer) -> Document:
    return (w.rule("greet") if w.chance(0.6) else None), " ".join([w.rule("greet"), *sentences(w, 0, 2, 0.3)])


def diary(w: Writer) -> Document:
    head = w.write("{<date>{\n|: |. }||Dear diary, |}")
    return None, head + paragraphs(w, [w.rule("confide") for _ in range(w.between(2, 6))])


def shouting(w: Writer) -> Document:
    said = [w.rule("caps").upper() for _ in range(w.between(1, 2))]
    said += sentences(w, 0, 2)
    return None, paragraphs(w, said)


def titles(w: Writer) -> Document:
    lines = [
        w.write(
            "{<acts>: {<digit>|<age>} {ways|facts|mistakes}|why <troubles>|the <good> guide to <stuff>|"
            "<pair_a> or <pair_b>?|how a <who> from <city> <acts/ed>|<stuff>, <stuff> and the "
            "<adjective> <object>|<country> in <year>: <stuff>}"
        ).title()
        for _ in range(w.between(1, 5))
    ]
    return None, "\n".join(lines)


def foreign(w: Writer) -> Document:
    said = [w.rule("tongue") for _ in range(w.between(1, 3))]
    if w.chance(0.4):
        said.insert(w.between(0, len(said)), w.rule(w.pick(("say", "polite", "greet"))))
    ask = w.write('{How do I say|Translate} "<facts>"?') if w.chance(0.2) else None
    return ask, paragraphs(w, said)


def figures(w: Writer) -> Document:
    """Return sentences full of numbers, dates, units and the like."""
    pattern = (
        "{On <date>, at <time>, the <things> weighed <measure>.|<^facts> (<percent>; in <year>: <percent>).|"
        "{From|Between} <date> to <date>: <number> <things/pl>, <price> each.|Call <phone> before "
        "<time>{ or write to <email>|}.|"
        "<measure> of <stuff> per <person>, i.e. <fraction> of <number>.|{Ticket|Order|Room} <code>: "
        "<things>, <price>, due <date>.|"
        "The <who> (<age>) {ran|drove|walked} <measure> in <duration>, <percent> faster than in <year>.|"
        "<^things>: <measure> x <measure>, <colour>, <price> ({was|now} <price>)|Opening hours: "
        "<day>–<day>, <time> to <time>; closed on <date>.|"
        "<^stuff> fell by <percent> in <country>, from <number> to <number>, since <month> <year>.}"
    )
    return None, paragraphs(w, [w.write(pattern) for _ in range(w.between(1, 5))])


FORMS: dict[Callable[[Writer], Document], float] = {
    answer: 24,
    essay: 8,
    lists: 15,
    headed: 4,
    table: 3.5,
    code: 16,
    quoted: 2,
    linked: 2,
    refusal: 8,
    speech_act: 11,
    reasoning: 4,
    sums: 4.5,
    explained: 4,
    mail: 4,
    tweet: 5,
    chat: 3.5,
    review: 4,
    forum: 3.5,
    service: 3,
    machine: 10.5,
    tale: 4,
    dialogue: 2.5,
    poem: 2.5,
    recipe: 2,
    prompts: 5,
    greeting: 3,
    diary: 2.5,
    shouting: 1.5,
    titles: 1.5,
    foreign: 3,
    figures: 3,
}
