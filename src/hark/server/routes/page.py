"""The page at `/`: a few files that come with hark, held to themselves by their headers; anybody may see them."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.resources import files

from fastapi import APIRouter, Request, Response

from hark.errors import NotServedError

router = APIRouter(include_in_schema=False)

_TYPES = {".html": "text/html; charset=utf-8", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_POLICY = (
    "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self'; img-src 'self'; media-src blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=(), display-capture=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-cache",
}


@router.api_route("/", methods=["GET", "HEAD"])
async def page(request: Request) -> Response:
    """Show the page."""
    return _file(request, "index.html")


@router.api_route("/page/{name}", methods=["GET", "HEAD"])
async def part(request: Request, name: str) -> Response:
    """A file of the page.

    Raises:
        NotServedError: there is none of this name.
    """
    if name not in _files():
        raise NotServedError(f"There is no page /page/{name[:100]} here.")
    return _file(request, name)


def _file(request: Request, name: str) -> Response:
    data, tag = _files()[name]
    headers = _HEADERS | {"ETag": tag}
    if tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(data, media_type=_TYPES[name[name.rindex(".") :]], headers=headers)


@cache
def _files() -> dict[str, tuple[bytes, str]]:
    """What there is, and an ETag for each."""
    every = [
        one for one in files("hark.server").joinpath("page").iterdir() if one.name[one.name.rfind(".") :] in _TYPES
    ]
    read = {one.name: one.read_bytes() for one in every}
    return {name: (data, f'"{hashlib.sha256(data).hexdigest()[:16]}"') for name, data in read.items()}
