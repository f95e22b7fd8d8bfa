"""Training on mixed tasks told apart by tags such as `[ASR English]`: what AudioPaLM and composed models share.

Source of the tags: AudioPaLM (arXiv:2306.12925), section 3.4: a task and the names of languages, in plain text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from hark.errors import DataError, OptionError, OutputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from hark.audio.audio import Audio
    from hark.data.sample import Sample

TAGS = {"transcribe": "ASR", "translate": "S2TT", "text": "MT"}  # the last from text to text
IGNORED = -100  # of labels: what is not learned

Row = dict[str, Any]
Positive = Annotated[float, Field(gt=0)]
Many = Annotated[int, Field(ge=1)]


class Fitting(BaseModel):
    """How long and how to train, in the words of transformers' `TrainingArguments`.

    `save_every` steps there is a checkpoint to go on from.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    steps: Many = 1000
    batch_size: Many = 8
    accumulate: Many = 1
    learning_rate: Positive = 1e-4
    warmup_steps: Annotated[int, Field(ge=0)] = 0
    bf16: bool = False
    activation_checkpointing: bool = False
    seed: Annotated[int, Field(ge=0)] = 1
    log_every: Many = 50
    save_every: Many = 500


def task_of(sample: Sample) -> str:
    """`transcribe`, `translate`, or `text` for a sample without a recording.

    Raises:
        DataError: it has no answer, several recordings, or is about something else.
    """
    if sample.target is None or len(sample.clips) > 1:
        raise DataError(f"The sample {sample.id} has no answer, or several recordings.", hint="Leave it out.")
    if not sample.clips:
        return "text"
    task = sample.task or ("translate" if sample.to and sample.to != sample.language else "transcribe")
    if task not in ("transcribe", "translate"):
        raise DataError(
            f"The sample {sample.id} is of the task {task!r}.", hint="transcribe and translate are learned; or text."
        )
    return task


def tag_of(task: str, language: str | None, to: str | None, tags: Mapping[str, str], names: Mapping[str, str]) -> str:
    """The tag of a task: its word, and the names of the languages, of which a transcript has one.

    Where no language has a name, transcripts are asked for without one.

    Raises:
        DataError: a language has no name.
    """
    codes = [code for code in (language, to if task != "transcribe" else None) if code]
    if task == "transcribe" and not names:
        codes = []
    lacking = [code for code in codes if code not in names]
    if lacking:
        raise DataError(f"The language {lacking[0]!r} has no name.", hint=f"Give it: --language {lacking[0]}=NAME.")
    return f"[{' '.join([tags[task], *(names[code] for code in codes)])}]"


def heard(clip: Audio, longest: float | None, pause: float) -> NDArray[np.float32]:
    """The samples (n,) of a recording as they are heard for a transcript: without silence around them, at 16 kHz.

    One that is heard in several pieces, or in which no speech is found, is taken as it is.
    """
    from hark.audio.audio import RATE
    from hark.audio.windows import stretch

    return stretch(clip.samples(RATE), max_seconds=min(longest or 30.0, 30.0), min_silence=pause)


def unused(out: Path) -> None:
    """See that there is nothing in a folder that is to be written.

    Raises:
        OutputError: there is.
    """
    if out.exists() and any(out.iterdir()):
        raise OutputError(f"There is something in {out} already.", hint="Name a new folder.")


def languages(given: Iterable[str]) -> dict[str, str]:
    """Names of languages by their code, of texts such as `en=English`.

    Raises:
        OptionError: one is written otherwise.
    """
    found = {}
    for text in given:
        code, equals, name = text.partition("=")
        if not (code.strip() and equals and name.strip()):
            raise OptionError(f"{text!r} names no language.", hint="Write CODE=NAME, such as en=English.")
        found[code.strip()] = name.strip()
    return found


def rows(
    samples: Iterable[Sample], made: Callable[[Sample], Row], step: Callable[[int], None] = lambda _: None
) -> list[Row]:
    """The rows of all samples, in memory: ids, no audio.

    Raises:
        DataError: there are none, or one cannot be learned.
    """
    found = list[Row]()
    for sample in samples:
        found.append(made(sample))
        step(1)
    if not found:
        raise DataError("There is no sample to learn from.", hint="hark data check says what there is.")
    return found


def fit(
    model: Any,
    some: Sequence[Row],
    collate: Callable[[list[Row]], dict[str, Any]],
    out: Path,
    how: Fitting,
    *,
    resume: bool = False,
    callbacks: Sequence[Any] = (),
) -> None:
    """Train with transformers' `Trainer`; checkpoints, its state and the page of its curves go into `out`.

    With `resume` it goes on from the last checkpoint there.

    Raises:
        OutputError: there is a checkpoint, and it is not to be gone on from.
    """
    import torch
    from transformers import PrinterCallback, Trainer, TrainingArguments
    from transformers.integrations import is_tensorboard_available
    from transformers.trainer_utils import get_last_checkpoint

    from hark.training.report import report

    ready = get_last_checkpoint(str(out))
    if ready and not resume:
        raise OutputError(f"There is a training in {out}.", hint="Go on with --resume, or name another --out.")
    told = TrainingArguments(
        output_dir=str(out),
        max_steps=how.steps,
        per_device_train_batch_size=how.batch_size,
        gradient_accumulation_steps=how.accumulate,
        learning_rate=how.learning_rate,
        warmup_steps=how.warmup_steps,
        lr_scheduler_type="cosine",
        weight_decay=0.0,
        bf16=how.bf16,
        activation_checkpointing=how.activation_checkpointing,
        seed=how.seed,
        logging_steps=how.log_every,
        save_steps=how.save_every,
        save_total_limit=2,
        report_to=["tensorboard"] if is_tensorboard_available() else [],
        disable_tqdm=True,
        dataloader_pin_memory=torch.cuda.is_available(),
        remove_unused_columns=False,
    )
    trainer = Trainer(
        model=model, args=told, train_dataset=list(some), data_collator=collate, callbacks=[*callbacks] or None
    )
    trainer.remove_callback(PrinterCallback)  # what is shown is up to the caller
    trainer.train(resume_from_checkpoint=ready)
    if trainer.is_world_process_zero():
        trainer.save_state()
        report(out)


def padded(some: Sequence[Sequence[int]], fill: int) -> Any:
    """Ids as one tensor (rows, longest), filled up at the end."""
    import torch

    longest = max(map(len, some))
    return torch.tensor([[*ids, *[fill] * (longest - len(ids))] for ids in some])


def samples_of(paths: Sequence[Path]) -> Iterator[Sample]:
    """The samples of several data sets, in formats of `hark data`.

    Raises:
        DataError: one cannot be read.
    """
    from hark.data import read

    for path in paths:
        yield from read(path)
