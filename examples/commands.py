"""Let a program act on spoken orders: python examples/commands.py [recording ...]."""

import sys
from pathlib import Path

import hark

HERE = Path(__file__).parent


def brew(order: dict[str, str]) -> str:
    return f"brewing a {order.get('size', 'medium')} {order['drink']}, with {order.get('sugar', 'no sugar')}"


def main() -> None:
    with hark.load() as listener:
        for name in sys.argv[1:] or [HERE / "order.flac", HERE / "hesitant.flac"]:
            command = listener.command(name, HERE / "coffee_maker.yaml")
            print(brew(command.slots) if command.intent == "order" else command)


if __name__ == "__main__":
    main()
