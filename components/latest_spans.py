"""A Resolver strategy: the examples of the latest spans of a corpus."""

from tfx import v1 as tfx

from drumline.naming import INPUT_BASE


class LatestSpans(tfx.dsl.experimental.ResolverStrategy):
    """Of all examples, those of the last `spans` spans of the corpus that was read last.

    TFX's own SpanRangeStrategy takes a span that was read twice for two, and other corpora for spans of this one.
    """

    def __init__(self, spans: int):
        self._spans = spans

    def resolve_artifacts(self, store, input_dict):
        del store
        return {key: self._latest(artifacts) for key, artifacts in input_dict.items()}

    def _latest(self, artifacts):
        by_age = sorted(artifacts, key=lambda artifact: artifact.id)
        corpus = by_age[-1].get_string_custom_property(INPUT_BASE)
        by_span = {
            artifact.get_int_custom_property("span"): artifact
            for artifact in by_age
            if artifact.get_string_custom_property(INPUT_BASE) == corpus
        }
        return [by_span[span] for span in sorted(by_span)[-self._spans :]]
