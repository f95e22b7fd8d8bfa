"""The folder of a run: whose it is, how far it came, and what of it can be gone on with."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hark.errors import OutputError

if TYPE_CHECKING:
    from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

ABOUT, LOCK = "tune.json", "tune.lock"
_CHECKPOINT = "checkpoint-"


@dataclass(frozen=True, slots=True)
class Folder:
    """Where a run writes.

    Attributes:
        path: the folder.
        about: what the run is made of, as plain values: model, settings, a fingerprint of the data.
        held: the file by which others are kept out.
    """

    path: Path
    about: dict[str, Any]
    held: list[Any] = field(default_factory=list)

    def claim(self) -> Path | None:
        """Take the folder for this run; the last whole checkpoint, where it was stopped before.

        Raises:
            OutputError: it belongs to something else, or to a run that is finished, or cannot be written.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            begun = any(path.name != LOCK for path in self.path.iterdir())
            self._lock()
            checkpoint = self._checkpoint() if begun else None
            if begun:
                self._refuse_other(checkpoint)
            if checkpoint is None:
                self._write({"finished": False})
        except OSError as error:
            if isinstance(error, OutputError):
                raise
            raise OutputError(f"{self.path} cannot be written: {error.strerror or error}.") from error
        return checkpoint

    def _lock(self) -> None:
        """Keep other runs out of the folder; the system lets go of it when this process ends, however it does."""
        if fcntl is None or "LOCAL_RANK" in os.environ:  # one of the processes of one run
            return
        file = (self.path / LOCK).open("w")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            file.close()
            raise OutputError(f"Another run is at work in {self.path}.", hint="Name another folder.") from error
        self.held.append(file)

    def finish(self, **told: Any) -> None:
        """Say that the run is over, with what came of it, and let go of its checkpoints."""
        self._write({"finished": True, **told})
        for _, place in self._checkpoints():
            shutil.rmtree(place, ignore_errors=True)

    def release(self) -> None:
        """Let other runs in."""
        for file in self.held:
            (self.path / LOCK).unlink(missing_ok=True)
            file.close()
        self.held.clear()

    def _refuse_other(self, checkpoint: Path | None) -> None:
        """Other folders are left alone, and so are runs of another kind, unless nothing came of them yet."""
        try:
            found = json.loads((self.path / ABOUT).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise OutputError(f"{self.path} holds something else.", hint="Name another folder.") from error
        if found.get("finished"):
            raise OutputError(f"The run in {self.path} is finished.", hint="Name another folder.")
        if checkpoint is None:
            return
        other = sorted(key for key in self.about if found.get(key) != self.about[key])
        if other:
            raise OutputError(
                f"The run in {self.path} was begun with other {other[0]}.",
                hint="Name another folder, or repeat what it was begun with.",
            )

    def _write(self, told: dict[str, Any]) -> None:
        partial = self.path / f"{ABOUT}.partial"
        partial.write_text(json.dumps(self.about | told, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        os.replace(partial, self.path / ABOUT)

    def _checkpoint(self) -> Path | None:
        """The last whole checkpoint; its state is written last. Those that broke off are removed."""
        for _, place in reversed(self._checkpoints()):
            try:
                json.loads((place / "trainer_state.json").read_text(encoding="utf-8"))
            except (OSError, ValueError):
                shutil.rmtree(place)
            else:
                return place
        return None

    def _checkpoints(self) -> list[tuple[int, Path]]:
        found = ((place.name.removeprefix(_CHECKPOINT), place) for place in self.path.glob(f"{_CHECKPOINT}*"))
        return sorted((int(number), place) for number, place in found if number.isdigit())
