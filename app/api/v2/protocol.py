"""The protocol's JSON objects.

Requests are strict about what the service reads; fields and parameters that it does not know are ignored, as the protocol's
extensions want it.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

IMAGES: Final = "images"
ENCODED_IMAGES: Final = "encoded_images"
FRAME: Final = (1, 28, 28)

Natural = Annotated[int, Field(ge=0, le=2**63 - 1)]
OutputName = Literal["logits", "probabilities"]
OUTPUTS: Final[tuple[OutputName, ...]] = ("logits", "probabilities")


def schema_of(form: type[BaseModel]) -> dict[str, Any]:
    """A request's JSON schema without references, for routes that read the body themselves."""
    schema = form.model_json_schema()
    parts = schema.pop("$defs", {})

    def inlined(node: Any) -> Any:
        if isinstance(node, list):
            return [inlined(item) for item in node]
        if not isinstance(node, dict):
            return node
        part = inlined(parts[node["$ref"].rpartition("/")[2]]) if "$ref" in node else {}
        return part | {key: inlined(value) for key, value in node.items() if key != "$ref"}

    content: dict[str, Any] = inlined(schema)
    return content


class _Request(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True)


class InputParameters(_Request):
    """How an input's data is sent."""

    binary_data_size: Natural | None = Field(None, description="Bytes of the tensor that follow the JSON.")
    content_type: str | None = Field(None, description="`base64` says that the JSON's BYTES are written so.")


class RequestedInput(_Request):
    """An input tensor."""

    name: Literal["images", "encoded_images"]
    datatype: Literal["UINT8", "FP32", "BYTES"]
    shape: list[Natural] = Field(max_length=8, examples=[[1, 1, 28, 28]])
    parameters: InputParameters = InputParameters()
    data: list[Any] | None = Field(None, description="The elements, flat or nested as the shape is; absent with binary data.")


class OutputParameters(_Request):
    """How an output is wanted."""

    binary_data: bool | None = Field(None, description="Send it as binary data behind the JSON.")
    classification: int | None = Field(None, description="Send the best k labels as strings `value:index:label`.")
    shared_memory_region: None = Field(None, description="Shared memory is not supported.")


class RequestedOutput(_Request):
    """An output tensor that is wanted."""

    name: OutputName
    parameters: OutputParameters = OutputParameters()


class InferParameters(_Request):
    """What applies to the whole request."""

    timeout: Natural | None = Field(None, description="Microseconds for the answer; only ever lowers the service's own limit.")
    binary_data_output: bool = Field(False, description="Send all outputs as binary data.")


class InferRequest(_Request):
    """An inference request: exactly one input, and any of the outputs (all if none is named)."""

    id: str | None = Field(None, description="Echoed in the answer.")
    parameters: InferParameters = InferParameters()
    inputs: list[RequestedInput] = Field(min_length=1, max_length=1)
    outputs: list[RequestedOutput] = Field([], max_length=len(OUTPUTS))


class OutputTensor(BaseModel):
    """An output tensor; ``data`` is flat, in row-major order."""

    name: OutputName
    datatype: Literal["FP32", "BYTES"]
    shape: list[int] = Field(examples=[[1, 10]])
    parameters: dict[str, int] | None = Field(None, description="`binary_data_size`, where the data follows the JSON.")
    data: list[float] | list[str] | None = None


class InferAnswer(BaseModel):
    """What the model answered; ``parameters`` say which graph ran, and where."""

    model_name: str
    model_version: str
    id: str | None = None
    parameters: dict[str, str] = Field(examples=[{"sha256": "…", "provider": "CPUExecutionProvider"}])
    outputs: list[OutputTensor]


class ServerMetadata(BaseModel):
    """The server, and which extensions of the protocol it has."""

    name: str
    version: str
    extensions: list[str]


class Live(BaseModel):
    """The server answers."""

    live: Literal[True] = True


class Ready(BaseModel):
    """The server takes requests."""

    ready: Literal[True] = True


class ModelReady(BaseModel):
    """Whether a model takes requests."""

    name: str
    ready: bool


class TensorMetadata(BaseModel):
    """A tensor that a model takes or gives; -1 is a free dimension."""

    name: str
    datatype: str
    shape: list[int]


class InputMetadata(TensorMetadata):
    """An input tensor; exactly one of the optional inputs is sent."""

    optional: Literal[True] = True


class ModelMetadata(BaseModel):
    """A model's tensors and versions."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[InputMetadata]
    outputs: list[TensorMetadata]


class IndexRequest(_Request):
    """Which models to list."""

    ready: bool = Field(False, description="Only those that take requests.")


class ManageRequest(_Request):
    """How to load or unload a model; a model's own files and manifest say how it is served, so a configuration is refused."""

    parameters: dict[str, Any] = {}


class ModelState(BaseModel):
    """A model of the repository."""

    name: str
    version: str
    state: Literal["READY", "UNAVAILABLE"]
    reason: str
