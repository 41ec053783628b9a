"""Dates, prices, codes and the like for chat_texts.py, each in several notations; all invented.

Telephone numbers are of the ranges kept for fiction (555-01xx), addresses of the domains kept for examples.
"""

from __future__ import annotations

import random
from collections.abc import Callable

_MONTHS = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]
_USERS = [
    "info",
    "help",
    "orders",
    "hello",
    "team",
    "support",
    "office",
    "garden",
    "reader",
    "press",
    "desk",
    "sales",
    "kitchen",
    "trips",
]
_HOSTS = ("example.com", "example.org", "example.net", "shop.example.com", "mail.example.org")
_PATHS = [
    "guide",
    "blog",
    "help",
    "recipes",
    "tips",
    "about",
    "forum",
    "wiki",
    "start",
    "news",
    "docs",
    "faq",
    "archive",
    "maps",
    "lessons",
]
_ENDINGS = ("", ".html", "?page=2", "#top", "/index.php", "?q=roses", "/edit", ".pdf")


def digit(draw: random.Random) -> str:
    return str(draw.randint(2, 9))


def age(draw: random.Random) -> str:
    return str(draw.randint(11, 84))


def year(draw: random.Random) -> str:
    return str(draw.randint(1890, 2026))


def number(draw: random.Random) -> str:
    return draw.choice(
        (
            f"{draw.randint(10, 999)}",
            f"{draw.randint(1, 99)}.{draw.randint(0, 9)}",
            f"{draw.randint(1, 99)},{draw.randint(100, 999)}",
        )
    )


def ordinal(draw: random.Random) -> str:
    value = draw.randint(1, 28)
    ending = "th" if 10 < value < 20 else {1: "st", 2: "nd", 3: "rd"}.get(value % 10, "th")
    return f"{value}{ending}"


def date(draw: random.Random) -> str:
    day, month, of = draw.randint(1, 28), draw.randint(1, 12), draw.randint(1987, 2029)
    return draw.choice(
        (
            f"{day} {_MONTHS[month - 1]} {of}",
            f"{_MONTHS[month - 1]} {day}",
            f"{_MONTHS[month - 1]} {day}, {of}",
            f"{of}-{month:02}-{day:02}",
            f"{day:02}/{month:02}/{of}",
            f"{day}.{month}.{of}",
            f"the {ordinal(draw)} of {_MONTHS[month - 1]}",
        )
    )


def time(draw: random.Random) -> str:
    hour, minute = draw.randint(1, 12), draw.choice((0, 5, 10, 15, 20, 30, 40, 45, 50))
    return draw.choice(
        (
            f"{hour + 11}:{minute:02}",
            f"{hour}:{minute:02} {draw.choice(('am', 'pm', 'a.m.', 'p.m.'))}",
            f"{hour} o'clock",
            f"{hour} pm",
            f"half past {hour}",
        )
    )


def price(draw: random.Random) -> str:
    whole, cents = (
        draw.choice((draw.randint(2, 60), draw.randint(60, 900))),
        draw.choice((0, 49, 50, 90, 95, 99)),
    )
    return draw.choice(
        (
            f"${whole}",
            f"${whole}.{cents:02}",
            f"€{whole}.{cents:02}",
            f"£{whole}.{cents:02}",
            f"{whole} euros",
            f"{whole} dollars",
            f"£{whole}",
            f"{whole},{cents:02} €",
        )
    )


def percent(draw: random.Random) -> str:
    value = draw.choice((5, 10, 12, 15, 20, 25, 30, 33, 40, 50, 60, 75, 80, 90))
    return draw.choice((f"{value}%", f"{value} %", f"{value} per cent", f"{value}.{draw.randint(1, 9)}%"))


def phone(draw: random.Random) -> str:
    last, area = draw.randint(100, 199), draw.randint(201, 989)
    return draw.choice(
        (f"({area}) 555-0{last}", f"555-0{last}", f"+1 {area} 555 0{last}", f"{area}-555-0{last}")
    )


def code(draw: random.Random) -> str:
    letters = "".join(draw.choices("ABCDEFGHKLMNPRSTUVWXYZ", k=2))
    return draw.choice(
        (
            f"#{draw.randint(10000, 99999)}",
            f"{letters}-{draw.randint(1000, 9999)}",
            f"no. {draw.randint(100, 9999)}",
            f"{letters}{draw.randint(10, 99)}{letters}",
        )
    )


def email(draw: random.Random) -> str:
    return f"{draw.choice(_USERS)}{draw.choice(('', '', '.', '-'))}@".replace(".@", "@").replace(
        "-@", "@"
    ) + (draw.choice(_HOSTS))


def url(draw: random.Random) -> str:
    start = draw.choice(("https://", "https://www.", "http://", "www."))
    return (
        f"{start}{draw.choice(_HOSTS[:3])}/{draw.choice(_PATHS)}/{draw.choice(_PATHS)}{draw.choice(_ENDINGS)}"
    )


def measure(draw: random.Random) -> str:
    unit = draw.choice(
        [
            "km",
            "kg",
            "g",
            "ml",
            "cm",
            "mm",
            "m",
            "l",
            "W",
            "kWh",
            "mph",
            "km/h",
            "°C",
            "°F",
            "lb",
            "oz",
            "ft",
            "MB",
            "GB",
            "Hz",
            "V",
            "m²",
            "m³",
        ]
    )
    value = draw.choice((draw.randint(2, 500), round(draw.uniform(0.1, 80), 1)))
    return f"{value} {unit}"


def amount(draw: random.Random) -> str:
    unit = draw.choice(("g", "kg", "ml", "litres", "lb", "oz", "cups", "boxes", "bags", "spoonfuls"))
    return f"{draw.choice((draw.randint(2, 500), draw.randint(2, 20)))} {unit}"


def fraction(draw: random.Random) -> str:
    return draw.choice(
        ["1/2", "1/3", "2/3", "3/4", "1/4", "5/8", "½", "¼", "¾", "⅓", "1½", "2¼", "7/10", "11/12"]
    )


RULES: dict[str, Callable[[random.Random], str]] = {
    "digit": digit,
    "age": age,
    "year": year,
    "number": number,
    "ordinal": ordinal,
    "date": date,
    "time": time,
    "price": price,
    "percent": percent,
    "phone": phone,
    "code": code,
    "email": email,
    "url": url,
    "measure": measure,
    "amount": amount,
    "fraction": fraction,
}
