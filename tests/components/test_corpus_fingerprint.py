import os

import pytest
from drumline.components.midi_example_gen.driver import Driver
from drumline.components.midi_example_gen.fingerprint import CorpusFingerprint, Executor
from tfx import v1 as tfx
from tfx.types import standard_component_specs as keys

from drumline.errors import InputError


def properties(folder, pattern):
    node = CorpusFingerprint(str(folder), pattern)
    return {name: value for name, value in node.exec_properties.items() if value is not None}


def fingerprint(folder, pattern="*"):
    found = tfx.types.standard_artifacts.String()
    found.uri = str(folder.parent / "fingerprint")
    Executor().Do({}, {"fingerprint": [found]}, properties(folder, pattern))
    found.read()
    return found.value


def written(folder, **files):
    for name, text in files.items():
        (folder / f"{name}.mid").parent.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.mid").write_text(text)


def test_it_changes_with_the_files_and_only_then(tmp_path):
    corpus = tmp_path / "corpus"
    written(corpus / "deep", a="one")
    first = fingerprint(corpus)
    assert fingerprint(corpus) == first
    written(corpus / "deep", b="two")
    second = fingerprint(corpus)
    assert second != first
    os.utime(corpus / "deep" / "b.mid", ns=(1, 1))
    assert fingerprint(corpus) not in (first, second)


def test_it_is_of_the_latest_span(tmp_path):
    corpus = tmp_path / "corpus"
    written(corpus / "span-1", a="one")
    pattern = "span-{SPAN}/*"
    first = fingerprint(corpus, pattern)
    written(corpus / "span-2", a="one")
    second = fingerprint(corpus, pattern)
    assert second != first
    written(corpus / "span-1", b="late")
    assert fingerprint(corpus, pattern) == second


def test_it_is_what_the_driver_of_the_reading_node_finds(tmp_path):
    corpus = tmp_path / "corpus"
    written(corpus, a="one")
    given = properties(corpus, "*") | {keys.OUTPUT_CONFIG_KEY: None, keys.RANGE_CONFIG_KEY: None}
    found = Driver(None).resolve_exec_properties(given, None, None)
    assert found["input_fingerprint"] == fingerprint(corpus)


def test_odd_entries_at_the_top_of_a_corpus_stop_nothing(tmp_path):
    corpus = tmp_path / "corpus"
    written(corpus, a="one")
    first = fingerprint(corpus)
    (corpus / "itself.mid").symlink_to("itself.mid")
    (corpus / "dangling").symlink_to("nowhere")
    (corpus / os.fsdecode(b"d\xe9j\xe0.mid")).write_text("two")
    (corpus / os.fsdecode(b"d\xe9j\xe0")).mkdir()
    os.mkfifo(corpus / "pipe.mid")
    assert fingerprint(corpus) not in ("", first)


def test_of_spans_a_name_that_is_not_utf_8_is_told(tmp_path):
    corpus = tmp_path / "corpus"
    written(corpus / "span-1", a="one")
    (corpus / os.fsdecode(b"span-\xe9")).mkdir()
    with pytest.raises(InputError, match=r"span-\\xe9: its name is not UTF-8.*rename it"):
        fingerprint(corpus, "span-{SPAN}")
