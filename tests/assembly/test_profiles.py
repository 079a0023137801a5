"""Profiles: each lowers the same stack, keeps what it promises, and writes nothing where it does not."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest

from assembler.core.errors import ParityError, SpecError
from assembler.onnx_model.facts import LanguageModel
from assembler.onnx_model.labelling import label
from assembler.passes.half_precision import Halve
from assembler.passes.loops import LowerLanguageModels
from assembler.passes.profiles import PROFILES
from assembler.passes.quantisation import Quantise
from assembler.passes.reprojection import fold_reprojection
from assembler.passes.reset_character import AddResetCharacter
from assembler.passes.single_lane import ReadOneLaneApart
from assembler.passes.token_layers import LowerTokenLayers
from assembler.proof import budget
from assembler.runtime import Tagger

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from flair.models import SequenceTagger

    from assembler.onnx_model.model import Model
    from tests.assembly.conftest import Outcome, Resize, Workshop

    Command = Callable[..., Outcome]

WORDS = ("der", "hund", "bellt", "laut", "auf", "dem", "sofa", ".", "😀", "katze", "ja", "bahnhof", "über", "morgen")


@pytest.fixture(autouse=True)
def _loops_at_every_size(resize: Resize) -> None:
    """Let `cpu` lower the small language models of these tests as it lowers large ones."""
    resize(LowerLanguageModels(), LowerTokenLayers(least_features=1))


def texts(count: int) -> list[list[str]]:
    """Return sentences of one to forty tokens."""
    drawn = np.random.default_rng(3)
    return [[WORDS[i] for i in drawn.integers(0, len(WORDS), drawn.integers(1, 41))] for _ in range(count)]


def operators(path: Path) -> set[str]:
    """Return the operators of a model, those of its loops included."""
    graph = onnx.load(path).graph
    inner = [entry.g for node in graph.node for entry in node.attribute if entry.HasField("g")]
    return {f"{node.domain}:{node.op_type}".lstrip(":") for part in (graph, *inner) for node in part.node}


def differences(
    tagger: Tagger, expected: list[list[tuple[str, float]]], sentences: list[list[str]]
) -> tuple[int, float]:
    """Return how many tags differ from flair's, and the largest difference of a score, over three batch shapes."""
    changed, largest = 0, 0.0
    for size in (1, 5, None):
        for wanted, given in zip(expected, tagger.tag(sentences, batch_size=size), strict=True):
            changed += sum(tag != own for (tag, _), own in zip(wanted, given.labels, strict=True))
            gaps = (abs(score - own) for (_, score), own in zip(wanted, given.scores, strict=True))
            largest = max(largest, *gaps)
    return changed, largest


@pytest.mark.parametrize("profile", [name for name, entry in PROFILES.items() if entry.tags_changed is None])
def test_exact_profiles_give_flairs_tags_and_scores(
    shop: Workshop, folder: Path, tagger: SequenceTagger, profile: str
) -> None:
    built = shop.build(shop.spec(folder), profile=profile)
    sentences = texts(70)
    changed, largest = differences(Tagger(built.path), shop.flair_tags(tagger, sentences), sentences)
    assert changed == 0
    assert largest < 1e-5


@pytest.mark.parametrize("profile", ["cpu", "cuda"])
@pytest.mark.parametrize("options", [{}, {"projection": 5}, {"marker": ""}, {"layers": 2}], ids=str)
def test_language_models_of_every_shape_are_lowered_exactly(
    shop: Workshop, tmp_path: Path, profile: str, options: dict[str, Any]
) -> None:
    models = [shop.language_model(forward=forward, seed=5, **options) for forward in (True, False)]
    tagger = shop.tagger(shop.embeddings(*models, with_whitespace=False))
    shop.save(tagger, tmp_path / "tagger.pt")
    path = shop.build(shop.spec(tmp_path), profile=profile).path
    from flair.models import SequenceTagger

    sentences = texts(40)
    expected = shop.flair_tags(SequenceTagger.load(tmp_path / "tagger.pt"), sentences)
    assert differences(Tagger(path), expected, sentences) == (0, pytest.approx(0, abs=1e-5))


def test_a_large_dictionary_keeps_its_embedding(
    shop: Workshop, folder: Path, tagger: SequenceTagger, resize: Resize
) -> None:
    resize(LowerLanguageModels(small_table=0))
    path = shop.build(shop.spec(folder), profile="cpu").path
    names = {tensor.name for tensor in onnx.load(path).graph.initializer}
    assert {"forward_lm/loop/embedding", "backward_lm/loop/W"} <= names
    sentences = texts(70)
    assert differences(Tagger(path), shop.flair_tags(tagger, sentences), sentences) == (0, pytest.approx(0, abs=1e-5))


def test_a_gru_resets() -> None:
    model = gru_model()
    drawn = np.random.default_rng(1)
    first, second = drawn.integers(0, 7, (9, 1)), drawn.integers(0, 7, (6, 1))
    rows = np.arange(9)
    expected = [run(model, {"ids": ids, "rows": rows[: len(ids)]}) for ids in (first, second)]
    lane = np.concatenate([first, [[7]], second])
    for lower in (LowerLanguageModels(), AddResetCharacter()):
        lowered = lower(model)
        assert lowered.resets == {"lm": 7}
        given = run(lowered, {"ids": lane, "rows": np.arange(16)})
        np.testing.assert_allclose(given[:9], expected[0], atol=1e-6)
        np.testing.assert_allclose(given[10:], expected[1], atol=1e-6)


def gru_model() -> Model:
    """Return a GRU that reads characters, as a language model is emitted and joined."""
    from assembler.onnx_model.emitter import Emitter
    from assembler.onnx_model.model import Model

    drawn = np.random.default_rng(0)
    emit = Emitter({}, 17)
    shapes = {"lm/W": (1, 12, 3), "lm/R": (1, 12, 4), "lm/B": (1, 24), "lm/table": (7, 3)}
    table = {
        name: emit.initializer(name, drawn.normal(size=shape).astype(np.float32)) for name, shape in shapes.items()
    }
    embedded = emit.op("Gather", [table["lm/table"], "ids"], "lm/embedding", axis=0)
    weights = [table[name] for name in ("lm/W", "lm/R", "lm/B")]
    states = emit.op("GRU", [embedded, *weights], "lm/gru_0", hidden_size=4, linear_before_reset=1)
    squeezed = emit.op("Squeeze", [states, emit.integers("lm/axis", [1])], "lm/squeeze")
    emit.fact(LanguageModel(squeezed, "lm"))
    flat = emit.op("Reshape", [squeezed, emit.integers("lm/flat", [-1, 4])], "lm/flatten")
    emit.op("Gather", [flat, "rows"], "words", axis=0)
    fragment = emit.fragment()
    graph = fragment.graph
    graph.name = "gru"
    info = onnx.helper.make_tensor_value_info
    graph.input.extend([info("ids", 7, ["characters", "sentences"]), info("rows", 7, ["total"])])
    graph.output.append(info("words:0", 1, None))
    proto = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    return Model(proto, {}, fragment.facts)


def run(model: Model, feeds: dict[str, np.ndarray]) -> np.ndarray:
    import onnxruntime as ort

    session = ort.InferenceSession(model.proto.SerializeToString(), providers=["CPUExecutionProvider"])
    [output] = session.run(None, feeds)
    return output


@pytest.mark.parametrize("lower", [LowerLanguageModels, AddResetCharacter])
def test_the_reset_needs_its_gates_shut(lower: type[LowerLanguageModels | AddResetCharacter]) -> None:
    ids = np.array([[1], [2], [7], [1], [2]])
    for shut, differs in ((0.0, True), (-1e9, False)):
        given = run(lower(shut=shut)(gru_model()), {"ids": ids, "rows": np.arange(5)})
        assert (np.abs(given[3:] - given[:2]).max() > 1e-3) == differs


def test_only_the_fast_profiles_use_operators_of_the_runtimes_own(shop: Workshop, folder: Path, resize: Resize) -> None:
    resize(LowerTokenLayers(), Quantise(least_values=16))
    spec = shop.spec(folder, proof=", tags_changed: 0.1")
    used = {}
    for name in PROFILES:
        path = shop.build(spec, profile=name).path
        domains = {entry.domain for entry in onnx.load(path).opset_import}
        used[name] = operators(path)
        assert ("com.microsoft" in domains) == (name == "int8")
    assert not any(":" in operator for name, found in used.items() if name != "int8" for operator in found)
    assert {"com.microsoft:DynamicQuantizeLSTM", "com.microsoft:MatMulIntegerToFloat"} <= used["int8"]
    assert "LSTM" in used["cuda"]
    assert "Scan" in used["cpu"]


def test_states_that_are_an_output_are_left_as_they_are(shop: Workshop, folder: Path) -> None:
    spec = shop.spec(folder)
    text = spec.read_text(encoding="utf-8").replace("outputs:\n", "outputs:\n  states: forward_lm.states\n")
    spec.write_text(text, encoding="utf-8")
    model = LowerLanguageModels()(shop.joined(spec))
    assert model.resets.keys() == {"backward_lm"}


def test_folding_makes_the_model_smaller(shop: Workshop, folder: Path) -> None:
    model = shop.joined(shop.spec(folder))
    folded = fold_reprojection(model)
    names = {tensor.name for tensor in folded.proto.graph.initializer}
    assert not any("reprojection" in name for name in names)
    assert weight_bytes(folded) < weight_bytes(model)


def weight_bytes(model: Model) -> int:
    return sum(int(np.prod(tensor.dims)) * 4 for tensor in model.proto.graph.initializer)


def test_a_reprojection_that_something_else_reads_stays(shop: Workshop, folder: Path) -> None:
    model = shop.joined(shop.spec(folder))
    proto = onnx.ModelProto()
    proto.CopyFrom(model.proto)
    proto.graph.output.append(onnx.helper.make_tensor_value_info("head/reprojection/add:0", 1, None))
    kept = fold_reprojection(replace(model, proto=proto))
    assert any("reprojection" in tensor.name for tensor in kept.proto.graph.initializer)


def test_what_a_loop_gives_in_int8_does_not_depend_on_the_lanes_beside() -> None:
    lowered = Quantise(least_values=1)(LowerLanguageModels()(gru_model()))
    inside = [node.op_type for graph in graphs(lowered) for node in graph.node]
    assert "QuantizeLinear" in inside
    assert "DynamicQuantizeLinear" not in inside
    ids = np.random.default_rng(2).integers(0, 7, (9, 5))
    together = run(lowered, {"ids": ids, "rows": np.arange(45)}).reshape(9, 5, 4)
    for lane in range(5):
        alone = run(lowered, {"ids": ids[:, lane : lane + 1], "rows": np.arange(9)})
        np.testing.assert_array_equal(alone, together[:, lane])


def test_only_the_loops_of_language_models_have_states_that_are_rounded() -> None:
    """The states of any other loop may be larger than 1."""
    foreign = Quantise(least_values=1)(replace(LowerLanguageModels()(gru_model()), facts=()))
    assert "Scan" in {node.op_type for node in foreign.proto.graph.node}
    assert not any(node.domain for graph in graphs(foreign) for node in graph.node)


def graphs(model: Model) -> list[onnx.GraphProto]:
    graph = model.proto.graph
    return [graph, *(entry.g for node in graph.node for entry in node.attribute if entry.HasField("g"))]


def test_a_lossy_profile_that_changes_too_much_is_not_written(
    shop: Workshop, folder: Path, cli: Command, resize: Resize
) -> None:
    resize(Quantise(least_values=16, levels=20))
    spec = shop.spec(folder, proof=", tags_changed: 0.001")
    outcome: Outcome = cli(spec, "-o", folder / "model.onnx", "--profile", "int8")
    assert outcome.code == 3
    assert "P001 the profile 'int8' changes more tags of 'tagger' than it may" in outcome.err
    assert "allowed are 0.10%" in outcome.err
    (enough,) = re.findall(r"'tags_changed' in the spec's proof: (0\.\d{4}) would pass", outcome.err)
    (found,) = re.findall(r"tags differ \((\d+\.\d\d)%, .*allowed are", outcome.err)
    assert float(found) / 100 <= float(enough) + 5e-5
    allowing = shop.spec(folder, proof=f", tags_changed: {enough}")
    assert cli(allowing, "-o", folder / "model.onnx", "--profile", "int8").code == 0
    (folder / "model.onnx").unlink()
    outcome = cli(shop.spec(folder, proof=", tags_changed: 0.001"), "-o", folder / "model.onnx", "--profile", "int8")
    assert not (folder / "model.onnx").exists()


def test_a_lossy_model_says_what_it_changes_and_verifies(shop: Workshop, folder: Path, cli: Command) -> None:
    spec = shop.spec(folder, proof=", tags_changed: 0.1")
    path = folder / "half.onnx"
    outcome: Outcome = cli(spec, "-o", path, "--profile", "fp16", "--format", "json")
    assert outcome.code == 0
    record = shop.metadata(path)["proof"]
    assert record["tags_changed_allowed"] == 0.1
    assert record["tags_changed"] == json.loads(outcome.out)["proof"]["tags_changed"]
    assert record["tokens_compared"] > 1000
    assert shop.metadata(path)["spec"]["profile"] == "fp16"
    verified: Outcome = cli("verify", path)
    assert verified.code == 0, verified.err
    assert cli("verify", path, "--spec", spec).code == 0


@pytest.mark.parametrize("profile", ["int8", "fp16"])
def test_a_lossy_model_verifies_by_its_own_tags_and_scores(
    shop: Workshop, folder: Path, cli: Command, monkeypatch: pytest.MonkeyPatch, profile: str
) -> None:
    monkeypatch.setattr(budget, "_SAME_SCORE", 0.0)  # what int8 rounds activations to depends on the batch
    path = shop.build(shop.spec(folder, proof=", tags_changed: 0.1"), profile=profile).path
    verified: Outcome = cli("verify", path)
    assert verified.code == 0, verified.err
    assert "8 sentences have the tags that the file carries as the measured model's" in verified.out


def test_a_lossy_model_that_was_changed_does_not_verify(shop: Workshop, folder: Path, cli: Command) -> None:
    path = shop.build(shop.spec(folder, proof=", tags_changed: 0.1"), profile="int8").path
    model = onnx.load(path)
    kept = next(entry for entry in model.metadata_props if entry.key == "assembler.proof")
    kept.value = kept.value.replace('"scores": [0.', '"scores": [9.', 1)
    onnx.save(model, path)
    verified: Outcome = cli("verify", path)
    assert verified.code == 1
    assert "M016 graph, weights or metadata do not match the digest in the file" in verified.err


def test_the_same_spec_and_profile_give_the_same_bytes(shop: Workshop, folder: Path) -> None:
    spec = shop.spec(folder, proof=", tags_changed: 0.1")
    for profile in ("cpu", "int8"):
        first = shop.build(spec, profile=profile).path.read_bytes()
        assert shop.build(spec, profile=profile).path.read_bytes() == first


def test_the_spec_names_its_profile(shop: Workshop, folder: Path) -> None:
    spec = shop.spec(folder)
    spec.write_text(spec.read_text(encoding="utf-8").replace("opset: 17", "opset: 17\nprofile: cpu"), encoding="utf-8")
    path = shop.build(spec).path
    assert "Scan" in operators(path)
    assert shop.metadata(path)["interface"]["language_models"]["forward_lm"]["reset"] > 1
    assert "Scan" not in operators(shop.build(spec, profile="portable").path)


def test_an_unknown_profile_is_named(shop: Workshop, folder: Path) -> None:
    with pytest.raises(
        SpecError, match=r"S006 there is no profile 'gpu'\n.*profiles: portable, cpu, int8, fp16, cuda$"
    ):
        shop.build(shop.spec(folder), profile="gpu")


def test_a_wrong_pass_is_caught_by_the_proof(shop: Workshop, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from assembler.passes import reprojection

    def wrong(*arrays: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        folded, biases = right(*arrays)
        return folded * np.float32(1.01), biases

    right = reprojection.folded_weights
    monkeypatch.setattr(reprojection, "folded_weights", wrong)
    with pytest.raises(ParityError, match="P001 the model does not reproduce the tags and scores of 'tagger'"):
        shop.build(shop.spec(folder), profile="cpu")


def test_passes_leave_their_argument_alone(shop: Workshop, folder: Path) -> None:
    model = label(shop.joined(shop.spec(folder)), {})
    before = model.proto.SerializeToString()
    steps = (fold_reprojection, LowerLanguageModels(), AddResetCharacter(), Quantise(16), Halve(16), ReadOneLaneApart())
    for step in steps:
        step(model)
        assert model.proto.SerializeToString() == before


def test_a_lossy_profile_needs_a_model_that_gives_tags_alone(shop: Workshop, folder: Path) -> None:
    spec = shop.spec(folder)
    text = spec.read_text(encoding="utf-8").replace("outputs:\n", "outputs:\n  emissions: head.emissions\n")
    spec.write_text(text, encoding="utf-8")
    with pytest.raises(SpecError, match=r"W030 the profile 'int8' is measured by .*\n.*choose an exact profile"):
        shop.build(spec, profile="int8")
    assert shop.build(spec, profile="cpu").proven is not None


@pytest.mark.parametrize(
    ("checkpoint", "corpora"),
    [("de-pos-small.pt", ["de-gsd-dev.conllu", "de-pud.conllu"]), ("en-ner-small.pt", ["en-ewt-dev.iob2"])],
)
def test_trained_taggers_keep_999_of_1000_tags_in_int8(
    shop: Workshop, tmp_path: Path, checkpoint: str, corpora: list[str]
) -> None:
    from assembler.initialisation import write_spec

    trained = shop.shared / "models" / checkpoint
    if not trained.is_file():
        pytest.skip(f"{trained} is not here: real models and corpora stand beside the repository, not in it")
    sentences = [tokens for name in corpora for tokens in corpus(shop.shared / "corpora" / name)]
    spec = tmp_path / "stack.yaml"
    spec.write_text(write_spec(str(trained), tmp_path), encoding="utf-8")
    labels, sizes = [], []
    for profile in ("portable", "int8"):  # `portable` gives flair's own tags, as the tests above show
        path = shop.build(spec, profile=profile, proof=False).path
        sizes.append(path.stat().st_size)
        given = Tagger(path).tag(sentences, force_tokens=True)
        labels.append([label for result in given for label in result.labels])
    changed = sum(a != b for a, b in zip(*labels, strict=True))
    assert len(labels[0]) > 25_000
    assert changed <= 0.001 * len(labels[0])
    assert sizes[1] < 0.4 * sizes[0]


def corpus(path: Path) -> list[list[str]]:
    """Return the sentences of a corpus, one token a line in its second column."""
    blocks = path.read_text(encoding="utf-8").strip().split("\n\n")
    rows = [[line.split("\t") for line in block.splitlines() if not line.startswith("#")] for block in blocks]
    return [[cells[1] for cells in block if cells[0].isdigit()] for block in rows]


def test_small_language_models_keep_their_operator_and_have_lanes_all_the_same(
    shop: Workshop, folder: Path, tagger: SequenceTagger, resize: Resize
) -> None:
    resize(LowerLanguageModels(least_hidden=512), LowerTokenLayers())
    path = shop.build(shop.spec(folder), profile="cpu").path
    assert "Scan" not in operators(path)
    assert "reset" in shop.metadata(path)["interface"]["language_models"]["backward_lm"]
    sentences = texts(70)
    assert differences(Tagger(path), shop.flair_tags(tagger, sentences), sentences) == (0, pytest.approx(0, abs=1e-5))


@pytest.mark.parametrize("make", ["scalar bias", "row bias", "other order", "no biases", "cell options"])
@pytest.mark.parametrize("profile", ["cpu", "cuda"])
def test_exported_subgraphs_that_only_look_like_ours_are_left_as_they_are(
    shop: Workshop, tmp_path: Path, profile: str, make: str
) -> None:
    """A linear layer, a transposition and an `LSTM` also occur in other exporters' files, with other meanings."""
    drawn = np.random.default_rng(3)
    bias = {"scalar bias": (), "row bias": (1, 3)}.get(make, (3,))
    arrays = {"E": (3, 3), "e": bias, "W": (1, 32, 3), "R": (1, 32, 8), "B": (1, 64)}
    weights = [
        onnx.numpy_helper.from_array(np.asarray(drawn.normal(size=shape), np.float32), name)
        for name, shape in arrays.items()
    ]
    options: dict[str, Any] = {"hidden_size": 8}
    if make == "cell options":
        options["activations"] = ["HardSigmoid", "Tanh", "Tanh"]
    nodes = [
        onnx.helper.make_node("MatMul", ["x", "E"], ["m"]),
        onnx.helper.make_node("Add", ["m", "e"], ["a"]),
        onnx.helper.make_node("Transpose", ["a"], ["t"], perm=[2, 0, 1] if make == "other order" else [1, 0, 2]),
        onnx.helper.make_node("LSTM", ["t", "W", "R", *([] if make == "no biases" else ["B"])], ["y"], **options),
    ]
    ends = [onnx.helper.make_tensor_value_info("x", 1, [3, 3, 3])], [onnx.helper.make_tensor_value_info("y", 1, None)]
    graph = onnx.helper.make_graph(nodes, "other", *ends, weights)
    exported = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(onnx.shape_inference.infer_shapes(exported), tmp_path / "exported.onnx")
    spec = tmp_path / "other.yaml"
    spec.write_text(
        "version: 1\nname: other\nsources: {other: {onnx: exported.onnx}}\n"
        "inputs: {x: {type: float32, shape: [3, 3, 3]}}\n"
        "graph: {part: {kind: onnx, weights: other, inputs: {x: x}}}\noutputs: {y: part.y}\n",
        encoding="utf-8",
    )
    assert onnx.checker.check_model(str(shop.build(spec, profile=profile).path)) is None
