"""A grammar put into words and a JSON Schema, for models that are asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hark.tasks.command.grammar import Grammar

PROMPT = (
    "Which command is spoken in the recording? Give its intent and the value of each slot that is said, as it is "
    "listed; null for a slot that is not said. If it is none of these commands, or nobody speaks, understood is false "
    "and the rest is null. In `heard`, write down the words."
)


def schema(grammar: Grammar) -> dict[str, Any]:
    """A JSON Schema whose answers are the commands of a grammar: intents and values of slots are lists to choose from.

    All properties are required and may be null, as models that are held to a schema need it.
    """
    values: dict[str, dict[str, None]] = {}
    for slots in grammar.automaton.intents.values():
        for name, known in slots.items():
            values.setdefault(name, {}).update(dict.fromkeys(known))
    properties = {
        "heard": {"type": ["string", "null"], "maxLength": 500},
        "understood": {"type": "boolean"},
        "intent": {"enum": [*grammar.names, None]},
        "slots": _object({name: {"enum": [*known, None]} for name, known in values.items()}),
    }
    return _object(properties)


def prompt(grammar: Grammar) -> str:
    """The question, with the slots of each intent."""
    lines = [f"{name}: {', '.join(slots) or 'no slots'}" for name, slots in grammar.automaton.intents.items()]
    return "\n".join([PROMPT, "Commands and their slots:", *lines])


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
