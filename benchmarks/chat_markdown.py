"""Answers of chat_texts.py in Markdown: lists of all kinds, headings, tables, code, quotations, links."""

from __future__ import annotations

import re

import chat_code
from chat_code import TITLES
from chat_grammar import Writer

_INTRO = (
    "{<open_yes>|<open_yes>|<open_yes>|<open_yes>|<^things/pl> for {a|every} <who>:|{What|Everything} "
    "you need {<where>|to <acts>}:|"
    "My {list|notes|plan} for <day>:|{Things|Ways} to {think about|try} when <troubles>:|<say>||{Steps|"
    "How} to <acts>:}"
)
_ITEM = (
    "{<^tips>|<^tips>.|<^tips>|<^things/a>|<things>|<^stuff>, <degree> <good>|<^acts>|<^facts>|<stuff>|"
    "<^acts/ing> <where>|"
    "<^things>: <tips>|<^stuff> – <facts>|<digit> <things/pl>|{A|One} <good> <things> <where>|<^acts> "
    "<timing>|<amount> of <stuff>|"
    "<^things/pl> (<good>, not <bad>)|<good> <things/pl>, about <price>}"
)
_TASK = "<^acts>|<^tips>|<acts> <timing>|{buy|find|return} <things/a>|call the <who>|<^acts> by <date>"


def strong(w: Writer, text: str, share: float = 0.5) -> str:
    """Set the beginning of a line, or a word of it, in bold, italics or code."""
    if not w.chance(share):
        return text
    mark = w.pick(("**", "**", "**", "*", "_", "__"))
    words = text.split(" ")
    at = w.between(0, len(words) - 1)
    end = min(len(words), at + w.between(1, 3))
    marked = " ".join(words[at:end])
    if "\n" in marked or not re.fullmatch(r"[\w' ,-]+", marked) or marked != marked.strip(", "):
        return text
    return " ".join([*words[:at], f"{mark}{marked}{mark}", *words[end:]])


def bold_lead(w: Writer) -> str:
    """Return a line of a list that starts with a term in bold."""
    term = w.write("{<^things>|<^stuff>|<^acts>|<^things/pl>|<^stuff>|<^acts/ing>}")
    if w.chance(0.3):
        return f"**{term}**{w.pick(('.', ':'))} {w.rule('say')}"
    return (
        f"**{term}**{w.pick((':', ' –', ' -'))} "
        f"{w.write('{<tips>|<facts>|<^facts>.|<^tips>.|{<good>|<bad>} <where>}')}"
    )


def items(w: Writer, low: int = 3, high: int = 7) -> list[str]:
    leads = w.chance(0.25)
    return [bold_lead(w) if leads else strong(w, w.write(_ITEM), 0.08) for _ in range(w.between(low, high))]


def _around(w: Writer, body: str, before: float = 0.8, after: float = 0.45) -> str:
    parts = [w.write(_INTRO) if w.chance(before) else "", body]
    if w.chance(after):
        parts.append(w.write("{<say> <close>|<close>|<close>|<say>|<warn>|<sum>|<hedge>|<praise>}"))
    return "\n\n".join(part for part in parts if part)


def bullets(w: Writer) -> str:
    mark = w.pick(("-", "-", "*", "•", "•", "–", "+"))
    gap = "\n\n" if w.chance(0.1) else "\n"
    return _around(w, gap.join(f"{mark} {item}" for item in items(w)))


def numbered(w: Writer) -> str:
    after = w.pick((". ", ". ", ") ", ".) "))
    lines = items(w, 3, 8)
    if w.chance(0.6):
        lines = [w.write("{<^tips>.|<^tips>, <because>.|<^tips> <timing>.|<^tips>}") for _ in lines]
    gap = "\n\n" if w.chance(0.2) else "\n"
    label = w.pick(("", "", "", "", "Step "))
    after = ": " if label else after
    return _around(w, gap.join(f"{label}{i}{after}{line}" for i, line in enumerate(lines, 1)))


def nested(w: Writer) -> str:
    lines = []
    inner, space = w.pick(("-", "*", "•")), w.pick(("  ", "    ", "   "))
    ordered = w.chance(0.5)
    for i in range(1, w.between(2, 4) + 1):
        lines.append(f"{i}. {w.write(_ITEM)}" if ordered else f"{w.pick(('-', '*'))} {w.write(_ITEM)}")
        lines += [f"{space}{inner} {w.write(_ITEM)}" for _ in range(w.between(1, 3))]
    return _around(w, "\n".join(lines))


def tasks(w: Writer) -> str:
    lines = [
        f"{w.pick(('-', '-', '*'))} [{w.pick(('x', ' ', ' ', 'X'))}] {w.write(_TASK)}"
        for _ in range(w.between(3, 8))
    ]
    head = w.write(
        "{To do|Checklist|## <day>|**Today**|Packing list|Plan for <month>|To-do before <date>|<^acts>}{:|}"
    )
    return f"{head}\n{'' if w.chance(0.5) else chr(10)}" + "\n".join(lines)


def headed(w: Writer) -> str:
    """Return an article of two to four sections under headings."""
    level = w.pick(("#", "##", "##", "###"))
    parts = []
    if w.chance(0.4):
        parts.append(
            w.write(
                "{# |}{<^acts/ing> {for beginners|in <duration>|<where>}|<^things/pl> and <stuff>|"
                "<^pair_a> or <pair_b>}"
            )
        )
    for _ in range(w.between(2, 4)):
        title = w.write(
            "{<^acts>|<^stuff>|<^things/pl>|{What|Where} to {buy|watch|try}|Why <troubles>|<^pair_a>|"
            "Step <digit>|Tips for <who/pl>|"
            "The <good> <things>|Before you <acts>|Common mistakes|Summary|<^stuff> <where>}"
        )
        if any(part.startswith(f"{level} {title}\n") for part in parts):
            continue
        body = " ".join(w.rule("say") for _ in range(w.between(1, 3)))
        if w.chance(0.3):
            body = "\n".join(f"- {item}" for item in items(w, 2, 4))
        parts.append(f"{level} {title}\n{chr(10) if w.chance(0.5) else ''}{strong(w, body, 0.2)}")
    return "\n\n".join(parts)


def table(w: Writer) -> str:
    columns = w.random.sample(
        (
            "things",
            "stuff",
            "good",
            "bad",
            "price",
            "measure",
            "date",
            "who",
            "duration",
            "city",
            "colour",
            "percent",
            "time",
        ),
        w.between(2, 4),
    )
    heads = {
        "things": "Item",
        "who": "Person",
        "good": "Pro",
        "bad": "Con",
        "measure": "Amount",
        "stuff": "What",
    }
    lines = [" | ".join(heads.get(column, column.title()) for column in columns)]
    lines.append("|".join([w.pick(("---", ":---", "---:", "-----"))] * len(columns)))
    lines += [" | ".join(w.rule(column) for column in columns) for _ in range(w.between(2, 6))]
    return _around(
        w, "\n".join(f"| {line} |" if "--" not in line else f"|{line}|" for line in lines), 0.7, 0.3
    )


def coded(w: Writer, language: str) -> str:
    """Return an answer with one or two blocks of code."""
    before = w.write(
        "{<open_yes>|Here's {a|one} way to do it in {lang}:|Try this:|{You can|Just} use the following "
        "{lang} code:|<link>:|"
        "{This|The} {snippet|example} should {work|help} for your <things/pl>:||{Something like|Maybe} this?|"
        "I'd write it {like this|so that it's <good>}:}".replace("{lang}", TITLES[language])
    )
    after = w.write(
        "{Replace `<identifier>` {with|by} your own <things>.|It {prints|returns|keeps} the "
        "<things/pl>; change the <colour> one {if you like|first}.|"
        "{Note that|Remember:} `<identifier>` {must be|is} {a number|a string|set first|not empty}.||"
        "<close>|If you get an error, {check|print} `<identifier>` {first|<timing>}.|This {takes|needs} "
        "{about <duration>|Python 3|no <stuff>}.|"
        "{The|This} loop {stops|ends} {when <troubles>|after <digit> rounds}.}".replace(
            "<identifier>", chat_code._id(w, "object")
        )
    )
    parts = [before, chat_code.block(w, language), after]
    if w.chance(0.15):
        parts += [
            w.write("{Or shorter:|In another style:|And the test:|Then run:}"),
            chat_code.block(w, w.pick((language, "bash"))),
        ]
    return "\n\n".join(part for part in parts if part)


def inline_code(w: Writer) -> str:
    one, other = chat_code._id(w), chat_code._id(w, "object")
    return w.write(
        f"{{{{Use|Call|Try|Rename}} `{other}.{chat_code._verb(w)}()` {{{{instead of|before|after}}}} "
        f"`{one}`{{{{, because <facts>|}}}}."
        f"|The variable `{one}` {{{{holds|is}}}} {{{{<things/a>|None|a list of <things/pl>}}}}{{{{, so "
        "<tips>|}}."
        f"|Run `{chat_code._verb(w)} --{other.replace('_', '-')} {w.between(1, 90)}` {{{{<where>|in a "
        "terminal|<timing>}}."
        f"|{{{{Open|Edit|Delete}}}} `~/{other}/{one}.{w.pick(('txt', 'py', 'cfg', 'yml'))}` and set "
        f"`{chat_code._key(w)} = {w.between(0, 99)}`."
        f"|Press `{w.pick(('Ctrl', 'Alt', 'Cmd', 'Shift'))}+{w.pick('ABCDEFGHKLPSTXZ')}` to <acts>.".replace(
            "{{", "{"
        ).replace("}}", "}")
    )


def quoted(w: Writer) -> str:
    lines = [
        w.write('{<say>|<confide>|<facts>, said the <who>.|"<^facts>." – <name>}')
        for _ in range(w.between(1, 3))
    ]
    said = "\n".join(f"> {line}" for line in lines)
    return "\n\n".join(
        part
        for part in (
            w.write("{|<name> {wrote|said} on <date>:|From the {letter|review|book}:|<say>}"),
            said,
            w.write("{<say>|<hedge>|<reason>||{I agree|I disagree}: <facts>.}"),
        )
        if part
    )


def linked(w: Writer) -> str:
    return w.write(
        "{See|Read|Have a look at|More in|Source:|Found this:} {[<acts>](<url>)|[the <things> "
        "page](<url>)|<url>|<url> (<stuff>)|[<stuff>][<digit>]: <url>}{.|}"
        " {<say>|<say> Or write to <email>.|<facts>|{Also|And} [<good> <things/pl>](<url>) by <name>.}"
    )
