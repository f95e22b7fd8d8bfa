"""One run of transformers' Trainer over examples: its arguments, its loss, and what is counted beside the loss."""

from __future__ import annotations

import contextlib
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch.nn import functional
from transformers import EarlyStoppingCallback, PrinterCallback, Trainer, TrainerCallback, TrainingArguments
from transformers.integrations import TensorBoardCallback

from hark.answers.answer import Answer
from hark.engines.transformers.failing import failing
from hark.engines.transformers.generation import quiet
from hark.engines.transformers.placing import device_of
from hark.training.tune_batch import Alike, Collate, Examples
from hark.training.tune_inputs import IGNORED, Maker
from hark.training.tune_memory import lowering
from hark.training.tune_parts import in_full, low_rank

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from hark.engines.transformers.engine import Transformers
    from hark.training.tune_examples import Example
    from hark.training.tune_settings import Tuning

    Tell = Callable[[dict[str, float], int, int], None]  # figures, steps done, steps in all

MARGIN = 16  # tokens that an answer may be longer than the one wanted, when answers are counted
STEPS_BETWEEN = 4  # evaluations and checkpoints in a run, where nothing is said of them


@dataclass(frozen=True, slots=True)
class Run:
    """What a run is made of.

    Attributes:
        engine: the model; it keeps nothing of what it hears, as its weights change.
        learned, judged: the examples to train on, and to evaluate with.
        tuning: how.
        folder: where checkpoints and logs go.
        tell: called with the figures of each log.
    """

    engine: Transformers
    learned: Sequence[Example]
    judged: Sequence[Example]
    tuning: Tuning
    folder: Path
    tell: Tell

    @property
    def batch(self) -> int:
        """Examples at once: one, where those of a batch would change each other's features."""
        return self.tuning.batch if self.engine.can.batch_exact else 1

    @property
    def accumulate(self) -> int:
        """Batches in a step, so that it sees as many examples either way."""
        return self.tuning.accumulate * self.tuning.batch // self.batch

    def train(self, checkpoint: Path | None = None) -> Any:
        """Train, from a checkpoint on where there is one, and return the trained model.

        Raises:
            ModelError: there is not enough memory; the hint says what to lower.
            DataError: an example cannot be heard, or is more than the model holds.
        """
        with failing(self.engine.name), lowering(self.tuning, self.engine), quiet(), warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="`(is_)?gradient_checkpointing")  # peft uses old names
            warnings.filterwarnings("ignore", message="Could not find a config file")  # of embeddings: none is trained
            trainer = self.trainer()
            trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
            trainer.save_state()
        return trainer.model

    def trainer(self) -> Trainer:
        """The trainer, with the model ready to be trained."""
        loaded = self.engine.loaded()
        torch.manual_seed(self.tuning.seed)  # of the adapter's first weights
        prepare = low_rank if self.tuning.method == "lora" else in_full
        if getattr(loaded.model, "is_quantized", False):
            from peft import prepare_model_for_kbit_training

            prepare_model_for_kbit_training(loaded.model, use_gradient_checkpointing=False)  # the trainer does
        model = prepare(loaded.model, self.engine.family, self.tuning)
        for module in model.modules():
            if getattr(module, "layerdrop", 0.0):
                module.layerdrop = 0.0  # a layer that is left out learns nothing; few are adapted in small models
        make = Maker(self.engine)
        return _Trainer(
            self,
            model=model,
            args=self.arguments(),
            train_dataset=Examples(self.learned, make),
            eval_dataset=Examples(self.judged, make) if self.judged else None,
            data_collator=Collate(_pad(loaded), loaded.model.dtype),
            compute_loss_func=_loss(is_decoder=not loaded.model.config.is_encoder_decoder),
            callbacks=self.callbacks(),
        )

    @property
    def steps(self) -> int:
        """How many steps there are in all."""
        each = -(-len(self.learned) // (self.batch * self.accumulate))
        return self.tuning.steps or max(1, round(each * self.tuning.epochs))

    def arguments(self) -> TrainingArguments:
        """What the trainer is told."""
        tuning, device = self.tuning, device_of(self.engine.loading)
        every = max(1, self.steps // STEPS_BETWEEN)
        evaluate = tuning.eval_every or every
        save = evaluate if self.judged and (tuning.best or tuning.patience) else tuning.save_every or every
        half = device.startswith("cuda") and torch.cuda.is_bf16_supported()
        return TrainingArguments(
            output_dir=str(self.folder), max_steps=self.steps, per_device_train_batch_size=self.batch,
            per_device_eval_batch_size=self.batch, gradient_accumulation_steps=self.accumulate,
            learning_rate=tuning.rate, lr_scheduler_type=tuning.schedule, warmup_steps=tuning.warmup,
            weight_decay=tuning.weight_decay, max_grad_norm=tuning.max_grad_norm, seed=tuning.seed,
            activation_checkpointing=tuning.checkpointing,
            activation_checkpointing_kwargs={"use_reentrant": False} if tuning.checkpointing else None,
            bf16=half and self.engine.loading.dtype != "float32", use_cpu=device == "cpu",
            eval_strategy="steps" if self.judged else "no", eval_steps=evaluate, save_strategy="steps",
            save_steps=save, save_total_limit=tuning.keep, logging_steps=tuning.log_every, logging_first_step=True,
            load_best_model_at_end=bool(self.judged and (tuning.best or tuning.patience)),
            metric_for_best_model="loss" if self.judged else None, greater_is_better=False,
            report_to="none", remove_unused_columns=False, label_names=["labels"], disable_tqdm=True,
            prediction_loss_only=True, dataloader_pin_memory=device.startswith("cuda"),
        )  # fmt: skip

    def callbacks(self) -> list[TrainerCallback]:
        """What happens beside training."""
        board = TensorBoardCallback()
        board.logging_dir = str(self.folder / "tensorboard")
        found: list[TrainerCallback] = [_Told(self), board]
        if self.tuning.patience:
            found.append(EarlyStoppingCallback(self.tuning.patience))
        return found

    def right(self) -> float | None:
        """The share of the evaluation's first examples that are answered exactly as wanted; None where none are."""
        some = [example for example in self.judged if example.asked.clips][: self.tuning.answers]
        if not some:
            return None
        model = self.engine.loaded().model
        training = model.training
        model.eval()
        try:
            return sum(self._answer(example) == example.answer.strip() for example in some) / len(some)
        finally:
            model.train(training)

    def _answer(self, example: Example) -> str:
        from dataclasses import replace

        options = replace(example.options, max_new_tokens=len(example.answer) + MARGIN)
        if "temperature" in self.engine.can.options:
            options = replace(options, temperature=0.0)
        return Answer.of(self.engine.generate(example.asked, options)).text.strip()


class _Trainer(Trainer):  # type: ignore[misc]  # transformers is typed loosely
    """With batches of examples of like length, in the same order whenever it goes on."""

    def __init__(self, run: Run, **keywords: Any) -> None:
        self.run = run
        super().__init__(**keywords)
        self.remove_callback(PrinterCallback)

    def _get_train_sampler(self, train_dataset: Any = None) -> Any:
        del train_dataset
        lengths = [example.tokens for example in self.run.learned]
        return Alike(lengths, self.run.batch * self.run.accumulate, self.run.tuning.seed)

    def evaluate(self, *args: Any, **keywords: Any) -> dict[str, float]:
        """The loss, and the share of answers that are right."""
        figures: dict[str, float] = super().evaluate(*args, **keywords)
        right = self.run.right()
        if right is not None:
            figures["eval_exact"] = right
            self.log({"eval_exact": right})
        return figures


class _Told(TrainerCallback):  # type: ignore[misc]
    """Tells a person how far it is."""

    def __init__(self, run: Run) -> None:
        self.run = run

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        del args, control
        with contextlib.suppress(OSError):  # whoever reads it may be gone: training goes on
            self.run.tell(dict(logs or {}), state.global_step, state.max_steps)


def _loss(*, is_decoder: bool) -> Callable[..., Any]:
    """Cross entropy over the learned tokens alone: the others' scores are left out before they are made float32."""

    def loss(outputs: Any, labels: Any, num_items_in_batch: Any = None) -> Any:
        logits = outputs["logits"] if isinstance(outputs, dict) else outputs[0]
        if is_decoder:  # each token tells the next
            logits, labels = logits[:, :-1], labels[:, 1:]
        kept = labels != IGNORED
        total = functional.cross_entropy(logits[kept].float(), labels[kept], reduction="sum")
        return total / (kept.sum() if num_items_in_batch is None else num_items_in_batch)

    return loss


def _pad(loaded: Any) -> int:
    """What fills up short texts; it is never looked at."""
    told = loaded.model.generation_config.pad_token_id
    return int(told[0] if isinstance(told, list) else told or 0)
