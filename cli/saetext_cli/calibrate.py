"""``saetext calibrate``: thresholds of a reader from reference text."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from saetext.errors import InputError
from saetext.reader.thresholds.request import CalibrateRequest
from saetext.text.terminal import visible
from saetext_cli.common import describe_source, load_reader, note, result
from saetext_cli.meters import progress_bar
from saetext_cli.options import ModelChoice, Texts

if TYPE_CHECKING:
    from saetext.reader.reader import Reader

LEAST_TOKENS = 1000  # fewer make no percentiles


def register(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command("calibrate", epilog="Example: saetext calibrate sae_dir/ texts.jsonl --model gpt2")(calibrate)


def calibrate(
    reader: Annotated[str, typer.Argument(metavar="READER", help="RELEASE/SAE_ID, or an SAE directory.")],
    source: Annotated[str, typer.Argument(metavar="FILE", help="Reference text, as for encode.")],
    request: CalibrateRequest,
    texts: Texts,
    choice: ModelChoice,
) -> None:
    """Set a threshold for each feature from reference text; kept in your cache for later encodings."""
    from saetext.documents import open_documents
    from saetext.reader.thresholds.estimation import calibrate as make
    from saetext.reader.thresholds.policy import readable

    if request.max_tokens < LEAST_TOKENS:
        raise typer.BadParameter(f"--max-tokens is at least {LEAST_TOKENS}, not {request.max_tokens}")
    documents = open_documents(source, **texts.given())
    describe_source(documents)
    loaded = load_reader(
        [reader], choice.model, device=choice.device, dtype=choice.dtype, trust_pickle=choice.trust_pickle
    )
    if loaded.calibrated and all(
        calibration.percentile == request.percentile for calibration in loaded.calibrations.values()
    ):
        raise InputError(
            f"{reader} comes with thresholds at the {request.percentile:g}th percentile; "
            "choose another with --percentile"
        )
    with progress_bar() as show:
        asked = request.replace(role=texts.role, reference=documents.name, on_progress=show)
        calibrated = make(loaded, readable(documents), **asked.keywords())
    for (name, calibration), path in zip(
        calibrated.calibrations.items(), _kept(calibrated, request), strict=True
    ):
        never = int((calibration.density == 0).sum())
        note(
            f"{name}: thresholds of {len(calibration):,} features at the "
            f"{request.percentile:g}th percentile, "
            f"from {calibration.about['tokens']:,} tokens; L0 {calibration.about['l0']:.1f}, "
            f"{never:,} features never active"
        )
        result(visible(str(path)))


def _kept(calibrated: Reader, request: CalibrateRequest) -> list[Path]:
    from saetext.reader.thresholds.estimation import cache_calibrations

    try:
        return cache_calibrations(calibrated, request.percentile, request.min_tokens)
    except OSError as error:
        raise InputError(
            f"cannot write {error.filename or 'the cache'}: {error.strerror or error}; "
            "set SAETEXT_CACHE to a directory that can be written to"
        ) from error
