"""What the JSON files of a corpus hold, for :mod:`saetext.io.shape`: types and bounds of every field.

Fields that a newer minor version adds are let pass. Not for: what fields say of each other (manifest.py).
"""

from __future__ import annotations

from saetext.corpus.without_texts import SHAPE as WITHOUT_TEXTS
from saetext.io.files import STAMP
from saetext.io.shape import INT32, Either, Flag, List, Maybe, Number, Record, Shape, Table, Text, Whole

MOST_FEATURES = 1 << 27  # of an SAE: the largest published have 2**24
MOST_WIDTH = 1 << 24  # of a language model
_LINE = Text(longest=10_000)
_COUNT = Whole()
_IDS = List(Whole(0, INT32), most=1000)

SAE_SPEC = Record(
    {
        "name": _LINE,
        "origin": _LINE,
        "architecture": _LINE,
        "hook": _LINE,
        "d_in": Whole(1, MOST_WIDTH),
        "d_sae": Whole(1, MOST_FEATURES),
        "weights_sha256": _LINE,
        "preprocessing": _LINE,
        "calibration_sha256": _LINE,
        "threshold_percentile": Maybe(Number(0, 100)),
        "min_tokens": Whole(0, INT32),
    },
    {"settings": _LINE, "norm_limit": Maybe(Number(0, above=True))},
)
NUMERICS = Record(
    {"model_dtype": _LINE, "sae_dtype": _LINE, "device": _LINE}, {"versions": Table(Maybe(_LINE))}
)
_SAES: Shape = Either((List(_LINE, most=1000), Maybe(_LINE)))
READER_SPEC = Record(
    {
        "model": _LINE,
        "revision": _LINE,
        "window": Whole(1, INT32),
        "overlap": Whole(0, INT32),
        "prefix_ids": _IDS,
        "suffix_ids": _IDS,
        "masks": _LINE,
        "chat_template_sha256": _LINE,
        "pooling": _LINE,
        "taps": List(Table(), most=1000),
        "numerics": NUMERICS,
    },
    {
        "tokens_sha256": _LINE,
        "source": Record({}, {"kind": _LINE, "saes": _SAES, "model": Maybe(_LINE)}),
    },
)
ENTRY = Record(
    {
        "shard": Whole(0, INT32),
        "rows": Whole(0, INT32),
        "input_rows": _COUNT,
        "input_hash": _LINE,
        "tokens": _COUNT,
        "entries": Table(_COUNT),
        "rejects": Table(_COUNT),
        "rejects_bytes": _COUNT,
        "files": Table(STAMP),
        "meta": Table(Text(longest=100)),
        "stats": Table(),
    },
    {"without_texts": WITHOUT_TEXTS},
)
MANIFEST = Record(
    {
        "schema": Text(longest=30),
        "spec": Table(),
        "cards": Table(STAMP),
        "rejects": STAMP,
        "shards": List(Table()),
        "stores_text": Flag(),
        "runs": List(Record({}, {"plan": Table(), "numerics": List(Table())}), most=1_000_000),
        "created": Text(longest=100),
        "updated": Text(longest=100),
        "extra": Table(),
    }
)
PLAN = Record({"plan": Table(), "numerics": List(Table()), "spec": Table()}, {"schema": Text(longest=30)})
