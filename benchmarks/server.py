"""hark's server: what it adds to a bare FastAPI server and to its models, its memory, and how soon it stops.

python benchmarks/server.py [overhead throughput memory leaving uploads] [--requests 10000] [--json]

* overhead: uploads of 1 MB of different recordings to the echo engine, beside the same FastAPI and uvicorn that parse
  the same form and answer a constant. Blocks of requests take turns.
* throughput: questions about different clips by 32 clients, beside the engine's own batches of 8 in a process alone.
* memory: of the server and its children, over many requests.
* leaving: from a client's leaving to the model's having stopped, for a streamed answer and a whole one.
* uploads: 200 of 1 MB at once, beside the bare server.

The model is a tiny Qwen2-Audio with random weights. Clients are a process of their own.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from server_load import CHAT, MEGABYTE_SECONDS, Load, line_of, started

if TYPE_CHECKING:
    from collections.abc import Iterator

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
CLIENTS, TOGETHER = 32, 8
Rows = dict[str, dict[str, Any]]


class Process:
    """A process that says where it is, or answers a line with a line."""

    def __init__(self, *args: Any) -> None:
        self._log = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed with the process
        self._popen = subprocess.Popen(
            started(*args), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, text=True
        )
        self.pid = self._popen.pid

    def read(self) -> str:
        assert self._popen.stdout is not None
        line = self._popen.stdout.readline()
        if not line:
            self._log.seek(0)
            raise SystemExit(f"{self._popen.args} ended:\n{self._log.read()[-2000:]}")
        return line.strip()

    def ask(self, line: str) -> Any:
        assert self._popen.stdin is not None
        self._popen.stdin.write(line)
        self._popen.stdin.flush()
        return json.loads(self.read())

    def close(self) -> None:
        self._popen.terminate()
        self._popen.communicate(timeout=60)
        self._log.close()


@contextlib.contextmanager
def process(*args: Any) -> Iterator[Process]:
    made = Process(*args)
    try:
        yield made
    finally:
        made.close()


def asked(clients: Process, load: Load) -> dict[str, Any]:
    """What came of a load; anything but an answer to each request ends the benchmark."""
    found: dict[str, Any] = clients.ask(line_of(load))
    if load.leave is None and found["answered"] != load.requests:
        raise SystemExit(f"{load.requests - found['answered']} of {load.requests} failed: {found['sample']}")
    return found


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def overhead(_: argparse.Namespace, clients: Process) -> Rows:
    """Milliseconds of uploads of 1 MB; of them the engine's own, which decodes and hears the same recordings alone."""
    rows: Rows = {}
    with (
        process("hark", "echo", "") as own,
        process("bare") as bare,
        process("alone", "echo", 16, MEGABYTE_SECONDS, 1, 0) as alone,
    ):
        alone.read()
        engine: list[float] = []
        urls, pids = {"hark": own.read(), "bare": bare.read()}, {"hark": own.pid, "bare": bare.pid}
        busy: list[float] = []
        for count in (1, 8):
            found: dict[str, list[float]] = {"hark": [], "bare": []}
            spent: dict[str, list[float]] = {"hark": [], "bare": []}
            for block in range(11):
                engine += [1000 * alone.ask(f"{1000 * block}\n") / 16] if block else []
                for name, url in urls.items():
                    load = Load(url, clients=count, requests=16 * count, first=1000 * block)
                    before = worked(pids[name])
                    ran = asked(clients, load)
                    if block:  # the first wakes the libraries
                        found[name] += ran["took"]
                        spent[name].append((worked(pids[name]) - before) / load.requests)
                        busy.append(ran["cpu"] / ran["wall"])
            for share, called in ((0.5, "p50"), (0.99, "p99")):
                values = {name: 1000 * percentile(took, share) for name, took in found.items()}
                rows[f"{count} client{'s' if count > 1 else ''}, {called}"] = {
                    "hark ms": values["hark"],
                    "bare ms": values["bare"],
                    "ratio": values["hark"] / values["bare"],
                    "less the engine": (values["hark"] - statistics.median(engine)) / values["bare"],
                }
            values = {name: 1000 * statistics.mean(each) for name, each in spent.items()}
            rows[f"{count} client{'s' if count > 1 else ''}, CPU, mean"] = {
                "hark ms": values["hark"],
                "bare ms": values["bare"],
                "ratio": values["hark"] / values["bare"],
            }
    rows["the engine alone, p50"] = {"hark ms": statistics.median(engine)}
    rows["share of the time that the clients worked"] = {"ratio": max(busy)}
    return rows


def worked(pid: int) -> float:
    """Seconds of the CPU that a process and its children took."""
    root = psutil.Process(pid)
    return float(sum(sum(one.cpu_times()[:2]) for one in (root, *root.children(recursive=True))))


def throughput(given: argparse.Namespace, clients: Process) -> Rows:
    """Questions a second."""
    rows: Rows = {}
    for name, model, count, seconds in (
        ("echo, clips of 5 s", "echo", 512, 5.0),
        ("echo, clips of 33 s", "echo", 256, 33.0),
        ("tiny model, clips of 5 s", given.model, 128, 5.0),
    ):
        with (
            process("hark", model, "") as own,
            process("alone", model, count, seconds, TOGETHER, given.tokens) as alone,
        ):
            load = Load(own.read(), CHAT, seconds, CLIENTS, CLIENTS, tokens=given.tokens, first=10**6)
            asked(clients, load)
            alone.read()
            took: dict[str, list[float]] = {"served": [], "alone": [], "clients": []}
            for turn in range(3):
                first = 10**4 * (turn + 1)
                took["alone"].append(alone.ask(f"{first}\n"))
                ran = asked(clients, Load(**{**vars(load), "requests": count, "first": first}))
                took["served"].append(ran["wall"])
                took["clients"].append(ran["cpu"] / ran["wall"])
            best = {way: count / min(values) for way, values in took.items() if way != "clients"}
            rows[name] = {
                "served a second": best["served"],
                "engine alone": best["alone"],
                "share": best["served"] / best["alone"],
                "clients busy": statistics.mean(took["clients"]),
            }
    return rows


def resident(pid: int) -> float:
    """MiB of a process and its children."""
    root = psutil.Process(pid)
    return float(sum(one.memory_info().rss for one in (root, *root.children(recursive=True))) / 2**20)


def memory(given: argparse.Namespace, clients: Process) -> Rows:
    """MiB after each tenth of the requests; clips of 2 s, half uploads and half questions."""
    rows: Rows = {}
    with process("hark", "echo", "") as own:
        url = own.read()
        tenth = max(CLIENTS, given.requests // 20)
        for turn in range(11):
            for path in (Load.path, CHAT):
                asked(clients, Load(url, path, 2.0, CLIENTS, tenth, clips=min(tenth, 200), first=turn * 10**5))
            rows[f"after {2 * tenth * (turn + 1)} requests"] = {"MiB": resident(own.pid)}
    values = [row["MiB"] for row in rows.values()]
    rows["from the second to the last"] = {"MiB": values[-1] - values[1]}
    return rows


def leaving(given: argparse.Namespace, clients: Process) -> Rows:
    """Milliseconds to the model's end."""
    rows: Rows = {}
    with tempfile.TemporaryDirectory() as folder:
        ends = Path(folder) / "ends"
        with process("hark", given.model, ends) as own:
            url = own.read()
            asked(clients, Load(url, CHAT, 5.0, tokens=4))
            whole = asked(clients, Load(url, CHAT, 5.0, tokens=200, first=5))
            for name, stream in (("streamed", True), ("whole", False)):
                waited = []
                for turn in range(10):
                    before = len(ends.read_text().split())
                    load = Load(url, CHAT, 5.0, tokens=3000, first=10 + turn, stream=stream, leave=1.0)
                    (left,) = asked(clients, load)["left"]
                    waited.append(1000 * (end_after(ends, before) - left))
                rows[name] = {"median ms": statistics.median(waited), "longest ms": max(waited)}
            rows["one token"] = {"median ms": 1000 * whole["wall"] / 200}
    return rows


def end_after(path: Path, before: int) -> float:
    """The moment of the next end."""
    limit = time.monotonic() + 60
    while len(found := path.read_text().split()) <= before:
        if time.monotonic() > limit:
            raise SystemExit("the model did not stop within a minute")
        time.sleep(0.005)
    return float(found[before])


def uploads(_: argparse.Namespace, clients: Process) -> Rows:
    """Seconds until all are answered."""
    rows: Rows = {}
    with process("hark", "echo", "") as own, process("bare") as bare:
        for name, url in (("hark", own.read()), ("bare", bare.read())):
            asked(clients, Load(url, first=10**6, requests=4))
            ran = asked(clients, Load(url, clients=200, requests=200))
            rows[name] = {"answered": ran["answered"], "different answers": ran["distinct"], "s": ran["wall"]}
            rows[name] |= {"longest s": max(ran["took"])}
    rows["ratio"] = {"s": rows["hark"]["s"] / rows["bare"]["s"]}
    return rows


PARTS = {"overhead": overhead, "throughput": throughput, "memory": memory, "leaving": leaving, "uploads": uploads}


def printed(name: str, rows: Rows) -> None:
    """One part as a table."""
    columns = list(dict.fromkeys(column for row in rows.values() for column in row))
    print(f"\n| {name} | {' | '.join(columns)} |\n|---|{'---|' * len(columns)}")
    for row, values in rows.items():
        cells = [f"{values[column]:.4g}" if column in values else "" for column in columns]
        print(f"| {row} | {' | '.join(cells)} |", flush=True)


def main() -> None:
    """Print ratios and what they are made of."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="all, unless some are named")
    parser.add_argument("--requests", type=int, default=10_000, help="of the part memory")
    parser.add_argument("--tokens", type=int, default=16, help="of each answer of the tiny model")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    from tiny.families import make

    found = {}
    with tempfile.TemporaryDirectory() as folder, process("clients") as clients:
        wanted = given.parts or list(PARTS)
        if {"throughput", "leaving"} & set(wanted):
            given.model = str(make("qwen2_audio", Path(folder) / "tiny"))
        for name in wanted:
            found[name] = PARTS[name](given, clients)
            if not given.json:
                printed(name, found[name])
    if given.json:
        print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
