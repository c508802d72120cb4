"""A real browser does what the small one of the other tests does, with its own rules for forms."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

from .conftest import Bench

pytestmark = pytest.mark.foreign

SECONDS = 60
ARGUMENTS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-proxy-server",
    "--lang=en",
)


@pytest.fixture
def chromium(tmp_path: Path) -> Iterator[Chrome]:
    options = ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for argument in (*ARGUMENTS, f"--user-data-dir={tmp_path / 'chromium'}"):
        options.add_argument(argument)
    driver = Chrome(options=options, service=Service("/usr/bin/chromedriver"))
    try:
        yield driver
    finally:
        driver.quit()


@pytest.mark.parametrize(
    ("how", "what", "pin"),
    [("pushed", "login", "1234"), ("carried", "login", "1234"), ("carried", "sign", "abc123")],
)
def test_a_holder_with_chromium(bench: Bench, chromium: Chrome, how: str, what: str, pin: str) -> None:
    waiting = WebDriverWait(chromium, SECONDS)
    # Another host name than the portal's: for the browser the bridge is another site.
    bridge = bench.bridge.url.replace("127.0.0.1", "localhost") if how == "carried" else bench.bridge.url
    bench.portal.bridge = bridge
    chromium.get(bench.portal.origin)
    chromium.find_element(By.ID, f"{how}-{what}").click()
    if how == "carried":
        waiting.until(lambda driver: driver.find_elements(By.ID, "go"))[0].click()
    waiting.until(lambda driver: driver.find_elements(By.CSS_SELECTOR, "button[value=accept]"))
    assert chromium.current_url.startswith(f"{bridge}/t/")
    chromium.find_element(By.CSS_SELECTOR, "button[value=accept]").click()
    field = waiting.until(lambda driver: driver.find_elements(By.NAME, "pin"))[0]
    field.send_keys(pin)
    field.submit()
    waiting.until(lambda driver: urlsplit(driver.current_url).path == "/me")
    assert chromium.current_url == f"{bench.portal.origin}/me"
    (session,) = [found for found in bench.portal.sessions.values() if found.user or found.document]
    assert (session.document is not None) == (what == "sign")
    errors = [
        line["message"] for line in chromium.get_log("browser") if "Content Security" in line["message"]
    ]
    assert errors == []
