"""The options of `hark serve`: one for each field of the server's configuration, and what they say put together."""

from __future__ import annotations

import functools
import inspect
import os
import re
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hark.cli import options as o
from hark.engines.loading import Loading
from hark.errors import OptionError
from hark.server.config import Config, Key, Served

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_MODELS, _ACCESS, _LIMITS, _RUNNING = "Models", "Who may use it", "Limits", "Running it"
_DEFAULTS = {one.name: one.default for one in fields(Config)}

# Parameter (a field of Config, of Loading, or neither): option, what it takes, where help shows it, what it says.
_OPTIONS: dict[str, tuple[str, Any, str, str]] = {
    "answer_with": ("--answer-with", str | None, _MODELS, "A text model that answers from what the models transcribe."),
    "download": ("--download", bool, _MODELS, "Download weights that are not on this machine."),
    "device": ("--device", str | None, _MODELS, "cpu, cuda, cuda:1, mps; else a GPU if there is one."),
    "dtype": ("--dtype", str | None, _MODELS, "Precision of the weights."),
    "quantize": ("--quantize", str | None, _MODELS, "int8 or int4: less memory."),
    "device_map": ("--device-map", str | None, _MODELS, "auto: spread a model over several GPUs."),
    "adapters": ("--adapter", list[str] | None, _MODELS, "[MODEL:]NAME=FOLDER: an adapter, asked as MODEL:NAME."),
    "trust_remote_code": ("--trust-remote-code", bool, _MODELS, "Run the models' own Python code."),
    "cache_mb": ("--cache-mb", int | None, _MODELS, "MiB in which each model keeps what it heard; 0 keeps nothing."),
    "warm": ("--warm", bool, _MODELS, "Load the first model at the start, not at the first request."),
    "idle_seconds": ("--idle", float | None, _MODELS, "Seconds after which an unused model gives back its memory."),
    "memory_mb": ("--memory-mb", float | None, _MODELS, "What the weights of all loaded models may take together."),
    "api_key": ("--api-key", list[str] | None, _ACCESS, "A key that opens it; several. Others see it in `ps`."),
    "api_keys_file": ("--api-keys-file", Path | None, _ACCESS, "A file of hashes of keys: see hark serve key."),
    "no_auth": ("--no-auth", bool, _ACCESS, "Let in whoever reaches it, also beyond this machine."),
    "origins": ("--cors-origin", list[str] | None, _ACCESS, "Web pages that may use it: https://example.org; several."),
    "hosts": ("--allow-host", list[str] | None, _ACCESS, "A name it goes by, where it wants no keys; several; * any."),
    "url_hosts": ("--allow-url-hosts", list[str] | None, _ACCESS, "Hosts of addresses in requests to fetch; several."),
    "requests_per_minute": ("--rate-limit", float | None, _ACCESS, "Requests a minute of each key, or each address."),
    "trusted_proxies": ("--forwarded-allow-ips", list[str] | None, _ACCESS, "Proxies whose X-Forwarded-For is true."),
    "max_upload_mb": ("--max-upload-mb", float, _LIMITS, "The largest file."),
    "max_json_mb": ("--max-json-mb", float, _LIMITS, "The largest JSON body."),
    "max_seconds": ("--max-seconds", float, _LIMITS, "The longest recording, in seconds."),
    "max_clips": ("--max-clips", int, _LIMITS, "The most recordings in a request."),
    "max_requests": ("--max-requests", int, _LIMITS, "Requests at once; others are told to come again."),
    "max_sessions": ("--max-sessions", int, _LIMITS, "Live sessions at once."),
    "session_idle_seconds": ("--session-idle", float, _LIMITS, "Seconds of nothing sent that end a live session."),
    "max_batch": ("--max-batch", int, _LIMITS, "Questions answered together at most."),
    "batch_ms": ("--batch-ms", float, _LIMITS, "How long a question waits for others to be answered with."),
    "deadline_seconds": ("--deadline", float, _LIMITS, "Seconds that a request may take."),
    "host": ("--host", str, _RUNNING, "Where to listen."),
    "port": ("--port", int, _RUNNING, "The port; 0 takes a free one."),
    "ice_addresses": ("--ice-address", list[str] | None, _RUNNING, "Where calls reach it, if not at --host; several."),
    "ice_servers": ("--ice-server", list[str] | None, _RUNNING, "For calls, STUN or TURN: stun:HOST:PORT; several."),
    "shutdown_seconds": ("--shutdown-seconds", float, _RUNNING, "Seconds that requests get to end at the end."),
    "drain_seconds": ("--drain-seconds", float, _RUNNING, "Seconds of saying no at /ready before that."),
    "log_content": ("--log-content", bool, _RUNNING, "Write questions and answers to the log."),
    "log_json": ("--log-json", bool, _RUNNING, "Write the log as JSON."),
}  # fmt: skip
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@-]{0,199}")
_ANY = ("dummy", "tgi")  # what clients say for whichever
_ORIGIN = re.compile(r"\*|https?://[a-z0-9._\[\]:-]+|[a-z-]+://[a-z0-9._-]*")


Model = Annotated[
    list[str] | None,
    typer.Option(
        "--model", "-m", metavar="[NAME=]MODEL", autocompletion=o.complete_models, rich_help_panel=_MODELS,
        help="A model, and what clients call it; several, the first is the default. Else HARK_MODEL, the settings "
        "file, builtin.",
    ),
]  # fmt: skip


def with_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command, in place of its parameter `values`, all options of a server; typer reads the signature."""

    @functools.wraps(command)
    def run(**given: Any) -> None:
        values = {name: given.pop(name) for name in ("model", *_OPTIONS)}
        command(values=values, **given)

    keyword = inspect.Parameter.KEYWORD_ONLY
    own = inspect.signature(command, eval_str=True).parameters.values()
    added = [inspect.Parameter("model", keyword, default=None, annotation=Model)]
    for name, (option, kind, panel, about) in _OPTIONS.items():
        default = None if kind == list[str] | None else _DEFAULTS.get(name, False if kind is bool else None)
        said = typer.Option(option, help=about, rich_help_panel=panel)
        added.append(inspect.Parameter(name, keyword, default=default, annotation=Annotated[kind, said]))
    kept = [item.replace(kind=keyword) for item in own if item.name != "values"]
    run.__signature__ = inspect.Signature([*kept, *added])  # type: ignore[attr-defined]
    run.__annotations__ = {item.name: item.annotation for item in [*kept, *added]}
    return run


def config(values: dict[str, Any]) -> Config:
    """What the options say.

    Raises:
        OptionError: one is wrong, or two contradict each other.
    """
    known = {one.name for one in fields(Config)} & values.keys()
    said = {name: values[name] for name in known if values[name] is not None}
    said |= {name: _split(value) for name, value in said.items() if isinstance(value, list)}
    _check(said)
    keys = _keys(values)
    if keys and values["no_auth"]:
        raise OptionError("There are keys, and --no-auth.", hint="Give one of them; HARK_API_KEYS holds keys too.")
    return Config(models=_served(values), keys=keys, **said)


def _split(given: list[str]) -> tuple[str, ...]:
    return tuple(part.strip() for one in given for part in one.split(",") if part.strip())


def _check(said: dict[str, Any]) -> None:
    from ipaddress import ip_network

    for origin in said.get("origins", ()):
        if not _ORIGIN.fullmatch(origin):
            raise OptionError(
                f"{origin!r} is no origin of a web page.", hint="It is https://example.org, in small letters, no path."
            )
    for proxy in said.get("trusted_proxies", ()):
        try:
            ip_network(proxy)
        except ValueError as error:
            raise OptionError(f"{proxy!r} is no address of a proxy.", hint="Such as 10.0.0.2 or 10.0.0.0/8.") from error
    if said.get("ice_addresses") or said.get("ice_servers"):
        from hark.realtime.ice import Network

        Network.of("", said.get("ice_addresses", ()), said.get("ice_servers", ()))
    if not 0 <= said["port"] <= 65535:
        raise OptionError(f"There is no port {said['port']}.", hint="It is 1 to 65535, or 0 for a free one.")


def _keys(values: dict[str, Any]) -> tuple[Key, ...]:
    from hark.server import keys

    found = [keys.of(key) for key in values["api_key"] or []]
    found += keys.listed(os.environ.get("HARK_API_KEYS", ""))
    if values["api_keys_file"]:
        found += keys.read(values["api_keys_file"])
    return tuple(found)


def _served(values: dict[str, Any]) -> tuple[Served, ...]:
    from hark import settings

    how = {one.name: values[one.name] for one in fields(Loading) if values.get(one.name) not in (None, False, [])}
    how.pop("adapters", None)
    pairs = [_named(given) for given in values["model"] or [settings.current().model]]
    adapters = _adapters(values["adapters"] or [], [name for name, _ in pairs])
    found: dict[str, Served] = {}
    for name, model in pairs:
        _check_name(name, found)
        own = adapters.get(name, {})
        loading = Loading(**how, adapters=own or None)
        found[name] = Served(name=name, model=model, answer_with=values["answer_with"], loading=loading)
        for adapter in own:
            called = f"{name}:{adapter}"
            _check_name(called, found)
            found[called] = replace(found[name], name=called, base=name, adapter=adapter)
    return tuple(found.values())


def _check_name(name: str, found: Mapping[str, Served]) -> None:
    if not _NAME.fullmatch(name) or name in _ANY or name.startswith(("http:", "https:")):
        raise OptionError(f"Clients cannot call a model {name!r}.", hint="Give it another name: NAME=MODEL.")
    if name in found:
        raise OptionError(f"Two models are called {name!r}.", hint="Give one another name: NAME=MODEL.")


def _adapters(given: Sequence[str], models: Sequence[str]) -> dict[str, dict[str, str]]:
    """The adapters of each model: folders by name."""
    found: dict[str, dict[str, str]] = {}
    for one in given:
        called, equals, folder = one.partition("=")
        model = next((name for name in models if called.startswith(f"{name}:")), models[0])
        adapter = called.removeprefix(f"{model}:")
        if not equals or not folder or not adapter:
            raise OptionError(f"{one!r} names no adapter.", hint="--adapter NAME=FOLDER; clients ask MODEL:NAME.")
        if adapter == called and len(models) > 1:
            raise OptionError(
                f"It is not clear which model {one!r} is for.", hint=f"--adapter {models[0]}:{adapter}={folder}"
            )
        if adapter in found.setdefault(model, {}):
            raise OptionError(f"Two adapters of {model} are called {adapter!r}.", hint="Give one another name.")
        found[model][adapter] = folder
    return found


def _named(given: str) -> tuple[str, str]:
    """What clients call a model, and what hark does; of a folder or a server, no more than its last name is told."""
    name, equals, model = given.partition("=")
    is_folder = os.path.isdir(os.path.expanduser(given))
    on_server = given.startswith(("openai:", "realtime:"))
    if equals and not is_folder and not on_server:
        return name, model
    if on_server:
        return given.partition(":")[2].partition("@")[0], given
    if is_folder:
        return os.path.basename(os.path.abspath(os.path.expanduser(given))), given
    return given, given
