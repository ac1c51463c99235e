"""WindowSchema: the curated schema of the examples, for windows of a length."""

import os
from pathlib import Path

from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx.dsl.component.experimental.annotations import OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.dsl.io import fileio
from tfx.types import standard_artifacts

SCHEMA = Path(__file__).resolve().parent.parent / "schema" / "window.pbtxt"
FILE_NAME = "schema.pbtxt"  # as TFX's own nodes name it


def read_schema(bars: int) -> schema_pb2.Schema:
    """Reads schema/window.pbtxt for windows of a length.

    Args:
      bars: Length of a window.

    Returns:
      The schema; `velocities` has 16 * bars steps.
    """
    schema = text_format.Parse(SCHEMA.read_text(), schema_pb2.Schema())
    for feature in schema.feature:
        if feature.name == "velocities":
            feature.shape.dim[0].size *= bars
    return schema


@component
def WindowSchema(bars: Parameter[int], schema: OutputArtifact[standard_artifacts.Schema]):
    """Writes the schema of the examples. TFX's ImportSchemaGen has no parameters.

    Args:
      bars: Length of a window.
      schema: Output, a Schema.
    """
    fileio.makedirs(schema.uri)
    with fileio.open(os.path.join(schema.uri, FILE_NAME), "w") as file:
        file.write(text_format.MessageToString(read_schema(bars)))
