"""Which column is the text, the prompt, the messages, the id: named by the user, or guessed and said so.

A guess needs a telling name or values that can be nothing else; without either it is refused, with the places
where text is. Not for: checking each row (``convert``), or rows that a tool wrote (``shapes``).
"""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from saetext.documents.chat import parse_messages
from saetext.documents.convert import plain_value
from saetext.documents.paths import texts_in
from saetext.documents.presets.judged import pair_of
from saetext.documents.reading import kind_of, shorten
from saetext.documents.record import Columns
from saetext.documents.words import holds_prose, name_words, short_or_few, word_set
from saetext.errors import InputError
from saetext.text.one_line import one_line, quoted

TEXT_NAMES: Final = (
    "text",
    "output",
    "response",
    "content",
    "model_output",
    "model_response",
    "model_answer",
    "generated_text",
    "answer",
    "completion",
    "generation",
    "document",
    "body",
)
PROMPT_NAMES: Final = ("prompt", "instruction", "question", "query", "input")
MESSAGES_NAMES: Final = ("messages", "conversation", "conversations", "chat")
ID_NAMES: Final = ("id", "doc_id", "uuid")


#: The last word of a column's name that says it holds what was written.
_HEADS: Final = word_set(
    "text output response answer completion generation content reply message document body comment review "
    "story article essay transcript summary generated predicted prediction"
)
_ASKS: Final = word_set(
    "prompt prompts instruction instructions question questions query queries input inputs request"
)
#: Words in the name of a column that is never read as the text, unless it is named.
_NEVER: Final = word_set(
    "id ids uid uuid guid key hash index status state model models filter role name type kind label labels "
    "category class tag tags lang language source url uri link path file filename date time datetime "
    "timestamp created updated provider engine version split task dataset reference references gold golden "
    "target targets expected correct truth ideal error errors reason finish system"
)


class ColumnChooser:
    """Chooses columns by what the user named and what the first rows hold.

    Parameters
    ----------
    source : str
        The source's name, for messages.
    sample : sequence of mappings
        The first readable rows.
    columns : sequence of str or None
        All columns, if the source has a schema; else those of the sample.
    untyped : bool
        Whether the values are strings that have to be told apart by their looks.
    late : sequence of str
        Columns that are there, though not in the first rows.
    """

    def __init__(
        self,
        source: str,
        sample: Sequence[Mapping[str, Any]],
        columns: Sequence[str] | None,
        untyped: bool,
        late: Sequence[str] = (),
    ) -> None:
        self._source = source
        self._sample = sample
        self._untyped = untyped
        self._from_schema = columns is not None
        self.available = tuple(dict.fromkeys([*(str(name) for row in sample for name in row), *late]))
        if columns is not None:
            self.available = tuple(columns)

    def choose(
        self,
        text: str | None,
        id: str | None,
        prompt: str | None,
        messages: str | None,
        known: Columns | None = None,
    ) -> Columns:
        """Return the columns; None asks for a guess and ``""`` for none.

        ``known`` are those of a shape that was recognised: they stand unless something else was named.

        Raises
        ------
        InputError
            If a named column is not there, one is named twice, or no text can be found.
        """
        given = {"text": text, "messages": messages, "prompt": prompt, "id": id}
        named = [name for name in given.values() if name]
        for part, name in given.items():
            if name and name not in self.available:
                raise InputError(self._missing(name))
            if name and named.count(name) > 1:
                raise InputError(f"column {name!r} is named for {part} and for something else; name it once")
        if messages and (text or prompt):
            other = "a text" if text else "a prompt"
            raise InputError(f"messages were named together with {other} column; they hold the whole chat")
        parts: dict[str, str | None] = {part: name or None for part, name in given.items()}
        if known is not None and not text and not messages:
            for part, name in known.chosen().items():
                if given[part] is None and name in self.available and name not in named:
                    parts[part] = name
        if id is None and not parts["id"]:
            taken = [name for name in parts.values() if name]
            parts["id"] = self._first(ID_NAMES, lambda name: name not in taken)
        if not parts["text"] and not parts["messages"]:
            self._guess_content(parts, text is None, messages is None)
        if prompt is None and parts["text"] and not parts["prompt"]:
            parts["prompt"] = self._guess_prompt([name for name in parts.values() if name])
        guessed = tuple(part for part, name in parts.items() if name and not given[part])
        return Columns(**parts, guessed=guessed, available=self.available)

    def _guess_prompt(self, used: Sequence[str]) -> str | None:
        def fits(name: str) -> bool:
            return name not in used and self._is_text(name)

        if found := self._first(PROMPT_NAMES, fits):
            return found
        asks = [name for name in self.available if fits(name) and self._asks(name) and self._prose(name)]
        return asks[0] if len(asks) == 1 else None

    def _guess_content(self, parts: dict[str, str | None], text: bool, messages: bool) -> None:
        """Fill in ``text`` or ``messages``; strong evidence first."""
        used = [name for name in parts.values() if name]
        elsewhere = texts_in(self._sample) if text or messages else []

        others = [name for name in self.available if self._prose(name) and not self._asks(name)]

        def called_text(name: str) -> bool:
            # a label beside prose is no text, whatever it is called
            beside = bool(elsewhere) or (name.casefold() != "text" and any(other != name for other in others))
            return name not in used and self._is_text(name) and not (beside and self._short_or_few(name))

        if text and (found := self._first(TEXT_NAMES, called_text)):
            parts["text"] = found
            return
        if messages and not parts["prompt"] and (found := self._guess_messages(used)):
            parts["messages"] = found
            return
        if text and (found := self._by_looks(used, elsewhere)):
            parts["text"] = found
            return
        raise InputError(self._cannot_tell(text, messages, used, elsewhere))

    def _guess_messages(self, used: Sequence[str]) -> str | None:
        def first_is_chat(name: str) -> bool:
            values = self._values(name)
            return bool(values) and bool(parse_messages(values[0]))

        if found := self._first(MESSAGES_NAMES, first_is_chat):
            return found
        chats = [name for name in self.available if name not in used and self._is_messages(name)]
        return chats[0] if len(chats) == 1 else None

    def _by_looks(self, used: Sequence[str], elsewhere: Sequence[str]) -> str | None:
        """Return the one column whose name ends in a word for text, or the only one with prose."""
        prose = [name for name in self.available if name not in used and self._prose(name)]
        written = [
            name
            for name in prose
            if (words := name_words(name))
            and words[-1] in _HEADS
            and not _NEVER & set(words) - {"model"}
            and not self._asks(name)
        ]
        if len(written) == 1:
            return written[0]
        if written or elsewhere or len(prose) != 1:
            return None
        name = prose[0]
        if _NEVER & set(name_words(name)):
            return None
        if self._asks(name):  # prompts alone are texts; beside what may be the answer they are not
            others = [other for other in self.available if other not in (*used, name)]
            return name if not any(self._may_hold_text(other) for other in others) else None
        return name

    def _may_hold_text(self, name: str) -> bool:
        values = [row.get(name) for row in self._sample]
        return any(isinstance(v, str | list | tuple | Mapping | bytes) for v in values) and not (
            self._untyped and all(v is None or plain_value(v) is not v for v in values)
        )

    def _first(self, names: Sequence[str], fits: Callable[[str], bool]) -> str | None:
        """Return the first column called one of ``names`` that fits; case decides only where it must."""
        folded: dict[str, str] = {}
        for name in self.available:
            folded.setdefault(name.casefold(), name)
            words = "_".join(name_words(name))
            folded.setdefault(words, name)
            folded.setdefault(words.removesuffix("s"), name)
        for name in (*names, *(folded[n] for n in names if n in folded)):
            if name in self.available and fits(name):
                return name
        return None

    def _values(self, name: str) -> list[Any]:
        return [value for row in self._sample if (value := row.get(name)) is not None]

    def _is_text(self, name: str) -> bool:
        return any(isinstance(value, str | bytes) for value in self._values(name))

    def _prose(self, name: str) -> bool:
        return holds_prose(self._values(name))

    def _short_or_few(self, name: str) -> bool:
        return short_or_few(self._values(name))

    def _asks(self, name: str) -> bool:
        return bool(_ASKS & set(name_words(name)))

    def _is_messages(self, name: str) -> bool:
        """Return whether a column, whatever its name, has chats in which more than the user speaks.

        What a model was asked has the shape of a chat, too; its answer then stands elsewhere.
        """
        chats = [parse_messages(value) for value in self._values(name)[:20]]
        answered = any(
            turn.role == "assistant" and turn.content.strip() for chat in chats for turn in chat or ()
        )
        return answered and 5 * sum(map(bool, chats)) >= 4 * len(chats)

    def _cannot_tell(self, text: bool, messages: bool, used: Sequence[str], elsewhere: Sequence[str]) -> str:
        """Return why nothing was guessed, in one line that says where text is and how to name it."""
        wanted = "text or messages" if text and messages else "text" if text else "messages"
        start = f"cannot tell which column of {self._source} holds the {wanted}"
        option = "--text-column" if text else "--messages-column"
        pair = next((found for row in self._sample if (found := pair_of(row))), None)
        if pair is not None and text:
            return f"{start}: it has two answers in one row; saetext diff FILE --columns {','.join(pair)}"
        flat = [name for name in self.available if name not in used and self._prose(name)]
        written = [name for name in flat if not self._asks(name) and not _NEVER & set(name_words(name))]
        places = [*written, *elsewhere] or flat
        if places and text:
            shown = ", or ".join(f"{shorten(name, 80)}: {option} {_quoted(name)}" for name in places[:3])
            return f"{start}; text is at {shown}"
        printed = next((name for name in self.available if any(map(_is_printed, self._values(name)))), None)
        if printed is not None and not places:
            return (
                f"{start}; column {printed!r} holds what Python prints of a list or a dict: write it with "
                "json.dumps"
            )
        called = self._first(TEXT_NAMES, lambda name: name not in used)
        held = self._values(called) if called else []
        odd = f"; column {called!r} holds {kind_of(held[0])}" if held and not isinstance(held[0], str) else ""
        return f"{start}{odd}; name one of its columns with {option}: {self._listed()}"

    def _missing(self, name: str) -> str:
        close = difflib.get_close_matches(name, self.available, n=1)
        lowered = [c for c in self.available if c.casefold() == name.casefold()]
        hint = f"; did you mean {(lowered or close)[0]!r}?" if lowered or close else ""
        first = len(self._sample)
        where = "" if self._from_schema else f" in its first {'row' if first == 1 else f'{first} rows'}"
        return f"{self._source} has no column {quoted(name)}{where}{hint} (columns: {self._listed()})"

    def _listed(self) -> str:
        shown = ", ".join(shorten(repr(name), 60) for name in self.available[:30])
        more = len(self.available) - 30
        return (shown or "none") + (f" and {more} more" if more > 0 else "")


def _is_printed(value: object) -> bool:
    return isinstance(value, str) and value.lstrip().startswith(("[{'", "{'", "['"))


def _quoted(name: str) -> str:
    """Return a name as a shell takes it."""
    return shlex.quote(one_line(name, 120))
