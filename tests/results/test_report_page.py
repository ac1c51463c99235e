import html
import json
import re

import pytest
from drumline.results import pictures
from drumline.results.report_facts import Point
from drumline.results.report_page import format_value, render_report

from tests.results import example

SCRIPT = "</script><script>alert('x')</script><img src=x onerror=alert(1)>"


def facts_in(text: str) -> list[dict]:
    return json.loads(re.search(r'<script type="application/json" id="facts">(.*?)</script>', text, re.DOTALL)[1])


@pytest.fixture(scope="module")
def text() -> str:
    return render_report([example.facts()], example.sounds())


def test_the_page_holds_the_facts_as_they_are(text):
    assert facts_in(text) == [example.run()]


def test_the_page_names_no_address_that_a_browser_would_fetch(text):
    own = text.replace(pictures_program(), "")
    assert not re.search(r"(src|href)\s*=\s*[\"']?(?!#|data:)[^\"'\s>]", own)
    assert "url(" not in own
    assert "@import" not in own


def pictures_program() -> str:
    from plotly.offline import get_plotlyjs

    return get_plotlyjs()


def test_what_strangers_wrote_is_inert():
    run = example.run()
    run["corpus"] = run["data"]["midi"] = SCRIPT
    run["data"]["rejections"] = {SCRIPT: 1}
    for model in run["models"]:
        model["failures"] = [SCRIPT]
        for grid in model["examples"]:
            grid["song"] = grid["title"] = SCRIPT
        for point in model["latent"]["points"] if model["latent"] else ():
            point["song"] = SCRIPT
    text = render_report([example.parse(run)], example.sounds())
    assert SCRIPT not in text
    assert "<img src=x" not in text
    assert html.escape(SCRIPT).replace("&#x27;", "&#39;") in text
    assert facts_in(text) == [run]


def test_labels_of_pictures_are_escaped_for_plotly():
    song = "<a href='http://example.org'>song</a>"
    (label,) = pictures.draw_latent_space([Point(0.0, 0.0, song, [0])]).data[0].text
    assert "<" not in label
    assert html.unescape(label) == song


def test_a_model_has_one_colour_in_every_picture():
    run = example.facts()
    colour_of = pictures.assign_colours([run])
    assert len(set(colour_of.values())) == len(run.models)
    for figure in pictures.draw_slices(run, colour_of).values():
        assert {trace.name: trace.line.color for trace in figure.data} == colour_of
    bars = pictures.draw_onsets(run, colour_of)
    assert {trace.name: trace.marker.color for trace in bars.data} == colour_of


def test_the_runs_share_the_pictures_of_learning_in_lines_of_their_own():
    figure = pictures.draw_learning_curves([example.facts(), example.facts(seed=1)], ["A: ", "B: "])["Sampled accuracy"]
    dashes = {trace.name: trace.line.dash for trace in figure.data}
    assert dashes["A: lstm"] != dashes["B: lstm"]
    assert dashes["A: lstm"] == dashes["A: conv"]


def test_only_autoencoders_have_a_curve_of_kl():
    figure = pictures.draw_learning_curves([example.facts()], [""])["KL (nats)"]
    assert {trace.name for trace in figure.data if trace.showlegend} == {"flat_vae", "hierarchical_vae"}


def test_slices_stand_in_the_order_of_their_numbers_with_their_windows():
    run = example.facts()
    figure = pictures.draw_slices(run, pictures.assign_colours([run]))["Sampled accuracy by hits per bar"]
    assert [label.split("<br>")[0] for label in figure.layout.xaxis.categoryarray] == ["0-3", "4-7", "8-15", "16+"]
    assert figure.data[0].x[0] == "0-3<br>(30)"


def test_a_combination_is_spoken_by_its_drums():
    assert pictures.describe_combination(0) == "silence"
    assert pictures.describe_combination(0b010000001) == "kick + crash"


def test_a_figure_that_json_does_not_have_is_refused():
    run = example.run()
    run["models"][0]["metrics"]["onset_f1"] = float("nan")
    with pytest.raises(ValueError, match="not JSON compliant"):
        render_report([example.parse(run)], {})


def test_a_model_of_which_little_is_known_has_a_page():
    run = example.run()
    (run["models"][0], *_) = run["models"]
    run["models"] = run["models"][:1]
    run["models"][0] |= {"intervals": {}, "epochs": [], "slices": [], "examples": [], "latent": None, "paper": None}
    run["models"][0]["metrics"] = {"sampled_accuracy": 0.5}
    run["data"]["rejections"] = {}
    text = render_report([example.parse(run)], "no sound")
    assert "No epoch was kept." in text
    assert "Nothing was left out." in text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.98765, "0.988"), (12345, "12,345"), (None, ""), (True, "yes"), ("a <b>", "a <b>"), (1e-9, "0.000")],
)
def test_a_table_shows_three_decimals_and_thousands(value, text):
    assert format_value(value) == text
