"""README and docs/: searchable words, plain words, links that resolve, commands that parse, a site that builds."""

import re
import shlex
import subprocess
import sys
from itertools import takewhile
from pathlib import Path

import click
import pytest
from drumline.commands.main import drumline

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = sorted([ROOT / "README.md", ROOT / "kubeflow" / "README.md", *DOCS.rglob("*.md")])
# Not checked for style: a log of old experiments, and a page that `drumline results` writes.
PROSE = [page for page in PAGES if page not in (DOCS / "TRIALS.md", DOCS / "RESULTS.md")]

# What people search for when they look for what Drumline does.
FINDABLE = (
    "resume",
    "checkpoint",
    "latent",
    "posterior collapse",
    "confidence interval",
    "random seed",
    "augmentation",
    "threshold",
    "batch size",
    "lineage",
    "baseline",
)
# Metaphors and private words, each with what the field says.
PRIVATE = {
    r"the house": "Drumline, the repository",
    r"rooms?": "folder, capacity, space",
    r"mend(s|ed|ing)?": "fix",
    r"deliver(y|ies)": "spans, incremental data",
    r"patience": "early stopping",
    r"hears?|heard": "reads, is given; people listen",
    r"c[ao]me of it|comes of it": "results",
    r"hungry": "has too few examples",
    r"in earnest": "large, long",
    r"anew": "again, new",
    r"bears": "handles, can serve",
    r"by the clock": "on a schedule",
    r"can die": "may be killed",
    r"goes? on (from|where)": "resumes from",
    r"the (same|likeliest) plays": "the same seed gives the same beat",
    r"whoever asks": "clients",
    r"asks? for it": "requires",
    r"takes? up": "loads",
    r"tak(en|es) up": "loaded",
    r"at hand": "available",
    r"recipes?": "settings",
    r"primer": "the steps before",
    r"likeliest": "most probable",
    r"thereof|whereby|hence(forth)?": "of it, so",
}
FENCE = re.compile(r"^( *)```(\S*)[^\n]*\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
SHELL = ("", "bash", "console", "sh")


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def read_prose(page: Path) -> str:
    """The text of a page without code and addresses, on one line."""
    text = FENCE.sub("", page.read_text())
    text = re.sub(r"`[^`]*`", "", text)
    text = re.sub(r"\]\([^)]*\)|^::: .*(\n    .*)*", "]", text, flags=re.MULTILINE)
    return " ".join(text.split())


def read_commands(page: Path) -> list[str]:
    """The command lines in the shell blocks of a page that call `drumline`."""
    blocks = "\n".join(block for _, language, block in FENCE.findall(page.read_text()) if language in SHELL)
    lines = [line.strip().removeprefix("$ ") for line in blocks.replace("\\\n", " ").splitlines()]
    return [shlex.join(split_words(line)) for line in lines if re.match(r"(\w+=\S* )*(\./run )?drumline ", line)]


def split_words(line: str) -> list[str]:
    """The words of a command line behind `drumline`, up to a redirection, a pipe or a comment."""
    words = shlex.split(line, comments=True)
    return list(takewhile(lambda word: word not in (">", "|", "&"), words[words.index("drumline") + 1 :]))


COMMANDS = sorted({(name_of(page), line) for page in PAGES for line in read_commands(page)})


@pytest.mark.parametrize("word", FINDABLE)
def test_words_that_people_search_for_are_found(word):
    assert any(word in read_prose(page).lower() for page in PAGES)


@pytest.mark.parametrize("page", PROSE, ids=name_of)
def test_pages_use_the_words_of_the_field(page):
    prose = read_prose(page)
    found = {
        prose[max(match.start() - 30, 0) : match.end() + 30]: instead
        for word, instead in PRIVATE.items()
        for match in re.finditer(rf"\b(?:{word})\b", prose, re.IGNORECASE)
    }
    assert found == {}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_relative_links_lead_to_files(page):
    text = FENCE.sub("", page.read_text())
    links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link]
    assert [link for link in links if link and not (page.parent / link).exists()] == []


def test_every_command_is_shown():
    shown = {word for _, line in COMMANDS for word in shlex.split(line)}
    assert set(drumline.commands) - {"completion", "demo"} - shown == set()


@pytest.mark.parametrize(("page", "line"), COMMANDS)
def test_commands_parse(page, line):
    words, command = shlex.split(line), drumline
    context = click.Context(drumline)
    while isinstance(command, click.Group):
        name, command, words = command.resolve_command(context, words)
        context = click.Context(command, parent=context, info_name=name)
    command.make_context(name, words, parent=context)


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """The folder of the built documentation site."""
    folder = tmp_path_factory.mktemp("site")
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stdout + built.stderr
    return folder


def test_the_site_has_every_page(site):
    built = {str(page.relative_to(site).with_suffix("")) for page in site.rglob("*.html")}
    assert {str(page.relative_to(DOCS).with_suffix("")) for page in DOCS.rglob("*.md")} <= built


def test_the_site_loads_nothing_from_the_network(site):
    loading = re.compile(r"<(?:script|link|img|iframe)\b[^>]*?(?:src|href)=[\"']?(?:https?:)?//[^>]*>")
    assert [found for page in site.rglob("*.html") for found in loading.findall(page.read_text())] == []


def test_the_site_has_the_commands_and_settings_of_the_code(site):
    assert "drumline interpolate" in (site / "reference" / "cli.html").read_text()
    assert "evaluate_every" in (site / "reference" / "settings.html").read_text()
