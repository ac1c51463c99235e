"""A folder of runs as the pipeline leaves it: an ML Metadata store, and the files of the artifacts."""

import json
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from drumline.models.model_run import EPOCHS, RECIPE, write_epochs
from drumline.results.evaluation import Evaluation, Slice
from ml_metadata.metadata_store import metadata_store
from ml_metadata.proto import metadata_store_pb2

METRICS = {
    "teacher_forced_accuracy": 0.7,
    "sampled_accuracy": 0.6,
    "majority_accuracy": 0.4,
    "repeat_bar_accuracy": 0.75,
    "repeat_bar_sampled_accuracy": 0.65,
}
EVALUATION = Evaluation((Slice((), METRICS, {"sampled_accuracy": (0.5, 0.7)}),))
INPUT, OUTPUT = metadata_store_pb2.Event.INPUT, metadata_store_pb2.Event.OUTPUT

Properties = dict[str, int | str]


@dataclass
class Runs:
    """Writes runs into a folder."""

    folder: Path
    written: int = field(default=0, init=False)

    @cached_property
    def store(self) -> metadata_store.MetadataStore:
        config = metadata_store_pb2.ConnectionConfig()
        config.sqlite.filename_uri = str(self.folder / "metadata.sqlite")
        return metadata_store.MetadataStore(config)

    def write(
        self, model: str, bars: int = 2, seed: int = 0, evaluation: Evaluation = EVALUATION, pushed: str = ""
    ) -> Path:
        """Writes a run that trained, evaluated and maybe pushed a model. Returns the folder of its evaluation."""
        self.written += 1
        pipeline = f"drums-{bars}bar"
        run = self._context("pipeline_run", f"run {self.written}")
        corpus = str(self.folder / "corpora" / "mine")
        examples = self._artifact("Examples", {"input_base": corpus, "windows": 12, "span": 0})
        trained = self._artifact("Model", {})
        model_run = self._artifact("ModelRun", {})
        self._execute(
            "Trainer", (run, self._node(pipeline, f"Trainer.{model}")), {}, {"model": trained, "model_run": model_run}
        )
        recipe = {
            "profile": "demo",
            "model": model,
            "bars": bars,
            "sizes": {"units": 8},
            "training": {"seed": seed, "steps": 40},
            "code": "v0",
        }
        (Path(model_run.uri) / RECIPE).write_text(json.dumps(recipe))
        write_epochs(Path(model_run.uri) / EPOCHS, [{"step": 20, "minutes": 0.5}, {"step": 40, "minutes": 1.0}])
        evaluated = self._artifact("ModelEvaluation", {})
        evaluation.save(evaluated.uri)
        blessing = self._artifact("ModelBlessing", {"blessed": int(bool(pushed)), "current_model_id": trained.id})
        self._execute(
            "Evaluator",
            (run, self._node(pipeline, f"Evaluator.{model}")),
            {"examples": examples},
            {"evaluation": evaluated, "blessing": blessing},
        )
        version = self._artifact("PushedModel", {"pushed_version": pushed})
        self._execute(
            "Pusher",
            (run, self._node(pipeline, f"Pusher.{model}")),
            {"model_blessing": blessing},
            {"pushed_model": version},
        )
        return Path(evaluated.uri)

    def _node(self, pipeline: str, node: str) -> int:
        return self._context("node", f"{pipeline}.{node}")

    def _context(self, type_: str, name: str) -> int:
        if there := self.store.get_context_by_type_and_name(type_, name):
            return there.id
        type_id = self.store.put_context_type(metadata_store_pb2.ContextType(name=type_))
        return self.store.put_contexts([metadata_store_pb2.Context(type_id=type_id, name=name)])[0]

    def _artifact(self, type_: str, properties: Properties) -> metadata_store_pb2.Artifact:
        artifact = metadata_store_pb2.Artifact(
            type_id=self.store.put_artifact_type(metadata_store_pb2.ArtifactType(name=type_))
        )
        for name, value in properties.items():
            if isinstance(value, int):
                artifact.custom_properties[name].int_value = value
            else:
                artifact.custom_properties[name].string_value = value
        (artifact.id,) = self.store.put_artifacts([artifact])
        artifact.uri = str(self.folder / "artifacts" / str(artifact.id))
        self.store.put_artifacts([artifact])
        Path(artifact.uri).mkdir(parents=True)
        return artifact

    def _execute(
        self,
        type_: str,
        contexts: tuple[int, ...],
        inputs: dict[str, metadata_store_pb2.Artifact],
        outputs: dict[str, metadata_store_pb2.Artifact],
    ) -> None:
        type_id = self.store.put_execution_type(metadata_store_pb2.ExecutionType(name=type_))
        execution = metadata_store_pb2.Execution(
            type_id=type_id, last_known_state=metadata_store_pb2.Execution.COMPLETE
        )
        (number,) = self.store.put_executions([execution])
        events = []
        for kind, artifacts in ((INPUT, inputs), (OUTPUT, outputs)):
            for name, artifact in artifacts.items():
                event = metadata_store_pb2.Event(artifact_id=artifact.id, execution_id=number, type=kind)
                event.path.steps.add(key=name)
                events.append(event)
        self.store.put_events(events)
        self.store.put_attributions_and_associations(
            [], [metadata_store_pb2.Association(execution_id=number, context_id=context) for context in contexts]
        )
