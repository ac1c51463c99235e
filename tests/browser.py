"""Pages in chromium, for the tests: a test file imports the fixtures `chromium` and `open_page`."""

import shutil
from pathlib import Path

import pytest


# Of a module, not the session: as long as it lives, no test can call asyncio.run.
@pytest.fixture(scope="module")
def chromium():
    """The browser of a test file."""
    program = shutil.which("chromium")
    if not program:
        pytest.skip("chromium is not installed (Debian: apt-get install chromium)")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def open_page(request, chromium):
    """open_page(address or file, viewport=(width, height), dark=False) opens a page of a browser of its own.

    page.errors is the list of what its console complained of and of the exceptions that nothing caught.
    """

    def open_page(address: str | Path, viewport: tuple[int, int] = (1280, 800), dark: bool = False):
        width, height = viewport
        scheme = "dark" if dark else "light"
        context = chromium.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
        request.addfinalizer(context.close)
        page = context.new_page()
        page.errors = []
        page.on("console", lambda message: message.type == "error" and page.errors.append(message.text))
        page.on("pageerror", lambda error: page.errors.append(str(error)))
        page.goto(address.absolute().as_uri() if isinstance(address, Path) else address)
        return page

    return open_page
