"""The page of a real run, in a browser."""

import json

import pytest
from drumline.drums import audio
from drumline.pipeline.config import Config
from drumline.pipeline.run_pipeline import run
from drumline.results.report_facts import PAGE, REPORT_FACTS
from drumline.results.report_page import format_value

from tests.browser import chromium, open_page  # noqa: F401
from tests.end_to_end.songs import write_songs
from tests.results.test_report_page_in_browser import EAR, HEARD, draw_all, rows, until
from tests.tiny_profile import write_profile


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The report of a small run."""
    place = tmp_path_factory.mktemp("run")
    config = Config(str(write_songs(place / "songs", 30)), 2, write_profile(place), runs=place / "runs")
    run(config)
    (report,) = (config.pipeline_root / "Report" / "report").iterdir()
    return report


def test_the_page_of_a_run_tells_its_figures_and_can_be_heard(folder, open_page):  # noqa: F811
    facts = json.loads((folder / REPORT_FACTS).read_text())
    page = open_page(folder / PAGE)
    page.context.set_offline(True)
    draw_all(page)
    told = {row[0]: row[1:] for row in rows(page, "Held-out songs")}
    assert set(told) == {"majority", "repeat_bar", *(model["model"] for model in facts["models"])}
    for model in facts["models"]:
        for metric in ("teacher_forced_accuracy", "sampled_accuracy"):
            assert format_value(model["metrics"][metric]) in told[model["model"]]
    if not audio.why_unavailable():
        page.evaluate(EAR)
        page.locator(".beat button").first.click()
        until(page, f"window.ear && {HEARD} > 0.01")
    assert page.errors == []
