"""Errors as answers: RFC 9457 problem details for programs, a page with the same sentences for people."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

from starlette.datastructures import Headers
from starlette.responses import HTMLResponse, JSONResponse, Response

from ...apdu.errors import TegataError
from .pages import Pages, language_of

__all__ = ["problem", "respond"]

_PAGES = Pages(__package__)


def problem(error: TegataError, lang: str) -> dict[str, Any]:
    """The members of a problem: ``type`` is ``urn:tegata:problem:CODE``."""
    return {
        "type": f"urn:tegata:problem:{error.code}",
        "title": error.sentence(lang),
        "detail": error.next_step(lang),
        "status": error.status,
    }


def respond(error: TegataError, scope: MutableMapping[str, Any]) -> Response:
    """The answer for this request: a page when a browser asked for one, problem JSON otherwise."""
    headers = Headers(scope=scope)
    lang = language_of(scope)
    body = problem(error, lang)
    if "text/html" in headers.get("accept", ""):
        page = _PAGES.render("error.html", lang, problem=body, title=body["title"])
        return HTMLResponse(page, status_code=error.status)
    return JSONResponse(
        body,
        status_code=error.status,
        media_type="application/problem+json",
        headers={"content-language": lang},
    )
