"""The page as a reader has it: from disk, in a browser."""

import numpy as np
import pytest
from drumline.drums.kit import DRUMS, STEPS_PER_BAR
from drumline.results.report_page import format_value
from drumline.results.report_page import render_report as page_of

from tests.browser import chromium, open_page  # noqa: F401
from tests.results import example

STEP = 0.125  # seconds
# Every picture and grid comes into sight once, those in boxes that scroll sideways too.
SCROLL = """async () => {
    for (const one of document.querySelectorAll(".picture, .beat")) {
        one.scrollIntoView({ behavior: "instant", inline: "center" });
        await new Promise((resolve) => setTimeout(resolve, 30));
    }
}"""
UNDRAWN = """[...document.querySelectorAll(".plot")].filter((plot) => !plot.querySelector(".main-svg")).length"""
# What a grid sounds like, by the page's own schedule: energy of each step, [steps + 4].
ENERGY = """async (combinations) => {
    const steps = combinations.length + 4;
    const offline = new OfflineAudioContext(1, steps * secondsPerStep * 44100, 44100);
    schedule(offline, await decoded(offline), combinations, 0);
    const samples = (await offline.startRendering()).getChannelData(0);
    const size = samples.length / steps;
    return [...Array(steps).keys()].map((step) =>
        samples.slice(step * size, (step + 1) * size).reduce((sum, sample) => sum + sample * sample, 0));
}"""
# Listens to everything that the page plays.
EAR = """() => {
    const connect = AudioNode.prototype.connect;
    AudioNode.prototype.connect = function (to, ...rest) {
        if (to instanceof AudioDestinationNode && !(this.context instanceof OfflineAudioContext)) {
            window.ear ??= new AnalyserNode(this.context, { fftSize: 32768 });
            connect.call(this, window.ear);
        }
        return connect.call(this, to, ...rest);
    };
}"""
HEARD = """(() => {
    const samples = new Float32Array(window.ear.fftSize);
    window.ear.getFloatTimeDomainData(samples);
    return Math.max(...samples.map(Math.abs));
})()"""


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    made = {
        "one": page_of([example.facts()], example.sounds()),
        "long": page_of([example.facts(16, points=12)], example.sounds()),
        "two": page_of([example.facts(), example.facts(seed=1)], example.sounds()),
        "silent": page_of([example.facts()], "no sound: fluidsynth is missing; install it"),
    }
    for name, text in made.items():
        (folder / f"{name}.html").write_text(text)
    return {name: folder / f"{name}.html" for name in made}


@pytest.fixture
def opened(open_page, files):  # noqa: F811
    """opened(name, ...) opens a page that has no network and that must not complain."""
    pages = []

    def opened(name: str, **how):
        page = open_page(files[name], **how)
        page.context.set_offline(True)
        page.requested = []
        page.on("request", lambda request: page.requested.append(request.url))
        pages.append(page)
        return page

    yield opened
    assert [error for page in pages for error in page.errors] == []


def until(page, condition: str) -> None:
    """Waits for it without wait_for_function, whose polling the page's content security policy forbids."""
    for _ in range(200):
        if page.evaluate(f"Boolean({condition})"):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"never: {condition}")


def draw_all(page) -> None:
    page.evaluate(SCROLL)
    until(page, f"{UNDRAWN} === 0")


def shown_in(plot) -> list[int]:
    """The combinations of a drawn grid."""
    return ((1 << np.arange(len(DRUMS))) @ np.array(plot.evaluate("(plot) => plot.data[0].z"))).tolist()


def rows(page, caption: str) -> list[list[str]]:
    table = page.locator("table", has=page.locator("caption", has_text=caption)).first
    return [row.locator("th, td").all_inner_texts() for row in table.locator("tbody tr").all()]


@pytest.mark.parametrize("name", ["one", "two"])
def test_every_picture_is_drawn_and_nothing_is_fetched(opened, name):
    page = opened(name)
    assert page.evaluate(UNDRAWN) > 0, "pictures far below are drawn before anybody sees them"
    draw_all(page)
    fetched = page.evaluate("performance.getEntriesByType('resource').map((entry) => entry.name)") + page.requested
    assert [address for address in fetched if not address.startswith(("data:", "blob:", "file:"))] == []


def test_the_table_holds_the_figures_of_the_json(opened):
    page = opened("one")
    (run,) = page.evaluate("JSON.parse(document.getElementById('facts').textContent)")
    by_name = {row[0]: row for row in rows(page, "Held-out songs")}
    assert list(by_name) == [*run["baselines"], *(model["model"] for model in run["models"])]
    for model in run["models"]:
        metrics, paper = model["metrics"], model["paper"] or {}
        expected = [model["model"]]
        for way in ("teacher_forced", "sampled"):
            low, high = model["intervals"][f"{way}_accuracy"]
            expected += [format_value(metrics[f"{way}_accuracy"]), f"{low:.3f} to {high:.3f}"]
            expected += [format_value(paper.get(f"{way}_accuracy")), format_value(metrics[f"{way}_nonsilent_accuracy"])]
        expected += [format_value(metrics["onset_f1"])]
        row = by_name[model["model"]]
        assert row[:10] == expected
        assert row[11] == ("blessed" if model["blessed"] else "not blessed")
    for name, metrics in run["baselines"].items():
        assert by_name[name][1] == f"{metrics['teacher_forced_accuracy']:.3f}"
        assert by_name[name][5] == f"{metrics['sampled_accuracy']:.3f}"
    assert by_name["flat_vae"][10] == "majority"
    assert page.get_by_text(example.FAILURE).is_visible()


def test_grids_show_the_hits_of_their_combinations_and_shade_the_primer(opened):
    page = opened("one")
    original, continued = (page.locator(".beat .plot").nth(i) for i in (0, 1))
    continued.scroll_into_view_if_needed()
    until(page, "[0, 1].every((i) => document.querySelectorAll('.beat .plot')[i].querySelector('.main-svg'))")
    combinations = example.run()["models"][0]["examples"][0]["combinations"]
    assert shown_in(original) == combinations
    last_shapes = [plot.evaluate("(plot) => plot.layout.shapes.at(-1)") for plot in (original, continued)]
    assert [shape["type"] for shape in last_shapes] == ["line", "rect"]
    assert (last_shapes[1]["x0"], last_shapes[1]["x1"]) == (-0.5, STEPS_PER_BAR - 0.5)


def test_hits_sound_at_their_sixteenths(opened):
    combinations = [0] * 32
    for step, combination in ((0, 1), (4, 2), (13, 1 << 8), (20, 0b101)):
        combinations[step] = combination
    energy = np.array(opened("one").evaluate(ENERGY, combinations))
    assert np.flatnonzero(energy > 1).tolist() == [0, 4, 13, 20]


def test_a_grid_of_silence_is_silent(opened):
    assert max(opened("one").evaluate(ENERGY, [0] * 32)) == 0


def test_all_drums_at_once_do_not_clip(opened):
    loudest = """async () => {
        const offline = new OfflineAudioContext(1, 44100, 44100);
        schedule(offline, await decoded(offline), [511], 0);
        return Math.max(...(await offline.startRendering()).getChannelData(0).map(Math.abs));
    }"""
    assert 0.1 < opened("one").evaluate(loudest) <= 1


def test_play_sounds_moves_the_cursor_and_stops_the_other_grid(opened):
    page = opened("long")
    page.evaluate(EAR)
    first, second = (page.locator(".beat").nth(i) for i in (0, 1))
    first.get_by_role("button", name="Play").click()
    until(page, f"window.ear && {HEARD} > 0.05")
    until(page, "document.querySelector('.cursor').hidden === false")
    before = first.locator(".cursor").evaluate("(cursor) => parseFloat(cursor.style.left)")
    until(page, f"parseFloat(document.querySelector('.cursor').style.left) > {before}")
    assert first.locator(".play").inner_text() == "Stop"
    second.get_by_role("button").click()
    until(page, "document.querySelectorAll('.cursor')[1].hidden === false")
    assert (first.locator(".play").inner_text(), second.locator(".play").inner_text()) == ("Play", "Stop")
    assert first.locator(".cursor").is_hidden()
    second.get_by_role("button").press("Enter")
    assert second.locator(".play").inner_text() == "Play"
    until(page, f"{HEARD} === 0")


def test_a_click_on_a_point_opens_its_grid(opened):
    page = opened("one")
    space = page.locator(".latent").first
    space.scroll_into_view_if_needed()
    until(page, "document.querySelector('.latent .picture .main-svg')")
    until(page, "document.querySelector('.chosen .plot .main-svg')")
    centre = """(space) => {
        const points = [...space.querySelectorAll(".picture .points path")].map((path) => path.getBoundingClientRect());
        return points.map(({ x, y, width, height }) => [x + width / 2, y + height / 2]);
    }"""
    places = np.array(space.evaluate(centre))
    points = example.run()["models"][2]["latent"]["points"]
    assert len(places) == len(points)
    gaps = np.linalg.norm(places[:, None] - places, axis=-1) + 1e6 * np.eye(len(places))
    apart = int(gaps.min(axis=1)[1:].argmax()) + 1
    page.mouse.move(*places[apart])
    page.wait_for_timeout(200)
    page.mouse.click(*places[apart])
    until(page, f"document.querySelector('.chosen .title').textContent.startsWith('Window {apart + 1} of')")
    assert points[apart]["song"] in space.locator(".title").inner_text()
    assert shown_in(space.locator(".chosen .plot")) == points[apart]["combinations"]


def test_the_keyboard_walks_from_point_to_point(opened):
    page = opened("one")
    space = page.locator(".latent").first
    space.get_by_role("slider").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    until(page, "document.querySelector('.chosen .title').textContent.startsWith('Window 3 of')")
    until(page, "document.querySelector('.chosen .plot .main-svg')")
    assert shown_in(space.locator(".chosen .plot")) == example.run()["models"][2]["latent"]["points"][2]["combinations"]


@pytest.mark.parametrize("name", ["one", "long"])
def test_a_phone_scrolls_boxes_sideways_and_not_the_page(opened, name):
    page = opened(name, viewport=(390, 844))
    page.evaluate(SCROLL)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    first = page.locator(".beat .scroll").first
    assert first.evaluate("(box) => box.scrollWidth > box.clientWidth") == (name == "long")


def test_the_dark_theme_changes_the_ground_and_the_letters_of_pictures(opened):
    page = opened("one", dark=True)
    picture = "document.querySelector('.picture .plot')"
    look = f"""() => [getComputedStyle(document.body).backgroundColor,
        getComputedStyle({picture}.querySelector(".xtick text")).fill,
        getComputedStyle({picture}.querySelector(".xgrid")).stroke]"""
    page.locator(".picture").first.scroll_into_view_if_needed()
    until(page, f"{picture}.querySelector('.xtick text')")
    dark = page.evaluate(look)
    page.emulate_media(color_scheme="light")
    until(page, f"getComputedStyle({picture}.querySelector('.xtick text')).fill !== '{dark[1]}'")
    light = page.evaluate(look)
    assert all(one != other for one, other in zip(dark, light, strict=True))
    assert brightness(dark[0]) < 0.2 < 0.8 < brightness(light[0])
    assert brightness(light[1]) < 0.4 < 0.6 < brightness(dark[1])


def brightness(colour: str) -> float:
    return sum(int(part) for part in colour.removeprefix("rgb(").removesuffix(")").split(",")) / 765


def test_without_sounds_the_page_says_why_and_has_no_play_buttons(opened):
    page = opened("silent")
    assert page.locator("#examples").get_by_text("fluidsynth is missing; install it").count() == 1
    assert page.locator(".play").count() == 0


def test_two_runs_stand_side_by_side(opened):
    page = opened("two")
    names = [row[0].replace("\u00a0", " ") for row in rows(page, "Held-out songs")]
    assert [name for name in names if "lstm" in name] == ["A: lstm", "B: lstm"]
    a, b = page.locator("#examples h3", has_text="lstm").all()
    assert a.bounding_box()["y"] == b.bounding_box()["y"]
    assert a.bounding_box()["x"] < b.bounding_box()["x"]


def test_in_a_frame_as_kubeflow_shows_it_the_page_is_drawn_and_plays(open_page, files, tmp_path):  # noqa: F811
    (tmp_path / "outer.html").write_text("<iframe sandbox='allow-scripts' style='width: 100%; height: 700px'></iframe>")
    outer = open_page(tmp_path / "outer.html")
    outer.evaluate("(html) => { document.querySelector('iframe').srcdoc = html }", files["long"].read_text())
    beat = outer.frame_locator("iframe").locator(".beat").first
    beat.get_by_role("button", name="Play").click()
    beat.locator(".cursor").wait_for(state="visible")
    beat.locator(".js-plotly-plot svg").first.wait_for(state="visible")
    assert outer.errors == []


def test_a_song_name_that_is_a_script_does_not_run(open_page, tmp_path):  # noqa: F811
    run = example.run()
    attack = "</script><script>window.attacked = 1</script><img src=x onerror='window.attacked = 2'>"
    for model in run["models"]:
        for grid in model["examples"]:
            grid["song"] = attack
        for point in model["latent"]["points"] if model["latent"] else ():
            point["song"] = attack
    (tmp_path / "report.html").write_text(page_of([example.parse(run)], example.sounds()))
    opened = open_page(tmp_path / "report.html")
    draw_all(opened)
    assert opened.evaluate("window.attacked") is None
    assert attack in opened.locator(".beat .title").first.inner_text()
    assert opened.errors == []
