"""Opens the sources of a spec and hands each part its weights."""

from __future__ import annotations

import errno
from dataclasses import dataclass
from typing import TYPE_CHECKING

from assembler.core.errors import SourceError
from assembler.core.problems import Problem, in_order, suggest
from assembler.core.regular_files import OutsideError
from assembler.onnx_file.external_data import ExternalData, external_data
from assembler.onnx_file.header import Allowance, OnnxHeader, header_of, header_problem
from assembler.sources.onnx_bounds import require_bounded_source
from assembler.spec.files import open_named

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from assembler.flair_checkpoints.source import FlairSource
    from assembler.sources.onnx_subgraph import OnnxSubgraph
    from assembler.spec.model import Node, Source, Spec
    from assembler.weights.protocol import Weights

#: The most ports that exported subgraphs may have together, each as often as it is a part.
_MOST_PORTS = 100_000


@dataclass(frozen=True, slots=True, eq=False)
class OpenSources:
    """The sources of a spec, read.

    Attributes:
        flair: The loaded flair checkpoints by name.
        onnx: The loaded ONNX files by name.
        weights: The weights of each node that has any.
    """

    flair: Mapping[str, FlairSource]
    onnx: Mapping[str, OnnxSubgraph]
    weights: Mapping[str, Weights]

    def model_behind(self, path: str | None) -> FlairSource | None:
        """Return the loaded flair model that a part's weights come from, or `None` if they come from elsewhere."""
        source = self.flair.get((path or "").partition(".")[0])
        return source.model_at(path or "") if source is not None else None

    def digests(self) -> dict[str, str]:
        """Return the SHA-256 of each source's file."""
        digests = {name: source.digest for name, source in self.flair.items()}
        digests.update({name: source.digest for name, source in self.onnx.items()})
        return dict(sorted(digests.items()))


def open_sources(spec: Spec, *, trust: bool) -> OpenSources:
    """Read every source of a spec.

    Args:
        spec: The spec.
        trust: Whether object pickles, which can run code, may be read.

    Raises:
        SpecError: The words to keep of a table cannot be told (W021).
        SourceError: A source is missing, pinned otherwise, not trusted, damaged or not supported (R001 to R007).
        ModelError: An ONNX file has another opset (M001, M002).
    """
    flair: dict[str, FlairSource] = {}
    onnx: dict[str, OnnxSubgraph] = {}
    for name, source in spec.sources.items():
        if source.form == "flair":
            flair[name] = open_flair_source(source, spec.folder, trust=trust)
        else:
            from assembler.sources.onnx_subgraph import open_onnx

            onnx[name] = open_onnx(source, spec.folder, spec.opset)
    problems: list[Problem] = []
    weights: dict[str, Weights] = {}
    for node in spec.graph.values():
        if node.weights is not None:
            given = _part(node, flair, onnx, problems)
            if given is not None:
                weights[node.name] = _as_told(spec, node, given)
    if problems:
        raise SourceError(*in_order(problems))
    return OpenSources(flair, onnx, weights)


def _as_told(spec: Spec, node: Node, given: Weights) -> Weights:
    """Return the weights with what the spec wants changed of them."""
    from assembler.sources.vocabulary_cut import cut_as_told
    from assembler.weights.tables import TableWeights

    return cut_as_told(spec, node, given) if isinstance(given, TableWeights) else given


def open_flair_source(source: Source, folder: Path, *, trust: bool) -> FlairSource:
    """Load a flair checkpoint, if flair is installed.

    Raises:
        SourceError: flair or torch is not installed (R008); else as `open_flair`.
    """
    try:
        from assembler.flair_checkpoints.source import open_flair
    except ModuleNotFoundError as err:
        if err.name is None or err.name.partition(".")[0] not in {"flair", "torch"}:
            raise
        message = f"source '{source.name}': reading a flair checkpoint needs the package '{err.name}'"
        hint = "install this package with its extra 'flair': pip install '.[flair]'"
        raise SourceError(Problem.at(source.mark, "R008", message, hint)) from err
    return open_flair(source, folder, trust=trust)


def _part(
    node: Node, flair: Mapping[str, FlairSource], onnx: Mapping[str, OnnxSubgraph], problems: list[Problem]
) -> Weights | None:
    path = str(node.weights)
    name = path.partition(".")[0]
    if name in onnx:
        if path == name:
            return onnx[name]
        known = [name]
    else:
        given = flair[name].weights(path)
        if given is not None:
            return _fitting(node, given, flair[name], problems)
        known = flair[name].paths()
    message = f"{node.name}: the source '{name}' has no part '{path}'"
    problems.append(Problem.at(node.weights_mark, "R007", message, suggest(path, known, what="its parts")))
    return None


def _fitting(node: Node, given: Weights, source: FlairSource, problems: list[Problem]) -> Weights | None:
    """Return the weights if they are of the node's kind."""
    from assembler.weights.documents import DocumentRnnWeights, TextHeadWeights, WordLayersWeights
    from assembler.weights.encoders import EncoderWeights
    from assembler.weights.heads import CrfWeights, TaggerHeadWeights
    from assembler.weights.language_models import CharLmWeights
    from assembler.weights.tables import PieceWeights, TableWeights
    from assembler.weights.views import VIEWS, view_for

    seen = view_for(node.kind, given)
    if seen is not None:
        return seen
    kinds = {
        CharLmWeights: "char_lm",
        EncoderWeights: "transformer",
        TableWeights: "embedding",
        PieceWeights: "piece_embedding",
        TaggerHeadWeights: "tagger_head",
        CrfWeights: "crf",
    }
    kinds |= {WordLayersWeights: "word_layers", DocumentRnnWeights: "document_rnn", TextHeadWeights: "text_head"}
    kind = kinds[type(given)]
    wanted = VIEWS.get(node.kind, node.kind)
    if wanted in kinds.values() and node.kind != kind:
        message = f"{node.name}: '{node.weights}' is a part of kind '{kind}', not '{wanted}'"
        hint = f"parts of this checkpoint: {', '.join(source.paths())}"
        problems.append(Problem.at(node.weights_mark, "R007", message, hint))
        return None
    return given


def open_headers(spec: Spec) -> tuple[dict[str, OnnxHeader], list[str]]:
    """Read the ports of the exported subgraphs that are at hand, without onnx and without their weights.

    Returns:
        The headers by node, and a note for each subgraph whose file is not there.

    Raises:
        SourceError: A file is there and is no ONNX model (R006).
    """
    headers: dict[str, OnnxHeader] = {}
    notes: list[str] = []
    problems: list[Problem] = []
    allowance = Allowance()
    read: dict[str, OnnxHeader | str | None] = {}
    for node in spec.graph.values():
        source = spec.sources.get((node.weights or "").partition(".")[0])
        if source is None or source.form != "onnx":
            continue
        if source.name not in read:
            read[source.name] = _header(spec, source, allowance, problems)
        found = read[source.name]
        if isinstance(found, OnnxHeader):
            headers[node.name] = found
        elif found is not None:
            notes.append(f"{spec.document.file}: the ports of '{node.name}' are not checked: {found}")
    ports = sum(len(header.inputs) + len(header.outputs) for header in headers.values())
    if ports > _MOST_PORTS:
        message = f"its exported subgraphs have {ports} ports together, the most that are wired are {_MOST_PORTS}"
        problems.append(Problem("R012", message, file=spec.document.file))
    if problems:
        raise SourceError(*in_order(problems))
    return headers, notes


def _header(spec: Spec, source: Source, allowance: Allowance, problems: list[Problem]) -> OnnxHeader | str | None:
    """Return the header of a source, why it cannot be looked at, or `None` behind a problem."""
    path = spec.folder / source.location
    try:
        with open_named(spec, source.location) as stream:
            require_bounded_source(source, path, stream)
            header = header_of(stream, allowance)
            named = external_data(stream, allowance)
    except SourceError as err:
        problems += err.problems
        return None
    except OutsideError:
        return f"{path} lies outside"
    except OSError as err:
        if err.errno in {errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP}:
            return f"{path} is not here"
        message = f"source '{source.name}': {path} cannot be read: {err.strerror or err}"
        problems.append(Problem.at(source.mark, "R001", message))
        return None
    except ValueError as err:
        wrong = header_problem(err, str(path))
        problems.append(Problem.at(source.mark, wrong.code, f"source '{source.name}': {wrong.file} {wrong.message}"))
        return None
    problems += external_problems(source, path, named)
    return header


def external_problems(source: Source, path: Path, named: Iterable[ExternalData]) -> list[Problem]:
    """Return a problem (R005) for each file of external data that may not be used; one may be missing."""
    wrong: dict[str, None] = {}
    for data in sorted(set(named), key=lambda data: (data.location, data.offset)):
        try:
            data.size_in(path.parent, path.name)
        except OSError:
            continue
        except ValueError as err:
            wrong[str(err)] = None
    hint = "external data are regular files beside the model, or below its folder"
    texts = (f"source '{source.name}': {message}" for message in wrong)
    return [Problem.at(source.mark, "R005", text, hint) for text in texts]
