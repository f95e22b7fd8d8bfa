"""Make the data of `recipes/commands.yaml`: spoken orders, and the JSON they mean as text of words.

    python recipes/commands_data.py ../shared/data/commands data/commands

Every fifth order is for tests. The parts of an order stand in the order in which they are mostly said.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

SAID = ("size", "numberOfShots", "roast", "coffeeDrink", "milkAmount", "sugarAmount")


def main(source: Path, out: Path) -> None:
    """Write `train.jsonl` and `test.jsonl`."""
    rows = [json.loads(line) for line in (source / "labels.jsonl").read_text().splitlines()]
    out.mkdir(parents=True, exist_ok=True)
    for use, test in (("train", False), ("test", True)):
        some = [row for number, row in enumerate(rows) if (number % 5 == 0) is test]
        lines = [{"audio": str((source / row["audio"]).resolve()), "text": meaning(row)} for row in some]
        (out / f"{use}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def meaning(row: dict) -> str:
    """JSON with spaces around all its signs, so that a vocabulary of words has them as words."""
    slots = {name: row["slots"][name] for name in SAID if name in row["slots"]}
    parts = " , ".join(f'"{name}" : {json.dumps(value)}' for name, value in slots.items())
    return f'{{ "intent" : "{row["intent"]}" , "slots" : {{ {parts} }} }}'


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
