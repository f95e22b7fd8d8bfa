"""Train a model from scratch by a recipe: transformers' `Seq2SeqTrainer` does the loop."""

from __future__ import annotations

import json
import math
import time
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jiwer
import torch
from accelerate import PartialState
from transformers import (
    EarlyStoppingCallback,
    PrinterCallback,
    Seq2SeqTrainer,
    Seq2SeqTrainingArguments,
    TrainerCallback,
)
from transformers.integrations import is_tensorboard_available

from hark.data.prepare.prepare import alone
from hark.engines.transformers.generation import quiet
from hark.errors import OutputError
from hark.evaluation.metrics.translations import metric
from hark.training import build
from hark.training.averaging import average, checkpoints
from hark.training.examples import Buckets, Examples, collate
from hark.training.report import report

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hark.training.recipe import Recipe

RECIPE, FIGURES = "recipe.yaml", "figures.json"


@dataclass(frozen=True, slots=True)
class Trained:
    """What came of a training.

    Attributes:
        folder: a folder as transformers has them: what `hark.load` and `from_pretrained` take.
        figures: steps, seconds of processor time, word error rates on `dev` and, of each decoding, on `test`.
    """

    folder: Path
    figures: dict[str, Any] = field(default_factory=dict)


class SpeechTrainer(Seq2SeqTrainer):  # type: ignore[misc]  # transformers is typed loosely
    """transformers' trainer, with examples in buckets, and the processor time in its log."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._began = time.process_time()

    def cpu_seconds(self) -> float:
        """Processor time of this training, with that of runs it goes on from."""
        before = max((entry.get("cpu_seconds", 0.0) for entry in self._earlier), default=0.0)
        return round(before + time.process_time() - self._began, 2)

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Write into the log, with the processor time."""
        super().log({**logs, "cpu_seconds": self.cpu_seconds()}, start_time)

    @property
    def _earlier(self) -> list[dict[str, Any]]:
        """The log of the runs before."""
        if not hasattr(self, "_log_before"):
            self._log_before = list(self.state.log_history)
        return self._log_before

    def _get_train_sampler(self, train_dataset: Any = None) -> Buckets:
        examples: Examples = self.train_dataset if train_dataset is None else train_dataset
        return Buckets(examples, self.args.train_batch_size, lambda: math.floor((self.state.epoch or 0) + 1e-6))


class Budget(TrainerCallback):  # type: ignore[misc]
    """Ends the training when its processor time is spent, and judges what there is in the end."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.trainer: SpeechTrainer | None = None

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Stop where it is time to."""
        spent = self.trainer is not None and self.trainer.cpu_seconds() >= self.seconds
        if spent or state.global_step >= state.max_steps:
            control.should_training_stop = control.should_save = True
            control.should_evaluate = args.eval_strategy != "no"


def train(
    recipe: Recipe,
    out: str | Path,
    *,
    resume: bool = False,
    callbacks: Sequence[Any] = (),
    step: Callable[[int], None] = lambda _: None,
) -> Trained:
    """Train by a recipe into a folder; with `resume`, go on from the last checkpoint in it.

    `callbacks` are of transformers' trainer; `step` is called with the samples that were prepared.

    Raises:
        DataError: the data cannot be used. OutputError: the folder holds something else, or another recipe's run, or
            is being written.
    """
    out, processes = Path(out), _processes()
    with processes.main_process_first():
        _begin(out, recipe, resume=resume)
    with alone(out / RECIPE) if processes.is_main_process else nullcontext():
        with processes.main_process_first():
            sources = build.folders(recipe, out, step)
            noise = build.noise(recipe, out)
        return _trained(recipe, out, sources, noise, resume=resume, callbacks=callbacks)


def _trained(
    recipe: Recipe, out: Path, sources: dict[str, Any], noise: Any, *, resume: bool, callbacks: Sequence[Any]
) -> Trained:
    """Train on what was prepared."""
    learned, dev, test = (build.examples(recipe, use, sources[use], noise) for use in ("train", "dev", "test"))
    vocabulary = sources["train"][0].folder
    processor = build.processor(recipe, vocabulary)
    model = build.model(recipe, len(processor.tokenizer), sources["train"][0])
    budget = Budget((recipe.training.cpu_minutes or math.inf) * 60)
    stop = [EarlyStoppingCallback(recipe.training.patience)] if recipe.training.patience else []
    with quiet():
        trainer = SpeechTrainer(
            model=model,
            args=arguments(recipe, out, judged=dev is not None),
            train_dataset=learned,
            eval_dataset=dev,
            data_collator=collate,
            compute_metrics=lambda found: rates(found, processor.tokenizer, recipe.training.judge),
            processing_class=processor,
            callbacks=[budget, *stop, *callbacks],
        )
        trainer.remove_callback(PrinterCallback)  # what is shown is up to the caller
        budget.trainer = trainer
        ready = checkpoints(out)
        trainer.train(resume_from_checkpoint=str(ready[-1]) if resume and ready else None)
        return _finish(trainer, recipe, out, test)


def arguments(recipe: Recipe, out: Path, *, judged: bool) -> Seq2SeqTrainingArguments:
    """The recipe in the words of transformers."""
    said = recipe.training
    return Seq2SeqTrainingArguments(
        output_dir=str(out),
        max_steps=said.steps or -1,
        num_train_epochs=said.epochs or 1,
        per_device_train_batch_size=said.batch_size,
        per_device_eval_batch_size=said.batch_size,
        gradient_accumulation_steps=said.accumulate,
        learning_rate=said.learning_rate,
        warmup_steps=said.warmup_steps,
        lr_scheduler_type=said.schedule,
        weight_decay=said.weight_decay,
        adam_beta1=said.betas[0],
        adam_beta2=said.betas[1],
        max_grad_norm=said.max_grad_norm,
        bf16=said.bf16,
        activation_checkpointing=said.gradient_checkpointing,
        dataloader_num_workers=said.workers,
        seed=said.seed,
        logging_steps=said.log_every,
        eval_strategy="steps" if judged else "no",
        eval_steps=said.evaluate_every,
        save_strategy="steps",
        save_steps=said.evaluate_every,
        save_total_limit=max(said.average, 2),
        load_best_model_at_end=judged,
        metric_for_best_model=f"eval_{said.judge}" if judged else None,
        greater_is_better=said.judge == "bleu",
        predict_with_generate=True,
        generation_max_length=recipe.decoding.max_tokens,
        report_to=["tensorboard"] if is_tensorboard_available() else [],
        disable_tqdm=True,
        remove_unused_columns=False,
        ddp_find_unused_parameters=False,
        dataloader_pin_memory=torch.cuda.is_available(),
        use_cpu=not torch.accelerator.is_available(),  # said outright: else bf16 is refused on a processor
    )


def rates(found: Any, tokenizer: Any, judge: str) -> dict[str, float]:
    """Word and character error rates, in percent, of what was generated, or BLEU beside them.

    Raises:
        MissingExtraError: BLEU is wanted, and sacreBLEU is not installed.
    """
    said, wanted = (
        tokenizer.batch_decode([[token if token >= 0 else tokenizer.pad_token_id for token in row] for row in ids],
                               skip_special_tokens=True)
        for ids in (found.predictions, found.label_ids)
    )  # fmt: skip
    told = {"wer": round(100 * jiwer.wer(wanted, said), 3), "cer": round(100 * jiwer.cer(wanted, said), 3)}
    if judge == "bleu":
        told["bleu"] = round(float(metric("bleu").corpus_score(said, [wanted]).score), 3)
    return told


def _processes() -> PartialState:
    """The processes that train together, of `accelerate launch` or `torchrun`; on processors, too."""
    return PartialState(cpu=not torch.accelerator.is_available())


def _begin(out: Path, recipe: Recipe, *, resume: bool) -> None:
    """Make the folder of the run; go on in one only where that is wanted, and the recipe is the same."""
    path = out / RECIPE
    try:
        if path.exists() and _processes().is_main_process:
            if not resume:
                raise OutputError(f"There is a training in {out}.", hint="Go on with --resume, or name another --out.")
            if path.read_text(encoding="utf-8") != recipe.text():
                raise OutputError(
                    f"The training in {out} was begun with another recipe.",
                    hint=f"{path} has it; or name another --out.",
                )
        elif _processes().is_main_process:
            if out.is_dir() and any(out.iterdir()):
                raise OutputError(f"{out} holds something else.", hint="Name a folder that is new or empty.")
            out.mkdir(parents=True, exist_ok=True)
            path.write_text(recipe.text(), encoding="utf-8")
    except OSError as error:
        if isinstance(error, OutputError):
            raise
        raise OutputError(f"{out} cannot be written: {error.strerror}.") from error


def _finish(trainer: SpeechTrainer, recipe: Recipe, out: Path, test: Examples | None) -> Trained:
    """Average, judge, and write the model and all there is to say about it."""
    figures: dict[str, Any] = {"steps": trainer.state.global_step, "cpu_seconds": trainer.cpu_seconds()}
    figures["parameters"] = trainer.model.num_parameters()
    history = list(trainer.state.log_history)
    if trainer.eval_dataset is not None:
        figures["dev"] = {recipe.training.judge: trainer.state.best_metric, "step": trainer.state.best_global_step}
    _average(trainer, recipe, out, figures)
    if test is not None:
        figures["test"] = {}
        for method in recipe.decoding.compare or (recipe.decoding.method,):
            found = trainer.predict(test, decoding=method, num_beams=1 if method == "ctc" else recipe.decoding.beams)
            told = (name for name in ("wer", "cer", "bleu") if f"test_{name}" in found.metrics)
            figures["test"][method] = {name: found.metrics[f"test_{name}"] for name in told}
    if trainer.is_world_process_zero():
        trainer.state.log_history = history
        trainer.model.generation_config.max_length = None  # the trainer sets it, beside what the recipe says
        trainer.save_model(str(out))
        trainer.save_state()
        (out / FIGURES).write_text(json.dumps(figures, indent=1), encoding="utf-8")
        report(out)
    trainer.accelerator.wait_for_everyone()
    return Trained(out, figures)


def _average(trainer: SpeechTrainer, recipe: Recipe, out: Path, figures: dict[str, Any]) -> None:
    """Take the mean of the last checkpoints, where it is no worse than the best of them."""
    some = checkpoints(out)[-recipe.training.average :]
    if len(some) < 2 or recipe.training.average < 2:
        return
    before = {name: value.detach().clone() for name, value in trainer.model.state_dict().items()}
    trainer.model.load_state_dict(average(some), strict=False)
    if trainer.eval_dataset is None:
        figures["averaged"] = len(some)
        return
    judge = recipe.training.judge
    best, mean = figures["dev"][judge], trainer.evaluate()[f"eval_{judge}"]
    figures["dev"]["averaged"] = mean
    if mean >= best if judge == "bleu" else mean <= best:
        figures["averaged"] = len(some)
    else:
        trainer.model.load_state_dict(before)
