"""Report: an HTML page about a run, from the artifacts of its other nodes."""

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from drumline.drums import audio
from drumline.results.collect_facts import OF_A_MODEL, collect_facts
from drumline.results.report_facts import PAGE, REPORT
from drumline.results.report_page import render_report
from tfx import v1 as tfx
from tfx.dsl.components.base import base_component, base_executor, executor_spec
from tfx.types import artifact_utils
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter
from tfx.types.experimental.simple_artifacts import File

PIPELINE, RUNS = "pipeline", "runs"


class ReportSpec(ComponentSpec):
    """`Report` makes a subclass with the inputs of its models: see `make_spec_class`."""

    PARAMETERS = {PIPELINE: ExecutionParameter(type=str), RUNS: ExecutionParameter(type=str)}
    INPUTS = {
        "examples": ChannelParameter(type=tfx.types.standard_artifacts.Examples),
        "transform_graph": ChannelParameter(type=tfx.types.standard_artifacts.TransformGraph),
    }
    OUTPUTS = {REPORT: ChannelParameter(type=File)}


def make_spec_class(models: Iterable[str]) -> type[ReportSpec]:
    """Makes a specification with optional inputs for each model: `model_lstm`, `evaluation_lstm` and so on."""
    inputs = {
        f"{kind}_{model}": ChannelParameter(type=type_, optional=True)
        for model in models
        for kind, type_ in OF_A_MODEL.items()
    }
    return type("ReportSpec", (ReportSpec,), {"INPUTS": ReportSpec.INPUTS | inputs})


class Executor(base_executor.BaseExecutor):
    """Writes index.html and report.json."""

    def Do(self, input_dict, output_dict, exec_properties):
        self._log_startup(input_dict, output_dict, exec_properties)
        folder = Path(artifact_utils.get_single_uri(output_dict[REPORT]))
        folder.mkdir(parents=True, exist_ok=True)
        facts = collect_facts(input_dict, exec_properties[PIPELINE], Path(exec_properties[RUNS]))
        facts.save(folder)
        (folder / PAGE).write_text(render_report([facts], audio.why_unavailable() or audio.render_one_shots()))
        logging.getLogger("drumline").info(f"report: {folder / PAGE}")


class Report(base_component.BaseComponent):
    """Writes an HTML page about a run, and what the page tells as JSON.

    pipeline: the name that the page has.  runs: the folder of the runs; the page names a corpus in it as `runs/...`.
    of_models: for each model its channels by kind: `model`, `model_run`, `evaluation`, `blessing`, `pushed_model`,
        `baseline` and, where it was tuned, `hyperparameters`.
    """

    SPEC_CLASS = ReportSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)

    def __init__(self, pipeline: str, runs: Path, examples, transform_graph, of_models: dict[str, dict[str, Any]]):
        channels = {f"{kind}_{model}": channel for model, by in of_models.items() for kind, channel in by.items()}
        spec = make_spec_class(of_models)(
            pipeline=pipeline,
            runs=str(runs),
            examples=examples,
            transform_graph=transform_graph,
            report=tfx.dsl.Channel(type=File),
            **channels,
        )
        super().__init__(spec=spec)
