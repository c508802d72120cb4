"""A holder's browser, small: follows redirects, keeps cookies, fills in forms, says where it comes from."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

import httpx


@dataclass
class FormOnPage:
    action: str
    fields: dict[str, str] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)


class _Reader(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.forms: list[FormOnPage] = []
        self.links: list[str] = []
        self.refresh = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append(FormOnPage(found.get("action", "")))
        elif tag == "a":
            self.links.append(found.get("href", ""))
        elif tag == "input" and found.get("type") == "hidden":
            self.forms[-1].fields[found["name"]] = found["value"]
        elif tag in ("input", "button") and "name" in found:
            self.forms[-1].names.add(found["name"])
        elif tag == "meta" and found.get("http-equiv") == "refresh":
            self.refresh = found["content"]


class Browser:
    def __init__(self, lang: str = "en") -> None:
        headers = {"accept": "text/html", "accept-language": lang}
        self.client = httpx.Client(follow_redirects=True, trust_env=False, headers=headers, timeout=30)
        self.page = httpx.Response(200)

    @property
    def html(self) -> str:
        return self.page.text

    @property
    def forms(self) -> list[FormOnPage]:
        return _Reader(self.html).forms

    @property
    def links(self) -> list[str]:
        return _Reader(self.html).links

    def open(self, url: str) -> httpx.Response:
        self.page = self.client.get(url)
        return self.page

    def submit(self, number: int = 0, **values: str) -> httpx.Response:
        """Send the form on the page, as a browser would from there."""
        form = self.forms[number]
        target = urljoin(str(self.page.url), form.action)
        self.page = self.client.post(target, data={**form.fields, **values}, headers=self._from(target))
        return self.page

    def settle(self, seconds: float = 30) -> httpx.Response:
        """Reload while the page says that it waits."""
        until = time.monotonic() + seconds
        while _Reader(self.html).refresh == "1":
            assert time.monotonic() < until, self.html
            time.sleep(0.05)
            self.open(str(self.page.url))
        return self.page

    def agree(self) -> httpx.Response:
        self.submit(decision="accept")
        return self.settle()

    def type_pin(self, pin: str, **more: str) -> httpx.Response:
        self.submit(pin=pin, **more)
        return self.settle()

    def go_back(self) -> httpx.Response:
        """Back to the portal, as the bridge's last page says."""
        if self.forms:
            return self.submit()
        return self.open(self.links[0])

    def _from(self, target: str) -> dict[str, str]:
        here = urlsplit(str(self.page.url))
        same = urlsplit(target).netloc == here.netloc
        return {
            "origin": f"{here.scheme}://{here.netloc}",
            "sec-fetch-site": "same-origin" if same else "cross-site",
        }

    def close(self) -> None:
        self.client.close()
