"""Addresses in requests: fetched from hosts that were allowed and from nowhere else, and no failure tells of a network.

All rules of `hark.audio.fetch` hold. What the text of an address alone shows to be wrong is said; whatever came of
asking (no such host, a private number, a closed port, no such page, too large, too slow) is answered alike, so that
nobody learns from it what there is where the server stands.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, BinaryIO

from hark import settings
from hark.audio.addresses import shown
from hark.audio.fetch import fetch
from hark.audio.guard import Guard, Resolver, Rules, resolve
from hark.audio.hosts import Hosts
from hark.audio.sources import UrlSource
from hark.errors import FetchError, RequestError
from hark.server.threads import is_unwanted

if TYPE_CHECKING:
    import httpcore2

    from hark.server.config import Config

_INSTEAD = "Send the audio itself: base64, or a data URI (data:audio/wav;base64,...), or an uploaded file."
_log = logging.getLogger(__name__)


class Urls:
    """Fetches what clients name, by the rules of one server.

    Args:
        config: the hosts allowed, and the limits.
        resolver, network: how names are looked up and connections made.

    Raises:
        OptionError: an entry of `config.url_hosts` is no host.
    """

    def __init__(
        self, config: Config, *, resolver: Resolver = resolve, network: httpcore2.NetworkBackend | None = None
    ) -> None:
        self._resolver, self._network = resolver, network
        self._megabytes = config.max_upload_mb
        self._rules = Rules(
            hosts=Hosts.of(config.url_hosts),
            max_bytes=int(config.max_upload_mb * 2**20),
            seconds=config.deadline_seconds,
            unwanted=is_unwanted,
        )

    def source(self, url: str, name: str | None = None) -> UrlSource:
        """Where a recording lies that a client named; it is fetched when it is first heard.

        Raises:
            RequestError: no address is fetched here, or not this one.
        """
        if not self._rules.hosts or not self._rules.hosts.entries or not settings.current().fetch:
            raise RequestError(
                "Addresses are not fetched here.",
                hint=f"{_INSTEAD} Whoever runs the server can allow hosts: hark serve --allow-url-hosts.",
            )
        try:
            Guard(settings.current().fetch_private, time.monotonic(), rules=self._rules).check_url(url)
        except FetchError as error:
            raise RequestError(error.message, hint=_INSTEAD) from None
        return UrlSource(url, name, self._fetch)

    def _fetch(self, url: str, target: BinaryIO) -> None:
        try:
            fetch(url, target, rules=self._rules, resolver=self._resolver, network=self._network)
        except FetchError as error:
            _log.info("An address in a request was not fetched: %s", error.message)
            raise RequestError(
                f"{shown(url)} could not be fetched: it does not answer, or not with a file, or too slowly, or with "
                f"more than {self._megabytes:g} MB, or it leads where this server does not go.",
                hint=_INSTEAD,
            ) from None
