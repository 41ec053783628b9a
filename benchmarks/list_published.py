"""Write the list of published SAEs that saetext ships, from the installed sae-lens.

    python benchmarks/list_published.py

Run it after changing sae-lens's version in constraints.txt; ``tests/test_published.py`` compares the two.
"""

from __future__ import annotations

import json
import lzma
from importlib.metadata import distribution

from saetext.reader.published import PATH, read_sae_lens, sae_lens_version


def main() -> None:
    """Write the list and the licence it is under."""
    version = sae_lens_version()
    if version is None:
        raise SystemExit("needs sae-lens: pip install 'saetext[saelens]'")
    releases = read_sae_lens()
    whole = {"source": "sae_lens/pretrained_saes.yaml", "version": version, "releases": releases}
    text = json.dumps(whole, ensure_ascii=False, separators=(",", ":"))
    PATH.write_bytes(lzma.compress(text.encode(), preset=9 | lzma.PRESET_EXTREME))
    licence = distribution("sae-lens").read_text("licenses/LICENSE")
    if not licence:
        raise SystemExit("this sae-lens comes without its licence: take it from its repository")
    notice = f"releases.json.xz is drawn from pretrained_saes.yaml of SAELens {version}. Its licence is:\n\n"
    PATH.with_name("LICENSE").write_text(notice + licence, "utf-8")
    number = sum(len(release["saes"]) for release in releases.values())
    print(f"{len(releases)} releases, {number:,} SAEs, {PATH.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
