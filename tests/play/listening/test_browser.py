import re
import threading

import numpy as np
import pytest
import requests
import uvicorn
from drumline.play.listening.answers import Answers
from drumline.play.listening.server import LOOPBACK, application, open_listener
from playwright.sync_api import expect

from tests.browser import chromium, open_page  # noqa: F401
from tests.play.listening.beats import BARS, SOURCES

expect.set_options(timeout=30_000)


class Running:
    """The listening test in a thread, which can be started anew on the same port."""

    def __init__(self, folder):
        self.folder, self.port = folder, 0
        self.start()

    def start(self):
        answers = Answers(self.folder / "answers.sqlite")
        app = application(answers, answers.keep(SOURCES), BARS, self.folder, LOOPBACK)
        self.listener = open_listener("127.0.0.1", self.port)
        self.port = self.listener.getsockname()[1]
        self.server = uvicorn.Server(uvicorn.Config(app, log_level="error", timeout_graceful_shutdown=1))
        self.thread = threading.Thread(target=self.server.run, kwargs={"sockets": [self.listener]}, daemon=True)
        self.thread.start()

    def stop(self):
        self.server.should_exit = True
        self.thread.join()
        self.listener.close()

    def restart(self):
        self.stop()
        self.start()

    @property
    def address(self):
        return f"http://127.0.0.1:{self.port}/"

    def results(self):
        return requests.get(f"{self.address}results.json", timeout=60).json()


@pytest.fixture
def running(tmp_path):
    running = Running(tmp_path)
    yield running
    running.stop()


def token_of(page) -> str:
    return page.locator("input[name=token]").input_value()


def wait_for_another_pair(page, token):
    expect(page.locator("input[name=token]")).not_to_have_value(token)
    page.wait_for_load_state()


def wait_until_it_plays(page, side):
    expect(page.locator(f"#progress-{side}")).not_to_have_js_property("value", 0)
    assert page.evaluate("side => document.getElementById(side).currentTime", side) > 0


def play(page, key):
    page.keyboard.press(key)
    wait_until_it_plays(page, {"1": "a", "2": "b"}.get(key, key))


def choose(page, key):
    """Chooses by a key, and waits for the next pair. Returns the token of the pair that was answered."""
    token = token_of(page)
    page.keyboard.press(key)
    wait_for_another_pair(page, token)
    return token


LOUDNESS = """async (side) => {
  const data = await (await fetch(document.getElementById(side).src)).arrayBuffer();
  const sound = await new OfflineAudioContext(1, 1, 44100).decodeAudioData(data);
  return [sound.duration, ...sound.getChannelData(0).reduce(([most], x) => [Math.max(most, Math.abs(x))], [0])];
}"""


def test_a_listener_plays_answers_and_reads_the_results(running, open_page):  # noqa: F811
    page = open_page(running.address)
    assert page.locator("button[name=choice]:disabled").count() == 3
    for key, side in (("1", "a"), ("b", "b")):
        duration, peak = page.evaluate(LOUDNESS, side)
        assert 2 <= duration <= 3.6
        assert peak > 0.5
        play(page, key)
    assert page.evaluate("document.getElementById('a').paused")
    first = choose(page, "ArrowLeft")

    assert page.locator("button[name=choice]:disabled").count() == 3
    page.keyboard.press("ArrowRight")
    assert page.locator("#notice").inner_text() == "Listen to both beats first."
    play(page, "2")
    running.restart()
    play(page, "1")
    choose(page, "s")
    assert running.results()["answers"] == 2

    play(page, "a")
    play(page, "2")
    third = token_of(page)
    # The button of what is already sent, before the next page is there.
    page.evaluate("() => { const b = document.querySelector('button[value=b]'); b.click(); b.click(); b.click(); }")
    wait_for_another_pair(page, third)
    assert running.results()["answers"] == 3
    assert page.locator("footer").inner_text().startswith("3 answers so far")
    assert page.errors == []

    for token in (first, third):
        page.evaluate("([token]) => document.querySelector('input[name=token]').setAttribute('value', token)", [token])
        page.evaluate("() => { const b = document.querySelector('button[value=a]'); b.disabled = false; b.click(); }")
        page.wait_for_selector("#notice:has-text('the first answer stays')")
    assert running.results()["answers"] == 3
    # What the browser says of an answer with status 409.
    assert all("409" in error for error in page.errors)

    page.errors.clear()
    page.click("text=Results")
    page.locator("#standings tbody tr").first.wait_for()
    rows = page.locator("#standings tbody tr").all_inner_texts()
    for text, row in zip(rows, running.results()["standings"], strict=True):
        source, strength, *_, answers = re.split(r"\s+", text.strip())
        assert (source, float(strength), int(answers)) == (row["source"], round(row["strength"], 2), row["answers"])
    assert page.errors == []


@pytest.mark.parametrize("viewport", [(390, 844), (1280, 800)])
@pytest.mark.parametrize("dark", [False, True])
def test_both_pages_fit_and_can_be_read(running, open_page, viewport, dark):  # noqa: F811
    page = open_page(running.address, viewport, dark)
    grounds = []
    for address in (running.address, f"{running.address}results"):
        page.goto(address)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        tables = "[...document.querySelectorAll('.scroll')].every((box) => box.scrollWidth <= box.clientWidth)"
        assert page.evaluate(tables)
        colours = page.evaluate(
            "(({color, backgroundColor}) => [color, backgroundColor])(getComputedStyle(document.body))"
        )
        text, ground = (np.mean(list(map(int, re.findall(r"\d+", colour)[:3]))) for colour in colours)
        assert (text > ground) == dark
        assert abs(text - ground) > 150
        grounds.append(ground)
    assert grounds[0] == grounds[1]
    assert page.errors == []


def test_on_a_phone_the_beats_are_played_and_chosen_by_touch(running, open_page):  # noqa: F811
    page = open_page(running.address, (390, 844))
    for side in "ab":
        page.click(f".play[data-side={side}]")
        wait_until_it_plays(page, side)
    token = token_of(page)
    page.click("text=B is better")
    wait_for_another_pair(page, token)
    assert running.results()["answers"] == 1
    for button in page.locator("button").all():
        assert button.bounding_box()["height"] >= 44
