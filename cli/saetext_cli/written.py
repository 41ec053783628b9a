"""What commands that write texts in arms share: where texts and the page go. Not for: writing the texts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from saetext.io.request import option
from saetext_cli.common import note, require_new
from saetext_cli.meters import progress_bar
from saetext_cli.options import PageOutput

if TYPE_CHECKING:
    from saetext.intervene.ablation.result import AblateResult
    from saetext.intervene.causes.result import WhyResult
    from saetext.intervene.heads.result import AttendResult
    from saetext.intervene.result import SteerResult


@dataclass(frozen=True, kw_only=True)
class ArmsOutput(PageOutput):
    """Output with the texts of all arms."""

    output: Path | None = option(
        "Write the texts of all arms: .jsonl, .parquet, or .corpus (read by the embedded reader).",
        default=None,
        flags=("--output", "-o"),
        metavar="FILE",
        group="Output",
    )

    @property
    def files(self) -> tuple[Path | None, ...]:
        """The files that will be written."""
        return (*super().files, self.output)

    def require_writable(self) -> None:
        """Raise :class:`InputError` if a file exists, or texts cannot be written under its name."""
        for path in self.files:
            require_new(path)
        if self.output is not None and self.output.suffix.lower() != ".corpus":
            from saetext.intervene.texts_file import require_name

            require_name(self.output)


def write_page(found: SteerResult | AblateResult | AttendResult | WhyResult, path: Path | None) -> None:
    """Write the page, if a file is named, and say so."""
    if path is not None:
        found.to_html(path)
        note(f"wrote {path}")


def write_arms(found: SteerResult | AblateResult | WhyResult, path: Path | None) -> None:
    """Write the texts of all arms, if a file is named, and say so."""
    if path is None:
        return
    if path.suffix.lower() != ".corpus":
        found.write_texts(path)
    else:
        from saetext.encoding.encoder import encode
        from saetext.intervene.texts_file import rows_of

        with progress_bar("encoding the texts") as show:
            encode(rows_of(found.texts), path, id="id", text="text", prompt="prompt", on_progress=show)
    note(f"wrote {path}")
