import io
import re
import sqlite3

import numpy as np
import pytest
import soundfile
from drumline.play.listening import clips as clips_module
from drumline.play.listening.answers import Answers
from drumline.play.listening.server import LOOPBACK, application, open_listener
from starlette.testclient import TestClient

from drumline.errors import InputError
from tests.play.listening.beats import BARS, NAMES, SOURCES

HOST = "http://127.0.0.1"


@pytest.fixture
def answers(tmp_path):
    return Answers(tmp_path / "answers.sqlite")


@pytest.fixture
def client(answers, tmp_path):
    sounds = tmp_path / "sounds"
    sounds.mkdir()
    app = application(answers, answers.keep(SOURCES), BARS, sounds, LOOPBACK)
    return TestClient(app, base_url=HOST, follow_redirects=False)


@pytest.fixture
def quick(monkeypatch):
    """Clips of noise, where it does not matter what is heard: for each beat another, all of one length."""
    monkeypatch.setattr(clips_module, "render", lambda hits: np.random.default_rng(int(hits.sum())).random(4410))


def token_of(page) -> str:
    return re.search(r'name="token" value="([^"]+)"', page.text).group(1)


def answer(client, token, choice="a"):
    return client.post("/answer", data={"token": token, "choice": choice})


def answered(client) -> int:
    return client.get("/results.json").json()["answers"]


def test_an_answer_is_kept_and_leads_to_another_pair(client):
    token = token_of(client.get("/"))
    posted = answer(client, token)
    assert (posted.status_code, posted.headers["location"]) == (303, "/")
    assert token_of(client.get("/")) != token
    assert answered(client) == 1


def test_a_double_post_changes_nothing_and_says_so_beside_another_pair(client):
    token = token_of(client.get("/"))
    answer(client, token, "a")
    before = client.get("/results.json").json()
    again = answer(client, token, "b")
    assert again.status_code == 409
    assert "the first answer stays" in again.text
    assert token_of(again) != token
    assert client.get("/results.json").json() == before


@pytest.mark.parametrize(
    "form",
    [{}, {"token": "x", "choice": "a"}, {"choice": "a"}, {"token": "TOKEN"}, {"token": "TOKEN", "choice": "real"}],
)
def test_what_is_no_answer_is_refused_in_one_sentence(client, form):
    token = token_of(client.get("/"))
    refused = client.post("/answer", data={name: value.replace("TOKEN", token) for name, value in form.items()})
    assert refused.status_code == 400
    assert refused.text.startswith("There is no ")
    assert len(refused.text.splitlines()) == 1
    assert answered(client) == 0


def test_a_form_that_is_too_long_or_is_none_is_refused(client):
    for body in (b"x" * 10**6, b"\xff\x00", b"{}", b"&&&=&"):
        assert client.post("/answer", content=body).status_code == 400


@pytest.mark.usefixtures("quick")
def test_before_the_answer_nothing_tells_the_source(client, answers):
    page = client.get("/")
    token = token_of(page)
    shown = [page, *(client.get(f"/clip/{token}/{side}") for side in "ab")]
    told = page.text.lower() + "".join(f"{name}: {value}\n" for it in shown for name, value in it.headers.items())
    told += shown[1].content.decode("latin-1") + shown[2].content.decode("latin-1")
    assert not [name for name in NAMES if re.search(rf"\b{name}\b", told)]
    with sqlite3.connect(answers.path) as database:
        ids = database.execute("SELECT a, b FROM pair WHERE token = ?", [token]).fetchone()
    assert all(f"/{number}" not in page.text for number in ids)
    dates = {clip.headers["last-modified"] for clip in shown[1:]}
    assert dates == {"Thu, 01 Jan 1970 00:00:00 GMT"}


def test_a_clip_is_an_mp3_with_the_beat_of_its_side(client):
    token = token_of(client.get("/"))
    heard = []
    for side in "ab":
        clip = client.get(f"/clip/{token}/{side}")
        assert (clip.status_code, clip.headers["content-type"]) == (200, "audio/mpeg")
        samples, rate = soundfile.read(io.BytesIO(clip.content))
        assert 2 <= len(samples) / rate <= 3.6
        assert np.abs(samples).max() > 0.5
        heard.append(samples[: 2 * rate])
    assert np.corrcoef(*heard)[0, 1] < 0.99


@pytest.mark.usefixtures("quick")
def test_a_clip_can_be_asked_for_in_parts_as_safari_does(client):
    url = f"/clip/{token_of(client.get('/'))}/a"
    part = client.get(url, headers={"range": "bytes=0-1"})
    assert part.status_code == 206
    assert part.content == client.get(url).content[:2]


@pytest.mark.parametrize("path", ["x/a", "TOKEN/c", "TOKEN/source", "..%2f..%2fanswers/a", "TOKEN/%2e%2e"])
def test_a_clip_that_is_none_is_refused(client, path):
    token = token_of(client.get("/"))
    assert client.get(f"/clip/{path.replace('TOKEN', token)}").status_code in (400, 404)


@pytest.mark.parametrize("path", ["/static/../server.py", "/static/%2e%2e/server.py", "/static//etc/passwd", "/static"])
def test_no_file_outside_the_static_ones_is_served(client, path):
    assert client.get(path).status_code in (404, 405, 307)


def test_a_site_that_calls_itself_by_another_name_is_refused(client):
    assert client.get("/", headers={"host": "rebound.example"}).status_code == 400
    assert client.get("/", headers={"host": "localhost:8600"}).status_code == 200


def test_an_answer_needs_a_post(client):
    token = token_of(client.get("/"))
    assert client.get(f"/answer?token={token}&choice=a").status_code == 405
    assert answered(client) == 0


def test_nothing_comes_from_elsewhere_and_nothing_is_cached(client):
    for path in ("/", "/results"):
        page = client.get(path)
        assert "http" not in page.text
        assert page.headers["cache-control"] == "no-store"
        assert page.headers["content-security-policy"].startswith("default-src 'self'")


def test_the_results_page_says_what_the_json_says(client):
    for choice in ["a", "b", "same", "a"] * 4:
        answer(client, token_of(client.get("/")), choice)
    found, page = client.get("/results.json").json(), client.get("/results").text
    assert found["answers"] == 16
    rows = re.findall(r'<th scope="row">(\w+)</th>\s*<td>(\S+) <small>(\S+) to (\S+)</small>', page)
    expected = [
        (row["source"], *(f"{row[name]:+.2f}" for name in ("strength", "strength_low", "strength_high")))
        for row in found["standings"]
    ]
    assert rows == expected
    assert sum(row["wins"] for row in found["standings"]) == 16


def test_results_before_the_first_answer_are_a_page_too(client):
    assert "never heard" in client.get("/results").text
    assert {row["win_rate"] for row in client.get("/results.json").json()["standings"]} == {None}


def test_a_port_in_use_is_one_sentence():
    with open_listener("127.0.0.1", 0) as listener, pytest.raises(InputError, match="cannot listen there"):
        open_listener("127.0.0.1", listener.getsockname()[1])
    with pytest.raises(InputError, match=r"no\.such\.host:80: cannot listen there"):
        open_listener("no.such.host", 80)
