"""From what a person wants to what an engine is asked: checked, and put into words where a model needs them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from hark.answers.schema import Schema
from hark.engines.engine import Capabilities, Engine, Options, check
from hark.tasks.long import exceeding, way

if TYPE_CHECKING:
    from hark.answers.answer import Answer
    from hark.conversation.conversation import Conversation


@dataclass(frozen=True, slots=True)
class Asked:
    """What an engine is asked together with others: those with equal `options` may be one batch.

    Attributes:
        conversation, options: what `Engine.generate_batch` is given.
        alone: the recording is longer than the model hears at once: to be asked by itself, stretch by stretch.
    """

    conversation: Conversation
    options: Options
    alone: bool

    @classmethod
    def of(cls, engine: Engine, conversation: Conversation, *, long: str | float = "refuse", **options: Any) -> Asked:
        """Check a question and put it into words; called like `Listener.answer`.

        Raises:
            UnsupportedError: it is beyond the model.
            OptionError: there is no such option or task, or its value is wrong.
        """
        how = way(long, engine)
        asked, told = prepared(engine.name, engine.can, conversation, Options.of(**options))
        return cls(asked, told, exceeding(engine.can, conversation, how) is not None)

    def checked(self, answer: Answer, engine: Engine) -> Answer:
        """The answer of the engine, its JSON checked where there is a schema.

        Raises:
            ModelError: the JSON broke off, is none, or does not fit.
        """
        schema = self.options.schema
        if schema is None:
            return answer
        return schema.checked_answer(answer, engine.name, self.options.max_new_tokens)


def prepared(
    name: str, can: Capabilities, conversation: Conversation, options: Options
) -> tuple[Conversation, Options]:
    """Put a task into words for a model that has no way of its own for it, and refuse what the model cannot do.

    No prompt at all means transcribe; `reply` is the task without words. A schema is always answered in words. A task
    that has a schema brings it along where the model can be held to one (and no `stop` would break the JSON).

    Raises:
        UnsupportedError: it is beyond the model.
        OptionError: there is no such task, or the file of a task of one's own is broken.
    """
    from hark.tasks import WORDLESS
    from hark.tasks.own import find

    task = options.task
    if task is None and options.schema is None and not conversation.prompt.strip():
        task = "transcribe"
    options = replace(options, task=task)
    if task is not None and task not in can.tasks | WORDLESS:
        find(task)  # whether there is such a task does not depend on the model
    if task is not None and (task not in can.tasks or options.schema is not None) and can.free_prompt:
        wanted = find(task)
        if words := wanted.words(options.to):
            conversation = conversation.with_prompt(words)
        options = replace(options, task=None, to=None)
        form = wanted.schema
        held = wanted.own or ("schema" in can.options and not options.stop)
        if form and options.schema is None and held:
            options = replace(options, schema=Schema.of(form))
    check(name, can, conversation, options)
    if options.schema is not None:
        gap = "\n\n" if conversation.prompt.strip() else ""
        conversation = conversation.with_prompt(gap + options.schema.words)
    return conversation, options
