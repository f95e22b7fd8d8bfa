"""What was answered so far, one line for each sample: an evaluation that was stopped, however, goes on from here."""

from __future__ import annotations

import contextlib
import json
import time
from typing import TYPE_CHECKING, Any, Self

from hark.answers.answer import Answer, Notice, Usage
from hark.answers.transcript import Segment, Word
from hark.errors import OutputError
from hark.evaluation.task import Reply, Score

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

NAME = "journal.jsonl"


class Journal:
    """The journal in a folder; a context, in which no other process writes into it.

    Attributes:
        seconds: what all runs took that wrote into it, from their start to their last answer.
        runs: how many there were.
    """

    def __init__(self, folder: Path, model: Mapping[str, Any]) -> None:
        """Open it, or begin it; `model` says what answers.

        Raises:
            OutputError: the folder cannot be written, or holds the answers of another model.
        """
        self.path, self._model = folder / NAME, json.loads(json.dumps(model))
        self._known: dict[str, tuple[str, dict[str, Any]]] = {}
        self._scored: dict[str, tuple[str, dict[str, Any]]] = {}
        self.seconds, self.runs = 0.0, 0
        self._last = 0.0

    def __enter__(self) -> Self:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("ab+")
        except OSError as error:
            raise OutputError(f"{self.path} cannot be written: {error.strerror}.") from error
        try:
            self._lock()
            self._read()
            self._last = time.time()
            self._write({"run": self._last, "model": self._model})
        except BaseException:
            self._file.close()
            raise
        self.runs += 1
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __len__(self) -> int:
        return len(self._known)

    def find(self, key: str, asked: str) -> Reply | None:
        """The reply for a sample; None where it was not asked so: not at all, or other than it is asked now."""
        before, values = self._known.get(key, ("", {}))
        return read_reply(values) if before == asked else None

    def add(self, key: str, asked: str, reply: Reply) -> Reply:
        """Write down a reply; returns it as a later run would read it.

        Raises:
            OutputError: it cannot be written.
        """
        values = reply_values(reply)
        now = time.time()
        self._write({"key": key, "asked": asked, "at": now, "reply": values})
        self.seconds += now - self._last
        self._last = now
        return read_reply(json.loads(json.dumps(values)))

    def score(self, key: str, judged: str) -> Score | None:
        """The score of a sample; None where it was not judged so."""
        before, values = self._scored.get(key, ("", {}))
        return Score(**values) if before == judged else None

    def add_score(self, key: str, judged: str, score: Score) -> Score:
        """Write down a score that was dear: a judge was asked; returns it as a later run would read it.

        Raises:
            OutputError: it cannot be written.
        """
        values = json.loads(json.dumps(score.to_dict()))
        self._write({"key": key, "judged": judged, "score": values})
        return Score(**values)

    def _write(self, values: Mapping[str, Any]) -> None:
        try:
            text = json.dumps(values, ensure_ascii=False)
            self._file.write(text.encode(errors="backslashreplace") + b"\n")
            self._file.flush()
        except OSError as error:
            raise OutputError(f"{self.path} cannot be written: {error.strerror}.") from error

    def _lock(self) -> None:
        try:
            import fcntl
        except ImportError:  # Windows
            return
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise OutputError(
                f"Another process evaluates into {self.path.parent}.", hint="Wait for it, or name another folder."
            ) from error

    def _read(self) -> None:
        self._file.seek(0)
        whole, last = 0, 0.0
        for line in self._file:
            if not line.endswith(b"\n"):
                break  # it was being written when the run was killed
            whole += len(line)
            with contextlib.suppress(ValueError, KeyError, TypeError):  # a line that is broken is asked once more
                values = json.loads(line)
                if "score" in values:
                    self._scored[values["key"]] = (values["judged"], values["score"])
                elif "run" in values:
                    self._same(values["model"])
                    self.runs, last = self.runs + 1, values["run"]
                else:
                    self._known[values["key"]] = (values["asked"], values["reply"])
                    self.seconds, last = self.seconds + values["at"] - last, values["at"]
        self._file.truncate(whole)

    def _same(self, model: Any) -> None:
        if model == self._model:
            return
        changed = sorted(name for name in {*model, *self._model} if model.get(name) != self._model.get(name))
        raise OutputError(
            f"{self.path.parent} holds answers of another model ({', '.join(changed)}).",
            hint="Name another folder with --out, or remove this one.",
        )


def reply_values(reply: Reply) -> dict[str, Any]:
    """A reply as plain values for JSON."""
    answer = reply.answer.to_dict() if reply.answer else None
    values = {"answer": answer, "error": reply.error}
    return values | {"seconds": reply.seconds, "first": reply.first, "memory": reply.memory}


def read_reply(values: Mapping[str, Any]) -> Reply:
    """A reply as `reply_values` wrote it."""
    answer = values["answer"]
    times = (values["seconds"], values["first"], values["memory"])
    return Reply(_answer(answer) if answer is not None else None, values["error"], *times)


def _answer(values: Mapping[str, Any]) -> Answer:
    return Answer(
        values["generated_text"],
        Usage(**values["usage"]),
        tuple(Notice(**each) for each in values["notices"]),
        tuple(_segment(each) for each in values["evidence"]),
        values.get("language"),
        values.get("data"),
    )


def _segment(values: Mapping[str, Any]) -> Segment:
    rest = {name: value for name, value in values.items() if name != "words"}
    words = ({"text" if name == "word" else name: v for name, v in word.items()} for word in values.get("words", ()))
    return Segment(**rest, words=tuple(Word(**word) for word in words))
