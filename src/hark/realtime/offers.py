"""Offers of WebRTC (SDP, RFC 8866) as they come from strangers: checked before anything is opened for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiortc.sdp import SessionDescription

from hark.errors import RequestError, TooLargeError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aiortc.sdp import MediaDescription

    from hark.realtime.ice import Network

MOST_BYTES = 64 * 1024
_MOST_CANDIDATES = 200  # a machine has a few addresses, named with each track


def checked(offer: str, network: Network, client: str | None) -> tuple[str, bool]:
    """An offer without the addresses that are not to be written to, and whether there is sound in it.

    Raises:
        RequestError: it is no offer, or one of something else than sound and events.
        TooLargeError: it is over 64 KiB.
    """
    if len(offer.encode("utf-8", "replace")) > MOST_BYTES:
        raise TooLargeError("The SDP is over 64 KiB.", param="sdp")
    found = _parsed(offer)
    kinds = [one.kind for one in found.media]
    if kinds.count("application") != 1:
        raise _wrong("It has no data channel, or several.", "Create one, `oai-events`, before the offer.")
    if kinds.count("audio") > 1 or len(kinds) != kinds.count("audio") + 1:
        raise _wrong("It has more than one track of sound.", "Add the microphone, and no video.")
    bundles = [sorted(map(str, group.items)) for group in found.group if group.semantic == "BUNDLE"]
    names = sorted({str(one.rtp.muxId) for one in found.media})
    if len(names) < len(kinds) or bundles != [names]:
        raise _wrong("Its parts are not bundled.", "Leave the bundlePolicy as it is.")
    for one in found.media:
        _check(one)
    return "".join(_kept(offer, network, client)), "audio" in kinds


def _parsed(offer: str) -> SessionDescription:
    try:
        return SessionDescription.parse(offer)
    except Exception as error:  # whatever its parser stumbles over (also StopIteration)
        raise _wrong("It cannot be read.", "Send the `sdp` of pc.localDescription as it is.") from error


def _check(one: MediaDescription) -> None:
    """Refuse what only fails later, in the background."""
    if one.dtls is None or not any(print_.algorithm.startswith("sha-") for print_ in one.dtls.fingerprints):
        raise _wrong("It has no fingerprint, or no setup.", "Connections are encrypted: send both.")
    if one.ice is None or not one.ice.usernameFragment or not one.ice.password:
        raise _wrong("It has no ice-ufrag, or no ice-pwd.", "Send the `sdp` of pc.localDescription as it is.")
    if one.kind == "application" and (one.sctp_port is None or one.fmt != ["webrtc-datachannel"]):
        raise _wrong("Its data channel has no sctp-port.", "Browsers have spoken so since 2020.")
    if one.kind == "audio" and one.direction is None:
        raise _wrong("Its sound has no direction.", "Send a=sendrecv or a=sendonly.")
    if one.kind == "audio" and not any(codec.mimeType.lower() == "audio/opus" for codec in one.rtp.codecs):
        raise _wrong("Its sound is not Opus.", "Leave Opus among the codecs.")


def _kept(offer: str, network: Network, client: str | None) -> Iterator[str]:
    """All lines but candidates that are not to be written to; and the end of them, as others may show themselves."""
    count = 0
    for line in offer.splitlines():
        if line.startswith("a=candidate:"):
            count += 1
            if count > _MOST_CANDIDATES:
                raise _wrong(f"It has over {_MOST_CANDIDATES} candidates.", "Name fewer addresses.")
            if not network.knows("".join(line.split()[4:5]), client):
                continue
        if line.strip() and not line.startswith("a=end-of-candidates"):
            yield line + "\r\n"


def _wrong(what: str, hint: str) -> RequestError:
    return RequestError(f"The SDP is no offer of a call: {what[0].lower()}{what[1:]}", hint=hint, param="sdp")
