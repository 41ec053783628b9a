"""Option sets for every command, from what the commands themselves declare. Not for: running them."""

from __future__ import annotations

import random
from enum import Enum
from pathlib import Path
from typing import Any, Final

from tests.fuzz.conditions import condition
from tests.fuzz.kinds import ABLATED, ATTRIBUTED, STEERED

LEFT_OUT: Final = ("demo",)  # it runs for minutes
SLOW: Final = ("cluster", "search", "calibrate", "index", "train", "explore")  # chosen less often
#: A training of a second; of an option given twice the last counts.
SMALL: Final = {
    "train": [*("--model", "model", "--layer", "1", "--features", "32", "-k", "4", "--steps", "2"),
              *("--batch", "64", "--tokens", "400", "--window", "32")],
    "steer": [*STEERED],
    "attribute": [*ATTRIBUTED],
    "ablate": [*ABLATED],
    "attend": ["--probes", "2", "--sentences", "0"],
    "explore": ["--export", "copy"],  # it serves until Ctrl-C otherwise
}  # fmt: skip
#: What steer turns, which it has to be told; nothing now and then.
EDITED: Final = (["-f", "5:+1"], ["-f", "5:+1", "-f", "7:2raw"], ["--direction", "direction.npy"], [])
#: Who asks for a thousand million of these gets them.
WORK: Final = ("steps", "samples", "max_new_tokens", "write", "controls")
NUMBERS: Final = (
    *(
        "0",
        "1",
        "2",
        "3",
        "10",
        "-1",
        "",
        " ",
        "1_0",
        "０",
        "0x10",
        "1.5",
        "1e3",
        "1e999",
        "inf",
        "-inf",
        "nan",
    ),
    *(str(2**31), str(2**63), str(-(2**63) - 1), str(10**30), "1" + "0" * 400, "9" * 5000),
)
PLAIN: Final = ("1", "2", "3", "5", "20")
COLUMNS: Final = (
    "topic",
    "n",
    "x",
    "id",
    "text",
    "prompt",
    "unnamed",
    "row",
    "no such",
    "topic=food,tech",
    "n=1",
)
TEXTS: Final = (
    *(
        *COLUMNS,
        "",
        " ",
        "=",
        ",",
        ":",
        "a=b=c",
        "politeness",
        "apology:2",
        "words",
        "llm",
        "embedded",
        "0,1,2",
    ),
    *(
        "all",
        "user",
        "gpt2/x",
        "line\nbreak",
        "tab\there",
        "\x1b[31mred",
        "\u202e",
        "é" * 300,
        "x" * 5000,
        "\udcff",
    ),
    *(
        "--top",
        "-",
        "'",
        '"',
        "%s",
        "{}",
        "../..",
        "http://127.0.0.1:9/v1",
        "http://127.0.0.1:9/\nx",
        "file:///",
    ),
)
PATHS: Final = (
    *("c.corpus", "d.corpus", "rows.jsonl", "labels.csv", "query.json", "missing", "folder", "", ".", "/"),
    *("model", "sae", "prompts.jsonl", "attribution.json", "direction.npy", "tiny.gguf", "c.jsonl"),
    *(
        "~nobody/x",
        "c.corpus/docs",
        "c.corpus/docs/part-00001.arrow",
        "c.corpus/manifest.json",
        "/dev/null",
        "a\nb",
    ),
    *(
        "/dev/full",
        "x" * 300,
        "\udcff",
        "new.html",
        "new.parquet",
        "new.csv",
        "new.png",
        "new.npz",
        "new.corpus",
    ),
)
NEW: Final = ("new.html", "new.parquet", "new.csv", "new.png", "new.npz", "new.corpus", "new.json", "new")
#: What options of the interventions ask for, well formed and nearly so.
ASKED: Final = {
    "sae": ("sae", "sae", "sae", "model", "embedded", "no/such"),
    "features": ("5", "5:+1", "5:30raw", "63:-2", "64:+1", "5:1e999", "5:0", "5:1e-300raw", "-1", "5:+1:+1",
                 "999999999:1", "1e3", "5:nan", "5:1e300raw", "٣"),
    "doses": ("0", "0,1", "-1,0,1,2", "1e999", "nan", "1,1,1", ",", "0.0,-0.0", "1e-320", "1e308",
              ",".join(map(str, range(60)))),
    "positions": ("all", "prompt", "generated", "last", "first-2", "first-0", "first--1",
                  "first-" + "9" * 30),
    "metric": ('logit("a")', 'logit("a") - logit("t")', 'logprob("the answer")', 'prob("a", "t", "zzz")',
               'logit("")', 'logit("\\n")', 'logit("the quick brown")', "logit(", '- - logit("a")', "1",
               'logit("a") + ' * 200 + 'logit("t")', 'prob()', 'logit("\x00")', '\'logit\'("a")'),
    "at": ("last", "last-item", "before the", "before .", "before (", "before $", "before ^", "before (?=a)",
           "before a{99999999}", "before " + "(" * 300, "before \\Z", "before (?i)THE", "before", "first"),
    "words": ("that", "the,and", ",", "a" * 3000, "two words", "é,É"),
    "direction": ("direction.npy", "direction.npy", "tiny.gguf", "rows.jsonl", "missing.npy"),
    "hook": ("blocks.1.hook_resid_post", "blocks.2.hook_resid_post", "blocks.99.hook_resid_post", "nonsense",
             "blocks.1.hook_mlp_out", "blocks.0.hook_resid_pre", "blocks.1.attn.hook_z"),
    "by": ("topic", "n", "id", "no such", ""),
    "name": ("added", "../up", "a/b", "A" * 300, ".hidden", "smollm2", "embedded", ""),
    "concept": ("one", "politeness", ""),
}  # fmt: skip
WORDS: Final = (
    "make",
    "list",
    "score",
    "politeness",
    "a2",
    "0",
    "politeness and not sorry",
    "",
    "é",
    "x" * 3000,
)


def commands() -> dict[str, Any]:
    """Return the commands by name, as typer knows them."""
    import typer
    from saetext_cli.main import app

    known = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    return {name: known[name] for name in sorted(known) if name not in LEFT_OUT}


def option_set(draw: random.Random, known: dict[str, Any]) -> list[str]:
    """Return a command line: mostly its arguments as they should be, and some options of any kind."""
    name = draw.choice([name for name in known for _ in range(1 if name in SLOW else 4)])
    params = [param for param in known[name].params if param.name != "help"]
    arguments = [p for p in params if p.param_type_name == "argument"]
    options = [p for p in params if p.param_type_name == "option"]
    line = [name]
    for argument in arguments:
        for _ in range(draw.choice((1, 2)) if argument.nargs == -1 else 1):
            # without a target, "model add" converts a model of 98 MB
            if argument.required or draw.random() < 0.7 or (name == "model" and line[-1] == "add"):
                line.append(_argument(draw, name, argument))
    line += SMALL.get(name, [])
    line += draw.choice(EDITED) if name == "steer" else []
    required = [option for option in options if option.required]
    some = draw.sample(options, min(len(options), draw.choice((0, 1, 1, 2, 3, 5))))
    for option in dict.fromkeys([*required, *some]):
        if option.is_flag:
            line.append(draw.choice((*option.opts, *option.secondary_opts)))
        else:
            line += [option.opts[0], _value(draw, option)]
    if draw.random() < 0.05:
        line.insert(draw.randrange(1, len(line) + 1), draw.choice((*TEXTS, "--no-such", "-x")))
    return [part.replace("\x00", "") for part in line]


def _argument(draw: random.Random, command: str, param: Any) -> str:
    usual = {
        "source": ("rows.jsonl", "chats.jsonl"),
        "corpus": ("c.corpus", "c.corpus", "d.corpus", "rows.jsonl"),
        "corpora": ("c.corpus", "d.corpus"),
        "name": ("c.corpus", "embedded"),
        "id": ("a1", "a2", "0"),
        "action": ("add", "add", "list", "remove") if command == "model" else ("list", "score", "make"),
        "model": ("model", "model", "model", "model", "embedded", "sae", "tiny.gguf"),
        "prompts": ("prompts.jsonl", "prompts.jsonl", "c.jsonl", "the quick", "rows.jsonl", "chats.jsonl"),
        "attribution": ("attribution.json", "attribution.json", "attribution.json", "query.json"),
        "target": ("tiny.gguf", "tiny.gguf", "tiny", "query.json"),
    }.get(param.name, WORDS)
    if command == "append" and param.name == "corpus":
        usual = ("e.corpus",)
    if draw.random() < 0.8:
        return draw.choice(usual)
    return draw.choice(PATHS if param.type_descriptor.annotation in (Path, list[Path]) else (*PATHS, *TEXTS))


def _value(draw: random.Random, option: Any) -> str:
    kind = option.type_descriptor.annotation
    if isinstance(kind, type) and issubclass(kind, Enum):
        return draw.choice(
            (*(str(one.value) for one in kind), *(str(one.value) for one in kind), "nonsense", "")
        )
    if option.name in WORK and draw.random() < 0.6:
        return draw.choice(("1", "2", "3"))
    if option.name in WORK:
        return draw.choice([number for number in NUMBERS if not number.isdecimal() or len(number) < 2])
    if kind in (int, float):
        return draw.choice(PLAIN) if draw.random() < 0.6 else draw.choice(NUMBERS)
    if option.name == "where":
        return condition(draw)[:4000] if draw.random() < 0.6 else draw.choice(("n > 0", "topic = 'food'"))
    if option.name in ("output", "html", "parquet", "png", "table", "save_query"):
        return draw.choice(NEW if draw.random() < 0.6 else PATHS)
    if option.name in ASKED and draw.random() < 0.7:
        return draw.choice(ASKED[option.name])
    if "Path" in str(kind):
        return draw.choice(PATHS)
    return draw.choice(COLUMNS) if draw.random() < 0.3 else draw.choice(TEXTS)
