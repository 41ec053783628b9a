"""Small word problems for chat_texts.py, with steps and the right answer."""

from __future__ import annotations

from collections.abc import Callable

from chat_grammar import Writer

Sum = tuple[str, str, str]  # the problem, the steps, the answer


def _total(w: Writer) -> Sum:
    n, each, fee = w.between(2, 14), w.between(3, 40), w.between(1, 15)
    ask = w.write(
        f"<buyer=name> {{buys|orders|needs}} {n} <n=things/pl> at ${each} each"
        f" and pays ${fee} for {{delivery|wrapping|a bag|<stuff>}}. How much {{is that|does it cost}} "
        "{in all|altogether|}?"
    )
    steps = w.write(
        f"{{The|All the}} <n> {{cost|come to}} {n} × {each} = {n * each} dollars. {{Then add|Plus}} {fee}"
        f"{{ for the extra|}}: {n * each} + {fee} = {n * each + fee}."
    )
    return ask, steps, f"${n * each + fee}"


def _share(w: Writer) -> Sum:
    people, each, left = w.between(2, 9), w.between(2, 12), w.between(0, 1)
    total = people * each + left
    ask = w.write(
        f"{{A|One|Our}} <p=who> has {total} {{<f=food>|<f=things/pl>|bags of <f=stuff>}} for {people} "
        "<animal/pl>."
        f" {{How many does each get|What is the share of each}}{{, and what is left|}}?"
    )
    steps = w.write(
        f"{{Divide|We split}} {total} by {people}: {people} × {each} = {people * each}, so each gets {each}"
        f"{{, with|;}} {left} left{{ over|}}."
    )
    return ask, steps, f"{each} each, {left} left"


def _change(w: Writer) -> Sum:
    a, b = w.between(2, 19), w.between(2, 19)
    note = next(value for value in (20, 50) if value > a + b)
    ask = w.write(
        f"<buyer=name> pays a <a=things> for {a} euros and {{some <b=stuff>|a bag of <b=food>}} for {b} "
        "euros with"
        f" a {note}-euro note. {{How much change is there|What does <buyer> get back}}?"
    )
    steps = w.write(
        f"{{Together that is|The sum is}} {a} + {b} = {a + b}. {{So the change is|What's left is}}"
        f" {note} − {a + b} = {note - a - b}{{ euros|}}."
    )
    return ask, steps, f"{note - a - b} euros"


def _speed(w: Writer) -> Sum:
    speed, hours = w.between(3, 30) * 4, w.pick((0.5, 1.5, 2, 2.5, 3, 4))
    ask = w.write(
        f"A {{train|bus|ferry|<who>|<animal>}} {{travels|goes|moves}} from <city> at {speed} km/h for "
        f"{hours:g} hours."
        f" How far {{is that|does it get}}?"
    )
    steps = w.write(
        f"{{Distance is speed times time|s = v · t}}{{, so|:}} {speed} × {hours:g} = {speed * hours:g} "
        "kilometres."
    )
    return ask, steps, f"{speed * hours:g} km"


def _percent(w: Writer) -> Sum:
    price, off = w.between(2, 40) * 10, w.pick((10, 20, 25, 30, 50, 60))
    less = price * off / 100
    ask = w.write(
        f"A {{<good>|<colour>|<adjective>}} <n=things> costs {price} dollars and is reduced by {off}%."
        f" {{What is the new price|How much do you pay|What does it cost now}}?"
    )
    steps = w.write(
        f"{off}% of {price} is {price} × {off / 100:g} = {less:g}. {{Therefore|So}} {{the <n> costs|you pay}}"
        f" {price} − {less:g} = {price - less:g}."
    )
    return ask, steps, f"{price - less:g} dollars"


def _ages(w: Writer) -> Sum:
    young, more, later = w.between(4, 30), w.between(2, 25), w.between(2, 12)
    ask = w.write(
        f"<a=name>{{'s <relative>|, a <who>,|}} is {young} years old; <b=name> is {more} years older."
        f" How old will {{both be|the two be together}} in {later} years?"
    )
    both = 2 * young + more + 2 * later
    steps = w.write(
        f"{{Now|Today}} they are {young} and {young + more}. In {later} years {{they will be|that makes}}"
        f" {young + later} and {young + more + later}, {{together|in sum}} {both}."
    )
    return ask, steps, f"{young + later} and {young + more + later}, together {both}"


def _equation(w: Writer) -> Sum:
    a, x, b = w.between(2, 12), w.between(2, 15), w.between(1, 40)
    letter = w.pick("xynkt")
    ask = w.write(f"{{Solve|What is {letter} in|Find {letter}:}} {a}{letter} + {b} = {a * x + b}{{.|}}")
    steps = w.write(
        f"{{Subtract|Take away}} {b} {{on both sides|first}}: {a}{letter} = {a * x}. {{Then divide|"
        f"Dividing}} by {a}"
        f"{{: | gives }}{letter} = {x}."
    )
    return ask, steps, f"{letter} = {x}"


def _area(w: Writer) -> Sum:
    a, b = w.between(3, 30), w.between(2, 25)
    ask = w.write(
        f"A {{<place>|garden|field|<colour> carpet}} is {a} metres long and {b} metres wide."
        f" {{What are its area and perimeter|How much fence and how much <stuff> for the area}}?"
    )
    steps = (
        f"A = {a} · {b} = {a * b} m², and the perimeter is 2 × ({a} + {b}) = 2 × {a + b} = {2 * (a + b)} "
        "metres."
    )
    return ask, steps, f"{a * b} m² and {2 * (a + b)} m"


def _mean(w: Writer) -> Sum:
    mean, spread, other = w.between(5, 60), w.between(1, 4), w.between(1, 4)
    values = [mean - spread, mean + spread, mean - other, mean + other]
    w.random.shuffle(values)
    shown = ", ".join(map(str, values[:3]))
    ask = w.write(
        f"On four days a <who> {{counted|sold|saw}} {shown} and {values[3]} {{<animal/pl>|<things/pl>|"
        "<object>s}."
        f" What is the {{mean|average}}?"
    )
    steps = f"{' + '.join(map(str, values))} = {4 * mean}, and {4 * mean} / 4 = {mean}."
    return ask, steps, str(mean)


def _fractions(w: Writer) -> Sum:
    b = w.between(3, 12)
    a = w.between(1, b - 1)
    whole = b * w.between(2, 12)
    ask = w.write(
        f"{a}/{b} of {whole} {{pupils|<who/pl>|guests}} {{like <food>|<acts>|come from <city>}}. How "
        "many {don't|do not}?"
    )
    part = whole // b * a
    steps = w.write(
        f"{{One part is|First,}} {whole} ÷ {b} = {whole // b}, so {a}/{b} {{is|makes}} {a} × "
        f"{whole // b} = {part}."
        f" {{The rest is|That leaves}} {whole} − {part} = {whole - part}."
    )
    return ask, steps, str(whole - part)


def _rate(w: Writer) -> Sum:
    per, hours, days = w.between(2, 15), w.between(2, 8), w.between(2, 7)
    ask = w.write(
        f"A <p=who> {{makes|repairs|checks|packs}} {per} <n=things/pl> an hour, {hours} hours a day. "
        f"How many in {days} days?"
    )
    steps = w.write(
        f"{{In a day|Per day}}: {per} × {hours} = {per * hours}. {{Over|In}} {days} days: {per * hours} "
        f"× {days}"
        f" = {per * hours * days}{{ <n>|}}."
    )
    return ask, steps, str(per * hours * days)


def _temperature(w: Writer) -> Sum:
    celsius = w.between(-6, 20) * 5
    ask = w.write(
        f"{{What is|Convert|How much is}} {celsius} °C in Fahrenheit{{?|, please|? My <relative> in "
        "<city> asks.}"
    )
    steps = f"F = C · 9/5 + 32 = {celsius} · 1.8 + 32 = {celsius * 9 // 5} + 32 = {celsius * 9 // 5 + 32}."
    return ask, steps, f"{celsius * 9 // 5 + 32} °F"


_SUMS: tuple[Callable[[Writer], Sum], ...] = (
    *(_total, _share, _change, _speed, _percent, _ages, _equation),
    *(_area, _mean, _fractions, _rate, _temperature),
)


def word_problem(w: Writer) -> tuple[str, str]:
    """Return a question and its worked answer, sometimes with a slip that is noticed and put right."""
    ask, steps, answer = w.pick(_SUMS)(w)
    opening = w.write(
        "{Let's see.|Let me think.|Okay, step by step:|First, what do we know?|We need to find what is "
        "asked.|"
        "<open_yes>||Let's call it x.|Good, a problem with <things/pl>!|Hmm,|Start with what is given.||}"
    )
    slip = ""
    if w.chance(0.35):
        slip = w.write(
            "{Wait, let me check that.|Let me double-check: does that fit? Yes.|Hold on, I nearly "
            "forgot the <things>. No, it's right.|"
            "Wait... the colour of the <things> doesn't matter here.|Is that plausible? I think so, for "
            "a <who>.|"
            "So that means the <who> was <mood>, but the number stands.}"
        )
    end = w.write(
        f"{{The answer is|So the answer is|Answer:|Therefore|So we get|Result:|=>|That makes|In total:}} "
        f"{{{answer}|**{answer}**|{answer}}}{{.|}}"
    )
    close = w.rule("close") if w.chance(0.15) else ""
    return ask, w.pick((" ", " ", "\n", "\n\n")).join(
        part for part in (opening, steps, slip, end, close) if part
    )
