"""Writers: the causal models that an explorer has at hand to turn features in, loaded once one is needed.

A corpus that a causal model read brings its model and its SAE; another is named when the explorer is started.
Not for: turning (:mod:`saetext.report.explore.queries.turning`).
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from saetext.corpus import Corpus
from saetext.errors import InputError, SaetextError
from saetext.features.subject import Subject, open_subject
from saetext.reader import shipped
from saetext.report.explore.kept import Kept

if TYPE_CHECKING:
    from saetext.intervene.generator import Generator
    from saetext.io.progress import OnProgress

_LOADED = 2  # models that are kept


@dataclass(frozen=True)
class Model:
    """A model that writes, and the SAE whose features are turned in it; nothing of it is loaded.

    Attributes
    ----------
    name : str
        The model: Hugging Face id, directory, or name of an added one.
    sae : str
        The SAE: a reader of the package, ``RELEASE/SAE_ID`` or a directory.
    """

    name: str
    sae: str

    @property
    def title(self) -> str:
        """What it is called where there is little room: of a directory its own name."""
        return Path(self.name).name if Path(self.name).is_absolute() else self.name


class Writers:
    """The models that write.

    Parameters
    ----------
    model : str, optional
        One that is named besides those of the corpora; it is used in place of them.
    sae : str, optional
        The SAE whose features are turned in it; by default the package's of that model.
    device : str
        Where they run.
    reference : path, optional
        Texts in which strengths are measured; by default the example's answers.

    Raises
    ------
    InputError
        If an SAE is named without a model, or a model without its SAE.
    """

    def __init__(
        self,
        model: str | None = None,
        sae: str | None = None,
        *,
        device: str = "auto",
        reference: Path | None = None,
    ) -> None:
        if model is None and sae is not None:
            raise InputError("--sae says whose features are turned in --model: name that too")
        self.named: Model | None = None
        if model is not None:
            own = shipped.by_name(model)
            place = sae or ("" if own is None else own.name)
            if own is not None and own is shipped.EMBEDDED:
                raise InputError(f"{model} reads, it cannot write: name a causal model, such as smollm2")
            if not place:
                raise InputError(f"whose features are turned in {model}? name its SAE with --sae")
            self.named = Model(model, place)
        self.device, self.reference = device, reference
        self._running = threading.Lock()
        self._subjects: Kept[Subject] = Kept(4)
        self._loaded: Kept[Generator] = Kept(_LOADED)
        self._precise: Kept[Generator] = Kept(1)

    def of(self, corpus: Corpus, sae: str) -> Model | None:
        """Return the model in which features are turned while a corpus's SAE is looked at; None for none."""
        return self.named or own_model(corpus, sae)

    def turns(self, corpus: Corpus, sae: str) -> bool:
        """Return whether the features of a corpus's SAE are those that can be turned."""
        if self.named is None:
            return own_model(corpus, sae) is not None
        try:
            own = self.subject(self.named).sae.weights_sha256
        except SaetextError:  # the room Turn says so; other pages do without
            return False
        return own == corpus.spec.sae(sae).weights_sha256

    def subject(self, model: Model) -> Subject:
        """Return the features of a model's SAE, without the model.

        Raises
        ------
        ReaderError
            If the SAE cannot be found.
        """
        return self._subjects.get(model, lambda: open_subject(model.sae))

    def generator(self, model: Model) -> Generator:
        """Return a model with its SAE, loaded the first time.

        Raises
        ------
        SaetextError
            If it cannot be loaded, or cannot write.
        """
        from saetext.intervene.generator import load_generator

        return self._loaded.get(model, lambda: load_generator(model.name, model.sae, device=self.device))

    def precise(self, model: Model) -> Generator:
        """Return a model in float32, loaded once more where it writes in less.

        The effect of one feature is often smaller than what bfloat16 rounds away.

        Raises
        ------
        SaetextError
            If it cannot be loaded.
        """
        from saetext.intervene.generator import load_generator

        made = self.generator(model)
        if made.model.dtype in ("float32", "float64"):
            return made
        return self._precise.get(
            model, lambda: load_generator(model.name, model.sae, device=self.device, dtype="float32")
        )

    @contextmanager
    def alone(self, on_progress: OnProgress) -> Iterator[None]:
        """Let one thread run models at a time: their buffers are shared. Who waits can be stopped."""
        from saetext.io.progress import Progress

        while not self._running.acquire(timeout=0.2):
            on_progress(Progress("waiting for another text to be written"))
        try:
            yield
        finally:
            self._running.release()


def own_model(corpus: Corpus, sae: str) -> Model | None:
    """Return the model and SAE that made a corpus, where they may write; None for the embedded reader."""
    source = corpus.spec.source
    own = shipped.of_source(source)
    if own is not None:
        return None if own is shipped.EMBEDDED else Model(own.name, own.name)
    if source.get("kind") not in ("release", "local"):
        return None
    places = dict(zip((spec.name for spec in corpus.spec.saes), source["saes"], strict=False))
    return Model(str(source.get("model") or corpus.spec.model), str(places[sae])) if sae in places else None
