from drumline.components.latest_spans import LatestSpans
from tfx.types import standard_artifacts

from drumline.naming import INPUT_BASE


def examples(number, span, corpus="lakh"):
    artifact = standard_artifacts.Examples()
    artifact.id = number
    artifact.set_int_custom_property("span", span)
    artifact.set_string_custom_property(INPUT_BASE, corpus)
    return artifact


def chosen(spans, *artifacts):
    resolved = LatestSpans(spans).resolve_artifacts(None, {"examples": list(artifacts)})
    return [artifact.id for artifact in resolved["examples"]]


def test_a_rolling_range_takes_the_latest_spans():
    delivered = [examples(1, 1), examples(2, 2), examples(3, 3)]
    assert chosen(1, *delivered) == [3]
    assert chosen(2, *delivered) == [2, 3]
    assert chosen(9, *delivered) == [1, 2, 3]


def test_a_span_that_was_read_twice_counts_once_as_it_was_read_last():
    assert chosen(2, examples(1, 1), examples(2, 2), examples(3, 1)) == [3, 2]


def test_spans_of_another_corpus_do_not_mix_in():
    assert chosen(5, examples(1, 1, "groove"), examples(2, 7, "lakh"), examples(3, 2, "groove")) == [1, 3]
