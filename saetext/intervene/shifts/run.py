"""shift: for each group the features to move so that a model answers as the group does.

Not for: what the shift is worth on held-out questions (:mod:`saetext.intervene.shifts.evaluate`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import saetext.reader.stack  # noqa: F401 - says what is missing

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray

from saetext.intervene.shifts.across import overlap
from saetext.intervene.shifts.answering import Put, answered
from saetext.intervene.shifts.fitting import Fitted, Material, fit_dense, fit_sparse, targets_of
from saetext.intervene.shifts.keeping import kept_or_made
from saetext.intervene.shifts.moved import features_table, length_under
from saetext.intervene.shifts.opinions import Opinions, Split, opinions_of, split_of
from saetext.intervene.shifts.request import ShiftRequest
from saetext.intervene.shifts.result import ShiftResult
from saetext.intervene.shifts.saved import Shift, fingerprint
from saetext.intervene.shifts.scores import temperature_of
from saetext.intervene.shifts.setting import Setting, norms_of, opened
from saetext.intervene.shifts.tables import FITTED
from saetext.intervene.subject import Subject
from saetext.io.progress import Stages
from saetext.io.request import verb_of_two
from saetext.io.warning import warn
from saetext.reader import shipped
from saetext.reader.causal import CausalModel

Floats = NDArray[np.float64]
_LONG = 1.0  # of the residual norm, from which an edit breaks texts more often than not


@verb_of_two(ShiftRequest)
def shift(model: str | Path | CausalModel | Subject, opinions: Any, request: ShiftRequest) -> ShiftResult:
    """Fit, for each group, which features to move so that a model answers questions as the group does.

    Some questions are held out and never looked at; of the others, a fifth says when to stop. Each finished
    fit is kept in the cache, so that an interrupted run resumes.

    Parameters
    ----------
    model : str, path, CausalModel or Subject
        A model that writes; with an SAE already, a :class:`saetext.intervene.subject.Subject`.
    opinions : path, polars.DataFrame, or rows
        A row each question and group: question, options, and ``distribution`` or ``counts``.

    Returns
    -------
    ShiftResult

    Raises
    ------
    InputError
        If columns are missing, answers cannot be used, nothing is held out, or letters share a token.
    ReaderError
        If the model or the SAE cannot be loaded, or they do not fit.

    Warns
    -----
    SaetextWarning
        If a shift moves the hidden states further than they are long.

    Examples
    --------
    Answers are checked before any model is loaded:

    >>> import saetext
    >>> rows = [{"question": "Is it so?", "group": "a", "options": ["Yes", "No"], "counts": [30, 10]}]
    >>> try:
    ...     saetext.shift("smollm2", rows)
    ... except saetext.SaetextError as error:
    ...     print(error)
    there is only one group, 'a', in column 'group': two at least can be compared
    """
    found = opinions_of(opinions, request, request.hold_out)
    split = split_of(found, request.share, request.seed)
    subject = opened(model, request)
    labels = subject.labels(request.labels)  # before the work: the file may be none
    setting = Setting(subject, found, request)
    fitter = _Fitter(setting, split, request)
    fits = [fitter.group(group) for group in found.groups]
    everyone = fitter.everyone() if request.controls else None
    made = Shift(
        groups=found.groups,
        delta=np.stack([fit.sparse[0].value.cpu().numpy() for fit in fits]),
        everyone=None if everyone is None else everyone.value.cpu().numpy(),
        dense=np.stack([fit.dense.value.cpu().numpy() for fit in fits if fit.dense is not None])
        if request.controls
        else None,
        temperatures=tuple(fit.temperature for fit in fits),
        hook=setting.panel.hook,
        model={"name": subject.model.name, "revision": subject.model.revision},
        sae=_about(subject, model, request),
        fitted_on=tuple(sorted(fingerprint(found.questions[i].key) for i in (*split.train, *split.check))),
        params={**request.params(), "model": str(subject.model.name)},
        repeats=tuple(_repeats(fit.sparse) for fit in fits),
    )
    table = pl.DataFrame([fitter.row(fit) for fit in fits], schema=FITTED)
    _warn_of_length(table)
    return ShiftResult(
        "shift",
        table=table,
        params={**request.params(), "sae": subject.sae.origin, "subject": subject.about()},
        metrics=_metrics(found, split, fitter),
        notes=(*found.notes, *_notes(fits)),
        shift=made,
        features=features_table(made, labels, subject.sae.encoder.decoder),
    )


@dataclass(frozen=True, eq=False)
class _Fits:
    """What was fitted for one group."""

    group: str
    questions: int
    sparse: tuple[Fitted, ...]
    dense: Fitted | None
    temperature: float
    length: float


class _Fitter:
    """Fits of all groups on the questions that are not held out."""

    def __init__(self, setting: Setting, split: Split, request: ShiftRequest) -> None:
        self.setting, self.request = setting, request
        self.opinions = setting.opinions
        self.numbers = sorted((*split.train, *split.check))
        self.split = split
        puts = setting.put(self.numbers, request.train_orders)
        self.puts = _by_question(puts)
        steps, watched, _ = setting.neutral(request.neutral, request.seed)
        norm, mean_square = norms_of(puts)
        self.material = Material(setting.panel, setting.letters, steps, watched, norm, mean_square)
        self.letters = answered(
            setting.panel, puts, setting.letters, None, setting.say.counting("asking the unedited model")
        )
        extra = (1 + len(self.opinions.groups)) if request.controls else 0
        self._runs = len(self.opinions.groups) * request.repeats + extra
        self._done = 0
        self.say = Stages(request.on_progress, "steps")

    def group(self, group: str) -> _Fits:
        """Fit one group."""
        shares = {a.question: a.shares for a in self.opinions.of(self.numbers) if a.group == group}
        sparse = tuple(self._fit("sparse", shares, repeat) for repeat in range(self.request.repeats))
        dense = self._fit("dense", shares, 0) if self.request.controls else None
        temperature = temperature_of([(self.letters[q].logits, own) for q, own in shares.items()])
        puts = [put for q in shares for put in self.puts[q]]
        length = length_under(self.material, puts, sparse[0].value)
        return _Fits(group, len(shares), sparse, dense, temperature, length)

    def everyone(self) -> Fitted:
        """Fit one shift for all groups: to the mean of their answers, which is best for all together."""
        gathered: dict[int, list[Floats]] = {}
        for answer in self.opinions.of(self.numbers):
            gathered.setdefault(answer.question, []).append(answer.shares)
        return self._fit("sparse", {q: np.mean(rows, axis=0) for q, rows in gathered.items()}, 0)

    def row(self, fit: _Fits) -> dict[str, Any]:
        """Return what the table says of a group."""
        first = fit.sparse[0]
        alike = [
            overlap(one.value.cpu().numpy(), other.value.cpu().numpy())
            for i, one in enumerate(fit.sparse)
            for other in fit.sparse[:i]
        ]
        return {
            "group": fit.group,
            "questions": fit.questions,
            "features": int((first.value != 0).sum()),
            "length": fit.length,
            "kl_before": first.before,
            "kl_after": first.after,
            "steps": first.steps,
            "temperature": fit.temperature,
            "overlap": float(np.mean([jaccard for jaccard, _ in alike])) if alike else None,
            "cosine": float(np.mean([cosine for _, cosine in alike])) if alike else None,
        }

    def _fit(self, kind: str, shares: Mapping[int, Floats], repeat: int) -> Fitted:
        """Fit, or take what an earlier run fitted of the same."""
        train, check = self._sides(shares, repeat)
        make: Callable[..., Fitted] = fit_sparse if kind == "sparse" else fit_dense
        self._done += 1
        stage = f"fitting {self._done} of {self._runs}"
        self.say(stage, 0, self.request.steps)
        seed = [self.request.seed, repeat, 3]
        panel = self.setting.panel
        return kept_or_made(
            {
                "kind": kind,
                "model": [panel.model.revision, panel.model.dtype, panel.model.device.type],
                "sae": [panel.sae.encoder.weights_sha256, panel.sae.norm_limit],
                "options": {
                    name: value
                    for name, value in self.request.params().items()
                    if name not in ("repeats", "controls", "labels", "by", "sae")
                },
                "neutral": [kept.ids.tolist() for kept in self.material.neutral],
                "train": _told(train),
                "check": _told(check),
                "repeat": repeat,
            },
            panel.decoder.device,
            lambda: make(
                self.material, train, check, self.request, seed,
                lambda taken: self.say(stage, taken, self.request.steps),
            ),
        )  # fmt: skip

    def _sides(self, shares: Mapping[int, Floats], repeat: int) -> tuple[Any, Any]:
        """Return what steps are taken on, and what stops them; each repeat sets other questions aside."""
        checked = set(self.split.check)
        if repeat:
            units = sorted({self.opinions.questions[q].unit for q in shares})
            draw = np.random.default_rng([self.request.seed, repeat, 4])
            n = max(1, round(len(units) * 0.2))
            aside = {units[i] for i in draw.permutation(len(units))[:n]}
            checked = {q for q in shares if self.opinions.questions[q].unit in aside}
        sides = [{q: own for q, own in shares.items() if (q in checked) == aside} for aside in (False, True)]
        most = self.request.train_orders
        return targets_of(self.puts, sides[0], most), targets_of(self.puts, sides[1], most)


def _told(targets: Sequence[Any]) -> list[Any]:
    return [
        [
            [[put.asking.prompt.ids.tolist(), list(put.asking.order)] for put in target.puts],
            target.shares.tolist(),
        ]
        for target in targets
    ]


def _by_question(puts: Sequence[Put]) -> dict[int, list[Put]]:
    found: dict[int, list[Put]] = {}
    for put in puts:
        found.setdefault(put.question, []).append(put)
    return found


def _repeats(fits: Sequence[Fitted]) -> tuple[int, ...]:
    """Return for each feature that moved in how many fits it did so in the same direction."""
    signs = torch.stack([fit.value.sign() for fit in fits])
    there = signs[0] != 0
    return tuple(int(n) for n in (signs[:, there] == signs[0, there]).sum(dim=0))


def _about(subject: Subject, model: Any, request: ShiftRequest) -> dict[str, Any]:
    encoder = subject.sae.encoder
    named = request.sae if request.sae is not None else model
    place = str(named) if isinstance(named, str | Path) else ""
    if place and shipped.by_name(place) is None and Path(place).is_dir():
        place = str(Path(place).resolve())
    return {
        "origin": subject.sae.origin,
        "place": place,
        "weights_sha256": encoder.weights_sha256,
        "d_sae": encoder.d_sae,
        "d_in": encoder.d_in,
    }


def _metrics(opinions: Opinions, split: Split, fitter: _Fitter) -> dict[str, Any]:
    elsewhere = [letters.elsewhere for letters in fitter.letters.values()]
    refused = [answer.refused for answer in opinions.answers]
    return {
        "groups": len(opinions.groups),
        "questions": len(opinions.questions),
        "held_out": len(split.held),
        "fitted_on": len(split.train),
        "set_aside": len(split.check),
        "elsewhere": float(np.mean(elsewhere)),
        "refused": float(np.mean(refused)),
        "median_norm": fitter.material.norm,
    }


def _notes(fits: Sequence[_Fits]) -> tuple[str, ...]:
    notes = []
    if still := [fit.group for fit in fits if not fit.sparse[0].steps]:
        named = ", ".join(still[:5])
        notes.append(
            f"{len(still)} of {len(fits)} shifts stay at zero ({named}): no step brought the answers to the "
            "questions set aside closer"
        )
    if last := [fit.group for fit in fits if fit.sparse[0].steps == fit.sparse[0].taken > 0]:
        notes.append(f"{len(last)} of {len(fits)} fits were best at their last step: more --steps may help")
    return tuple(notes)


def _warn_of_length(table: pl.DataFrame) -> None:
    for row in table.filter(pl.col("length") > _LONG).to_dicts():
        warn(
            f"the shift of {row['group']!r} moves the hidden states by {row['length']:.2f} of their length: "
            "texts may break; raise --displacement or --preserve"
        )
