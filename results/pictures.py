"""The pictures of a report, as Plotly figures without colours of text and ground: those are in `TEMPLATES`.

What comes out of the facts is escaped, for Plotly takes markup in its labels.
"""

import html
import re
from collections.abc import Iterable, Sequence

import numpy as np
import plotly.graph_objects as go
from drumline.drums.kit import DRUMS, SILENCE, hits_of
from drumline.results.baselines import SAMPLED, TEACHER_FORCED
from drumline.results.evaluation import Slice
from drumline.results.report_facts import ModelFacts, Point, ReportFacts

from drumline.naming import SONG_ID, drum_metric

PALETTE = ("#3d85c6", "#d98324", "#2f9e77", "#b565b0", "#d1605e", "#8c8f3a", "#5f7fa8", "#a0694b")
SYMBOLS = ("circle", "diamond", "square", "triangle-up", "cross", "star")
DASHES = ("solid", "dash", "dot", "dashdot")  # of the first, second ... run
ACCURACIES = {TEACHER_FORCED: "Teacher-forced accuracy", SAMPLED: "Sampled accuracy"}
# Of each picture of learning curves: what the held-out songs gave, and what the training songs did.
CURVES = {
    "Loss": ("val_loss", "loss"),
    "Teacher-forced accuracy": ("val_teacher_forced_accuracy", None),
    "Sampled accuracy": ("val_sampled_accuracy", None),
    "KL (nats)": ("val_kl", "kl"),
}
COMMONEST = 12  # combinations in the histogram


def _make_template(text: str, line: str, empty: str, hit: str) -> go.layout.Template:
    lines = {"gridcolor": line, "zerolinecolor": line, "linecolor": line, "tickcolor": line}
    axis = {**lines, "automargin": True, "title": {"font": {"size": 13}}}
    return go.layout.Template(
        layout={
            "font": {"family": "system-ui, sans-serif", "size": 13, "color": text},
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "colorway": PALETTE,
            "hoverlabel": {"bgcolor": empty, "bordercolor": line, "font": {"color": text}},
            "xaxis": axis,
            "yaxis": axis,
        },
        data={"heatmap": [{"colorscale": [[0, empty], [1, hit]], "showscale": False, "xgap": 1, "ygap": 1}]},
    )


TEMPLATES = {
    "light": _make_template(text="#30353b", line="#dfe2e6", empty="#f0f2f4", hit="#2563a8"),
    "dark": _make_template(text="#c9ced4", line="#353b41", empty="#24292e", hit="#7ab2f0"),
}


def assign_colours(runs: Iterable[ReportFacts]) -> dict[str, str]:
    """A colour for each model, the same in all pictures."""
    models = dict.fromkeys(model.model for run in runs for model in run.models)
    return {model: PALETTE[i % len(PALETTE)] for i, model in enumerate(models)}


def draw_learning_curves(runs: Sequence[ReportFacts], names: Sequence[str]) -> dict[str, go.Figure]:
    """By title, for each of CURVES that some model has. names: of the runs, each before its models' names."""
    figures = {}
    for title, (held_out, trained) in CURVES.items():
        traces = [
            trace
            for i, (run, name) in enumerate(zip(runs, names, strict=True))
            for model in run.models
            for trace in _draw_curves(
                model, name, held_out, trained, assign_colours(runs)[model.model], DASHES[i % len(DASHES)]
            )
        ]
        if traces:
            figures[title] = _make_figure(traces, xaxis_title="step")
    return figures


def _draw_curves(
    model: ModelFacts, name: str, held_out: str, trained: str | None, colour: str, dash: str
) -> list[go.Scatter]:
    """What was held out as a line, what was trained on as a thin one that the legend does not name."""
    styles = ((held_out, True, {"width": 2}, 1.0), (trained, False, {"width": 1}, 0.5))
    return [
        go.Scatter(
            x=[epoch["step"] for epoch in model.epochs],
            y=[epoch.get(key) for epoch in model.epochs],
            name=_escape(name + model.model) + ("" if main else ", training"),
            legendgroup=_escape(name + model.model),
            showlegend=main,
            mode="lines+markers" if main else "lines",
            marker={"size": 4},
            line={"color": colour, "dash": dash, **width},
            opacity=opacity,
            connectgaps=True,
        )
        for key, main, width, opacity in styles
        if key and any(epoch.get(key) is not None for epoch in model.epochs)
    ]


def draw_onsets(run: ReportFacts, colour_of: dict[str, str]) -> go.Figure:
    keys = [drum_metric("onset_f1", drum) for drum in DRUMS]
    bars = [
        go.Bar(
            x=DRUMS,
            y=[model.metrics.get(key) for key in keys],
            name=_escape(model.model),
            legendgroup=_escape(model.model),
            marker_color=colour_of[model.model],
            hovertemplate="%{x}: %{y:.3f}",
        )
        for model in run.models
    ]
    return _make_figure(bars, yaxis_range=[0, 1], bargap=0.25)


def draw_slices(run: ReportFacts, colour_of: dict[str, str]) -> dict[str, go.Figure]:
    """By title: each accuracy by each property of a window. The songs have a table of their own."""
    properties = dict.fromkeys(s.feature for model in run.models for s in model.slices if s.feature != SONG_ID)
    return {
        f"{title} by {_to_words(by)}": _make_figure(
            [_draw_dots(model, by, metric, colour_of[model.model]) for model in run.models],
            xaxis={
                "title": f"{_to_words(by)} (windows)",
                "type": "category",
                "categoryorder": "array",
                "categoryarray": _list_categories(run, by),
            },
            yaxis_range=[0, 1],
        )
        for by in properties
        for metric, title in ACCURACIES.items()
    }


def _draw_dots(model: ModelFacts, by: str, metric: str, colour: str) -> go.Scatter:
    of_property = sorted((s for s in model.slices if s.feature == by), key=_find_first_number)
    return go.Scatter(
        x=[_name_category(s) for s in of_property],
        y=[s.metrics.get(metric) for s in of_property],
        name=_escape(model.model),
        legendgroup=_escape(model.model),
        mode="lines+markers",
        line={"color": colour, "width": 1},
        marker={"size": 9},
        hovertemplate="%{y:.3f}",
    )


def _list_categories(run: ReportFacts, by: str) -> list[str]:
    of_property = [s for model in run.models for s in model.slices if s.feature == by]
    return list(dict.fromkeys(_name_category(s) for s in sorted(of_property, key=_find_first_number)))


def _name_category(part: Slice) -> str:
    return f"{_escape(part.value)}<br>({part.windows:,})"


def _find_first_number(part: Slice) -> int:
    found = re.match(r"\d+", part.value)
    return int(found[0]) if found else 0


def draw_drum_histogram(run: ReportFacts) -> go.Figure:
    """Each drum's share of all hits, in the songs as they were read and in the windows that are trained on."""
    bars = [
        go.Bar(
            name=name,
            x=list(hits),
            y=[count / (sum(hits.values()) or 1) for count in hits.values()],
            customdata=list(hits.values()),
            hovertemplate="%{x}: %{y:.1%}, %{customdata:,} hits<extra></extra>",
        )
        for name, hits in run.data.drums.items()
    ]
    return _make_figure(bars, yaxis={"tickformat": ".0%"})


def draw_combination_histogram(run: ReportFacts) -> go.Figure:
    """The commonest combinations, the first above."""
    ids, steps = zip(*run.data.combinations[:COMMONEST], strict=True)
    bars = go.Bar(
        x=steps,
        y=[describe_combination(id) for id in ids],
        orientation="h",
        text=[describe_combination(id) for id in ids],
        insidetextanchor="start",
        textangle=0,
        cliponaxis=False,
        hovertemplate="%{y}: %{x:,} steps<extra></extra>",
    )
    bare = {"showticklabels": False, "ticks": "", "autorange": "reversed"}
    return _make_figure(
        [bars], xaxis={"title": "steps", "nticks": 5}, yaxis=bare, margin={"l": 8, "r": 12, "t": 12, "b": 44}
    )


def draw_latent_space(points: Sequence[Point]) -> go.Figure:
    """A point for each window, in its song's colour and shape, with its place in `points`; the first is chosen."""
    number_of = {song: i for i, song in enumerate(dict.fromkeys(point.song for point in points))}
    songs = [number_of[point.song] for point in points]
    scatter = go.Scatter(
        x=[point.x for point in points],
        y=[point.y for point in points],
        mode="markers",
        marker={
            "color": [PALETTE[song % len(PALETTE)] for song in songs],
            "symbol": [SYMBOLS[song // len(PALETTE) % len(SYMBOLS)] for song in songs],
            "size": 9,
        },
        selectedpoints=[0],
        selected={"marker": {"size": 18}},
        unselected={"marker": {"opacity": 0.6}},
        text=[_escape(point.song) for point in points],
        hovertemplate="%{text}<extra></extra>",
    )
    bare = {"showgrid": False, "zeroline": False, "showticklabels": False, "ticks": ""}
    return _make_figure([scatter], height=420, xaxis=bare, yaxis=bare, margin={"l": 10, "r": 10, "t": 10, "b": 10})


def describe_combination(combination: int) -> str:
    """A combination in words, such as `kick + crash`."""
    hit = hits_of(np.asarray(combination))
    return (
        "silence"
        if combination == SILENCE
        else " + ".join(drum for drum, is_hit in zip(DRUMS, hit, strict=True) if is_hit)
    )


def _make_figure(traces: list, **layout) -> go.Figure:
    settled = {
        "height": 340,
        "margin": {"l": 56, "r": 12, "t": 12, "b": 44},
        "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
        "template": "none",
    }
    return go.Figure(traces, go.Layout(**settled | layout))


def _to_words(name: str) -> str:
    return _escape(name.replace("_", " "))


def _escape(value: object) -> str:
    return html.escape(str(value), quote=False)
