"""The front for the holder's browser: carried requests, consent, PIN, and the way back to the portal.

The PIN is typed here and nowhere else. Pages work without script; one script of our own only presses the
button that carries a result back.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.concurrency import run_in_threadpool

from ...apdu.errors import PinError, RequestError, TegataError
from ...apdu.secret import Secret
from ...applets.jpki import JpkiKey
from ..web import Pages, language_of
from ..web.guards import SECURITY_HEADERS
from .core import Core
from .requests import MAX_BYTES, Document, Sign
from .states import FINAL, State
from .transaction import Arrival, Notice, Transaction

__all__ = ["browser_router"]

PAGES = Pages(__package__)
COOKIE = "tegata"
WAITING = {State.AWAITING_CARD: "card", State.SIGNING: "signing"}
REFRESH_SECONDS = 1


def browser_router(core: Core) -> APIRouter:
    """The routes ``/carried`` and ``/t/…``."""
    router = APIRouter()

    @router.post("/carried")
    async def carried(request: Request) -> Response:
        fields = _fields(await request.body())
        origin = request.headers.get("origin", "")

        def accept() -> Response:
            made = core.accept(fields.get("request", ""), Arrival.CARRIED, origin=origin)
            core.visit(made.id, None)
            return _to_page(made, _lang_query(request))

        return await run_in_threadpool(accept)

    @router.get("/t/{number}")
    def page(number: str, request: Request) -> Response:
        found = core.visit(number, request.cookies.get(COOKIE))
        return _page(core, found, language_of(request.scope))

    @router.get("/t/{number}/items/{index}")
    def item(number: str, index: int, request: Request) -> Response:
        return _item(core.visit(number, request.cookies.get(COOKIE)), index)

    @router.post("/t/{number}/consent")
    async def consent(number: str, request: Request) -> Response:
        fields = _fields(await request.body())

        def decide(browser: str | None, csrf: str) -> Transaction:
            return core.decide(number, browser, csrf, consent=fields.get("decision") == "accept")

        return await run_in_threadpool(_act, request, fields, decide)

    @router.post("/t/{number}/pin")
    async def pin(number: str, request: Request) -> Response:
        fields = _fields(await request.body())
        secret = _pin(fields.pop("pin", ""), upper=fields.get("kind") == "signature")

        def enter(browser: str | None, csrf: str) -> Transaction:
            last_try = fields.get("last_try") == "yes"
            question = fields.get("question", "")
            return core.enter_pin(number, browser, csrf, secret, question=question, last_try=last_try)

        try:
            return await run_in_threadpool(_act, request, fields, enter)
        except TegataError as error:
            secret.wipe()
            if isinstance(error, PinError) or error.code == "pin.format":
                return RedirectResponse(f"/t/{number}{_lang_query(request)}", 303)  # the page shows a notice
            raise

    return router


def _act(request: Request, fields: dict[str, str], act: Callable[[str | None, str], Transaction]) -> Response:
    found = act(request.cookies.get(COOKIE), fields.get("csrf", ""))
    return _to_page(found, _lang_query(request))


def _fields(body: bytes) -> dict[str, str]:
    """A form's fields, each given once. Raises RequestError ``request.malformed``."""
    try:
        found = parse_qs(
            body.decode("ascii"), keep_blank_values=True, strict_parsing=bool(body), max_num_fields=10
        )
    except ValueError as error:
        raise RequestError("request.malformed", what="the form") from error
    if any(len(values) != 1 for values in found.values()):
        raise RequestError("request.malformed", what="a field stands twice in the form")
    return {name: values[0] for name, values in found.items()}


def _pin(text: str, *, upper: bool) -> Secret:
    """The signature password is typed in any case; the card compares upper-case bytes."""
    try:
        return Secret.from_text(text.upper() if upper else text)
    except ValueError:
        return Secret(b"")  # refused by the format rule, which says what is right


def _lang_query(request: Request) -> str:
    return f"?lang={language_of(request.scope)}" if "lang" in request.query_params else ""


def _to_page(found: Transaction, query: str = "") -> Response:
    response = RedirectResponse(f"/t/{found.id}{query}", status_code=303)
    return _with_cookie(response, found)


def _with_cookie(response: Response, found: Transaction) -> Response:
    # Lax, not Strict: the first page is reached from the portal's site.
    response.set_cookie(
        COOKIE, found.browser or "", path=f"/t/{found.id}", httponly=True, samesite="lax", max_age=900
    )
    return response


def _page(core: Core, found: Transaction, lang: str) -> Response:
    if found.state in FINAL:
        return _with_cookie(_finished(core, found, lang), found)
    if found.state in WAITING:
        html = _render("wait.html", lang, found, waiting=WAITING[found.state], refresh=str(REFRESH_SECONDS))
    elif found.state is State.AWAITING_PIN:
        shown = {"notice": _notice(found, lang), "tries": found.tries, "question": found.question}
        html = _render("pin.html", lang, found, **shown)
    else:
        html = _render("consent.html", lang, found, items=found.items())
    return _with_cookie(HTMLResponse(html), found)


def _render(template: str, lang: str, found: Transaction, **values: Any) -> str:
    texts = PAGES.texts[lang]
    kind = "authentication" if found.key is JpkiKey.AUTHENTICATION else "signature"
    title = texts[f"title_{template.removesuffix('.html')}"]
    return PAGES.render(
        template,
        lang,
        title=title.format(portal=found.portal.name),
        portal=found.portal,
        site=found.return_origin(),
        purpose=found.request.purpose,
        kind=kind,
        pin_name=texts[f"pin_{kind}"],
        csrf=found.csrf,
        here=f"/t/{found.id}",
        language=f"?lang={lang}",
        **{"refresh": None, **values},
    )


def _notice(found: Transaction, lang: str) -> dict[str, str] | None:
    notice: Notice | None = found.notice
    if notice is None:
        return None
    texts = PAGES.texts[lang]
    kind = "authentication" if found.key is JpkiKey.AUTHENTICATION else "signature"
    text = texts["notice_" + notice.code.replace(".", "_")]
    filled = text.format(pin=texts[f"pin_{kind}"], rule=texts[f"rule_{kind}"], tries=notice.tries)
    return {"text": filled, "type": f"urn:tegata:problem:{notice.code}"}


def _finished(core: Core, found: Transaction, lang: str) -> Response:
    carried = found.arrival is Arrival.CARRIED
    shown = found.problem
    html = _render(
        "finished.html",
        lang,
        found,
        state=str(found.state),
        sentence=shown.sentence(lang) if shown else None,
        next_step=shown.next_step(lang) if shown else None,
        problem_type=f"urn:tegata:problem:{shown.code}" if shown else None,
        answer=core.carry(found) if carried else None,
        action=found.request.return_url,
        address=found.return_address(),
        refresh=f"2;url={found.return_address()}" if not carried and found.state is State.DONE else None,
    )
    policy = SECURITY_HEADERS["content-security-policy"]
    if carried:
        policy = policy.replace("form-action 'self'", f"form-action {found.return_origin()}")
        policy += "; script-src 'self'"
    return HTMLResponse(html, headers={"content-security-policy": policy})


def _item(found: Transaction, index: int) -> Response:
    """A document, to be looked at before consent: as a download, never inside the page."""
    items = found.request.items if isinstance(found.request, Sign) else ()
    chosen = items[index] if 0 <= index < len(items) else None
    if not isinstance(chosen, Document) or len(chosen.document) > MAX_BYTES:
        raise RequestError("request.not_found")
    name, media = ("document.pdf", "application/pdf") if chosen.kind == "pdf" else ("document.bin", None)
    return Response(
        chosen.document,
        media_type=media or "application/octet-stream",
        headers={
            "content-disposition": f'attachment; filename="{name}"',
            "content-security-policy": "sandbox",
        },
    )
