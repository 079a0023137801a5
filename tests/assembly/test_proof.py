"""A model that is not what its source is never gets its name, and the report says where it goes wrong."""

from __future__ import annotations

import dataclasses
import json
import re
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from assembler import assemble
from assembler.core.errors import ModelError, ParityError, SpecError
from assembler.parts import recurrent, registry
from assembler.proof import divergence, random_inputs
from assembler.proof.parity import compare
from assembler.proof.samples import BUILT_IN, HARD
from assembler.proof.stepwise_gaps import gap
from assembler.proof.task_results import ModelTask
from assembler.runtime import TaggedSentence

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from assembler.onnx_model.emitter import Emitter
    from assembler.parts.kind import PartView
    from assembler.wiring.graph import Wiring
    from tests.assembly.conftest import Outcome, Workshop

FIGURES = r"differs by \S+( at \[[\d, ]+\])?: the source has \S+, the model \S+"


def refusal(shop: Workshop, spec: Path) -> str:
    """Build a spec that must not pass, and return the report; no file may have been written."""
    before = {file.name for file in spec.parent.iterdir()}
    with pytest.raises(ParityError) as caught:
        shop.build(spec)
    assert {file.name for file in spec.parent.iterdir()} == before
    text = str(caught.value)
    assert re.search(FIGURES, text), text
    assert "nothing was written" in text
    return text


def first_part(text: str) -> str:
    found = re.search("the first part whose output diverges is '([^']*)'", text)
    assert found, text
    return found[1]


def rebuilt(monkeypatch: pytest.MonkeyPatch, kind: str, change: Callable[[PartView], PartView]) -> None:
    """Let the builder of a kind see other weights than there are."""
    known = registry.kinds()[kind]

    def build(part: PartView, emit: Emitter) -> None:
        known.build(change(part), emit)

    monkeypatch.setitem(registry._installed(), kind, dataclasses.replace(known, build=build))


def test_a_wrong_gate_order_of_a_gru_is_found(shop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.save(shop.tagger(cell="GRU"), tmp_path / "tagger.pt")
    monkeypatch.setitem(recurrent._GATES, "GRU", (0, 1, 2))
    text = refusal(shop, shop.spec(tmp_path))
    assert text.startswith(
        f"{tmp_path / 'stack.yaml'}:38:18: P001 the model does not reproduce the tags and scores of 'tagger': "
    )
    assert first_part(text) == "head"


def test_a_wrong_gate_order_of_a_language_model_is_found(
    shop: Workshop, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(recurrent._GATES, "LSTM", (0, 1, 2, 3))
    assert first_part(refusal(shop, shop.spec(folder))) == "forward_lm"


def test_a_wrong_bias_of_a_head_is_found(shop: Workshop, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def change(part: PartView) -> PartView:
        linear = dataclasses.replace(part.weights.linear, bias=part.weights.linear.bias[::-1])
        return dataclasses.replace(part, weights=dataclasses.replace(part.weights, linear=linear))

    rebuilt(monkeypatch, "tagger_head", change)
    text = refusal(shop, shop.spec(folder))
    assert first_part(text) == "head"
    assert "batches of 1, token 0 " in text
    assert re.search(r"the source says [A-Z]+ 0\.\d{6}, the model [A-Z]+ 0\.\d{6}", text)


def test_only_what_is_read_is_compared(shop: Workshop, folder: Path) -> None:
    from assembler.proof.padding import Padding
    from assembler.spec.reading import load_spec
    from assembler.workflows.fitting import wired_sources

    wiring, _ = wired_sources(load_spec(shop.spec(folder)), trust=False)
    states, rows, tags = np.ones((4, 2, 3), np.float32), np.ones((6, 5), np.float32), np.ones((2, 3), np.int64)
    values = {
        "forward_lm.states": states,
        "backward_lm.states": states,
        "characterLengths": np.array([4, 2]),
        "words.rows": rows,
        "head.emissions": np.ones((2, 3, 5), np.float32),
        "head.scores": tags.astype(np.float32),
        "head.prediction": tags,
        "lengths": np.array([3, 1]),
    }
    padding = Padding(wiring, values)
    assert padding.hidden("forward_lm.states", states)[:, 0].all()
    assert padding.hidden("forward_lm.states", states)[:, 1, 0].tolist() == [1, 1, 0, 0]
    assert padding.hidden("forward_lm.states", states[:3]).all(), "another shape is a difference of its own"
    for port in ("prediction", "scores"):
        assert padding.hidden(f"head.{port}", tags).tolist() == [[1, 1, 1], [1, 0, 0]]
    assert padding.hidden("head.emissions", values["head.emissions"])[:, :, 4].tolist() == [[1, 1, 1], [1, 0, 0]]
    assert padding.hidden("words.rows", rows)[:, 0].tolist() == [1, 1, 1, 1, 0, 0]
    # joined before, by the dim of this name alone
    assert padding.hidden("forward_words.rows", rows)[:, 4].tolist() == [1, 1, 1, 1, 0, 0]


def test_other_numbers_behind_a_sentences_end_blame_no_part(
    shop: Workshop, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, met = divergence.tapped_outputs, []

    def tapped(path: Path, wiring: Wiring, tensors: dict[str, str], inputs: dict[str, np.ndarray]) -> dict:
        given = own(path, wiring, tensors, inputs)
        counts = inputs["lengths"]
        behind = np.arange(counts.max()) >= counts[:, np.newaxis]
        given["words.rows"] = np.where(behind.reshape(-1, 1), np.float32(1e3), given["words.rows"])
        given["forward_lm.states"] = given["forward_lm.states"].copy()
        for text, length in enumerate(inputs["characterLengths"]):
            given["forward_lm.states"][length:, text] = 1e3
        met.append(behind.sum())
        return given

    monkeypatch.setattr(divergence, "tapped_outputs", tapped)

    def change(part: PartView) -> PartView:
        linear = dataclasses.replace(part.weights.linear, bias=part.weights.linear.bias + np.float32(1e-2))
        linear.bias[0] -= 1
        return dataclasses.replace(part, weights=dataclasses.replace(part.weights, linear=linear))

    rebuilt(monkeypatch, "tagger_head", change)
    monkeypatch.setattr(random_inputs, "_SIZES", (5,))
    assert first_part(refusal(shop, shop.spec(folder))) == "head"
    assert met[0] > 0


def test_swapped_biases_of_a_gru_are_found(shop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reset gate multiplies the recurrent bias alone, so a sum of both biases is not enough."""
    shop.save(shop.tagger(cell="GRU"), tmp_path / "tagger.pt")

    def change(part: PartView) -> PartView:
        layers = tuple(
            tuple(dataclasses.replace(d, input_bias=d.recurrent_bias, recurrent_bias=d.input_bias) for d in layer)
            for layer in part.weights.recurrent.layers
        )
        swapped = dataclasses.replace(part.weights.recurrent, layers=layers)
        return dataclasses.replace(part, weights=dataclasses.replace(part.weights, recurrent=swapped))

    rebuilt(monkeypatch, "tagger_head", change)
    assert first_part(refusal(shop, shop.spec(tmp_path))) == "head"


def test_a_dropped_reprojection_is_found(shop: Workshop, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def change(part: PartView) -> PartView:
        return dataclasses.replace(part, weights=dataclasses.replace(part.weights, reprojection=None))

    rebuilt(monkeypatch, "tagger_head", change)
    assert first_part(refusal(shop, shop.spec(folder))) == "head"


def test_one_embedding_used_twice_is_found(shop: Workshop, folder: Path) -> None:
    assert first_part(refusal(shop, shop.spec(folder, second="0"))) == "backward_words"


def test_embeddings_that_change_places_behind_the_wirings_back_are_found(
    shop: Workshop, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("assembler.workflows.fitting.order_problems", lambda *_: [])
    text = refusal(shop, shop.spec(folder, order="backward_words.rows, forward_words.rows"))
    assert first_part(text) == "backward_words"


def test_a_wrong_order_of_interleaved_rows_is_found(shop: Workshop, tmp_path: Path) -> None:
    folder = shop.repository / "specs"
    text = (folder / "striping.yaml").read_text()
    text = text.replace("weights/demo-pos.pt", str(folder / "weights" / "demo-pos.pt"))
    text = re.sub(", sentences: .*}", "}", text)
    right = "inputs: [forward_words.rows, backward_words.rows]"
    assert right in text
    spec = shop.spec(tmp_path, text.replace(right, "inputs: [backward_words.rows, forward_words.rows]"))
    assert first_part(refusal(shop, spec)) == "words"


def test_swapped_inputs_of_the_two_directions_are_found(shop: Workshop, folder: Path) -> None:
    spec = shop.spec(folder)
    text = spec.read_text().replace("indices: forwardIndices", "indices: Indices")
    text = text.replace("indices: backwardIndices", "indices: forwardIndices")
    spec.write_text(text.replace("indices: Indices", "indices: backwardIndices"))
    # the rule of an input follows from what it feeds, so its name alone does no harm
    assert shop.build(spec).proven is not None


def test_the_hint_is_the_tolerance_that_would_have_passed(shop: Workshop, folder: Path) -> None:
    with pytest.raises(ParityError, match=r"hint: nothing was written; scores_within: \d\.\de-\d+ would have passed"):
        shop.build(shop.spec(folder, proof=", scores_within: 1.0e-12"))


NAN = float("nan")


@pytest.mark.parametrize(("theirs", "ours"), [(NAN, NAN), (0.5, NAN), (NAN, 0.5)])
def test_nan_never_passes_as_a_score(theirs: float, ours: float) -> None:
    source = TaggedSentence(("a",), ("X",), (theirs,), ())
    model = TaggedSentence(("a",), ("X",), (ours,), ())
    found = compare([["a"]], [source], [(1, [model])], 1e9)
    assert not found.equal
    assert found.largest == np.inf
    assert len(found.worst) == 1


def test_nan_is_infinitely_far_from_a_number() -> None:
    found = gap("t", np.array([1, 2, 3], np.float32), np.array([1, 2, np.nan], np.float32))
    assert (found.largest, found.index, found.source, found.model) == (np.inf, (2,), "3.0", "nan")
    assert gap("t", np.zeros(2, np.float32), np.zeros(3, np.float32)).largest == np.inf
    assert gap("t", np.zeros(2, np.float32), np.zeros(2, np.float64)).largest == np.inf
    assert gap("t", np.array(["a"], object), np.array(["b"], object)).largest == np.inf


def test_a_tagger_that_gives_nan_is_not_written(shop: Workshop, tmp_path: Path) -> None:
    tagger = shop.tagger(seed=3)
    with torch.no_grad():
        tagger.linear.weight[2, 2] = NAN
    shop.save(tagger, tmp_path / "tagger.pt")
    with pytest.raises(ParityError, match=r"P001 .* the largest difference of a score is inf") as caught:
        shop.build(shop.spec(tmp_path))
    assert "nan, the model" in str(caught.value)
    assert not (tmp_path / "stack.onnx").exists()


def test_a_stack_without_a_tagger_is_compared_tensor_by_tensor(
    shop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.save(shop.language_model(cell="gru"), tmp_path / "lm.pt")
    text = """\
version: 1
name: lm
sources: {lm: {flair: lm.pt}}
inputs:
  characters: {type: int64, shape: [characters, sentences]}
  counts:     {type: int64, shape: [sentences]}
graph:
  lm: {kind: char_lm, weights: lm, inputs: {characters: characters, lengths: counts}}
  best: {kind: max, inputs: {tensor: lm.states}}
outputs: {best: best.tensor}
"""
    spec = shop.spec(tmp_path, text)
    result = shop.build(spec)
    assert (result.proven.against, result.proven.cases) == ("each part alone", 3)
    assert shop.metadata(result.path)["proof"]["against"] == "each part alone"
    result.path.unlink()
    monkeypatch.setitem(recurrent._GATES, "GRU", (0, 1, 2))
    text = refusal(shop, spec)
    assert "P002 the model does not compute what its parts compute one by one (dynamic dims of 1)" in text
    assert "  best: differs by " in text
    assert first_part(text) == "lm"


def test_parity_fails_with_exit_code_3_and_a_report(shop: Workshop, folder: Path, cli: Callable[..., Outcome]) -> None:
    spec = shop.spec(folder, second="0")
    done = cli(spec, "-o", folder / "out.onnx")
    assert (done.code, done.out) == (3, "")
    assert "P001 the model does not reproduce the tags and scores of 'tagger'" in done.err
    assert "the first part whose output diverges is 'backward_words'" in done.err
    assert not (folder / "out.onnx").exists()
    done = cli(spec, "-o", folder / "out.onnx", "--format", "json")
    assert done.code == 3
    (problem,) = json.loads(done.out)["problems"]
    assert (problem["code"], problem["line"]) == ("P001", 38)


def test_a_model_without_a_proof_says_so(shop: Workshop, folder: Path, cli: Callable[..., Outcome]) -> None:
    spec = shop.spec(folder, second="0")  # a wrong one, so that nothing can have been compared
    target = folder / "out.onnx"
    done = cli(spec, "-o", target, "--no-proof")
    assert (done.code, done.out.splitlines()[1]) == (0, "not proven (--no-proof)")
    assert shop.metadata(target)["proof"] == {"status": "skipped", "reason": "--no-proof"}
    assert "not proven (--no-proof)" in cli("inspect", target).out
    done = cli("verify", target)
    assert done.code == 3
    assert f"{target}: P003 the model was written without a proof and carries nothing to compare with" in done.err
    assert "hint: give the spec it was built from: --spec" in done.err
    assert cli("verify", target, "--spec", spec).code == 3


def test_the_record_of_a_proof_can_be_tried_again(shop: Workshop, built: Path) -> None:
    proof = shop.metadata(built)["proof"]
    assert (proof["status"], proof["against"], proof["scores_within"]) == ("passed", "tagger", 1e-5)
    assert proof["batch_sizes"] == [1, 7, 32]
    assert proof["golden"][0]["tokens"] == ["der", "hund", "bellt", "."]
    assert len(proof["golden"]) == 8
    assert proof["cases"] == 4 + BUILT_IN + len(HARD)


def test_checker_load_and_parity_come_before_the_name(
    shop: Workshop, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec, target = shop.spec(folder), folder / "stack.onnx"
    seen: list[str] = []
    from assembler.onnx_model import onnx_checker
    from assembler.proof import tag_reference

    def watched(name: str, function: Callable[..., object]) -> Callable[..., object]:
        def call(path: Path, *rest: object) -> object:
            seen.append(name)
            assert path.exists()
            assert not target.exists()
            return function(path, *rest)

        return call

    monkeypatch.setattr(onnx_checker, "check_file", watched("checker", onnx_checker.check_file))

    def load(path: Path, *_: object, **options: bool) -> ModelTask:
        seen.append("load")
        assert not target.exists()
        return ModelTask(path, "upos", **options)

    monkeypatch.setattr(tag_reference, "ModelTask", load)
    shop.build(spec)
    assert seen == ["checker", "load"]
    assert target.exists()


def test_a_model_that_the_checker_refuses_is_not_written(
    shop: Workshop, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from assembler import Kind, Port, Ports, TensorType

    def ports(part: PartView) -> Ports:
        return Ports((Port("tensor"),), (Port("tensor", TensorType("float32", part.arriving("tensor").dims)),))

    def build(part: PartView, emit: Emitter) -> None:  # noqa: ARG001 - a builder's signature
        emit.output("tensor", emit.op("Relu", [emit.input("tensor")], "relu", no_such_attribute=1))

    monkeypatch.setitem(registry._registered, "broken", Kind("broken", "Broken.", ports, build))
    text = "version: 1\nname: s\ninputs: {x: {type: float32, shape: [n]}}\n"
    text += "graph: {p: {kind: broken, inputs: {tensor: x}}}\noutputs: {y: p.tensor}\n"
    spec = shop.spec(folder, text)
    with pytest.raises(ModelError, match=r"M006 ONNX Runtime does not load the part 'p' alone: .*no_such_attribute"):
        shop.build(spec)
    with pytest.raises(ModelError, match=r"M008 the assembled model does not pass ONNX's checker: .*no_such_attribute"):
        shop.build(spec, proof=False)
    assert not spec.with_suffix(".onnx").exists()


def test_a_builder_that_forgets_an_output_is_named(
    shop: Workshop, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from assembler import Kind, Port, Ports

    kind = Kind("lazy", "Lazy.", lambda _: Ports((Port("tensor"),), (Port("tensor"),)), lambda *_: None)
    monkeypatch.setitem(registry._registered, "lazy", kind)
    text = "version: 1\nname: s\ninputs: {x: {type: float32, shape: [n]}}\n"
    text += "graph: {p: {kind: lazy, inputs: {tensor: x}}}\noutputs: {y: p.tensor}\n"
    with pytest.raises(
        ModelError, match=r"stack\.yaml:4:19: M004 the builder of kind 'lazy' gave no output 'tensor' for 'p'"
    ):
        shop.build(shop.spec(folder, text))


# --- the order of a concat


def test_another_order_than_the_taggers_is_refused_and_the_right_one_shown(shop: Workshop, folder: Path) -> None:
    wrong = shop.spec(folder, order="backward_words.rows, forward_words.rows")
    with pytest.raises(
        SpecError, match="W015 words: the tagger 'tagger' joins its embeddings in another order"
    ) as caught:
        shop.build(wrong)
    (problem,) = caught.value.problems
    assert problem.hint == "flair sorts them by name; write inputs: [forward_words.rows, backward_words.rows]"
    assert (problem.line, problem.column) == (30, 14)
    assert not (folder / "stack.onnx").exists()


def test_a_missing_embedding_is_named(shop: Workshop, folder: Path) -> None:
    spec = shop.spec(folder, order="forward_words.rows")
    text = re.sub("  backward_(lm|words):\n(    .*\n)+", "", spec.read_text())
    spec.write_text(re.sub("  backward.*\n", "", text))
    with pytest.raises(SpecError, match=r"W004 words.rows → head.embeddings"):
        shop.build(spec)


@pytest.mark.parametrize("reload", [True, False], ids=["saved by flair", "object pickle"])
def test_bare_names_put_backward_first(shop: Workshop, tmp_path: Path, *, reload: bool) -> None:
    """Checkpoints of 2019 have names without a prefix; flair 0.15.1 keeps them when it saves."""
    stack = shop.embeddings(
        shop.language_model(seed=1), shop.language_model(forward=False, seed=2), names=["x-forward", "x-backward"]
    )
    tagger = shop.tagger(stack)
    if reload:
        shop.save(tagger, tmp_path / "tagger.pt")
    else:
        torch.save(tagger, tmp_path / "tagger.pt")
    with pytest.raises(SpecError, match="W015") as caught:
        shop.build(shop.spec(tmp_path), trust=True)
    right = "backward_words.rows, forward_words.rows"
    assert f"write inputs: [{right}]" in str(caught.value)
    assert shop.build(shop.spec(tmp_path, order=right), trust=True).proven is not None


def test_the_eleventh_embedding_stands_before_the_third(shop: Workshop, tmp_path: Path) -> None:
    from assembler.initialisation import write_spec

    models = [shop.language_model(forward=place % 2 == 0, seed=place, hidden=4) for place in range(11)]
    shop.save(shop.tagger(shop.embeddings(*models)), tmp_path / "tagger.pt")
    text = write_spec(str(tmp_path / "tagger.pt"), tmp_path)
    order = re.search(r"inputs: \[(.*)\]", text)[1].split(", ")
    places = [int(re.search(r"\d+", name)[0]) for name in order]
    assert places == [0, 1, 10, 2, 3, 4, 5, 6, 7, 8, 9]
    spec = shop.spec(tmp_path, text)
    assert shop.build(spec).proven is not None
    natural = ", ".join(sorted(order, key=lambda name: int(re.search(r"\d+", name)[0])))
    with pytest.raises(SpecError, match="W015") as caught:
        shop.build(shop.spec(tmp_path, text.replace(", ".join(order), natural)))
    assert f"write inputs: [{', '.join(order)}]" in str(caught.value)


def test_what_an_embedding_looks_at_does_not_survive_flairs_save(shop: Workshop, tmp_path: Path) -> None:
    """`with_whitespace` is no part of what flair 0.15.1 saves: the loaded object decides, not the trained one."""
    stack = shop.embeddings(
        shop.language_model(seed=1), shop.language_model(forward=False, seed=2), with_whitespace=False
    )
    tagger = shop.tagger(stack)
    shop.save(tagger, tmp_path / "tagger.pt")
    saved = shop.metadata(shop.build(shop.spec(tmp_path)).path)["interface"]["language_models"]
    torch.save(tagger, tmp_path / "tagger.pt")
    result = assemble(shop.spec(tmp_path), tmp_path / "object.onnx", trust=True)
    kept = shop.metadata(result.path)["interface"]["language_models"]
    assert {entry["with_whitespace"] for entry in saved.values()} == {True}
    assert {entry["with_whitespace"] for entry in kept.values()} == {False}
    assert result.proven is not None


# --- problems of a spec that only its sources show


def test_two_models_that_want_one_input_filled_differently_are_refused(shop: Workshop, folder: Path) -> None:
    spec = shop.spec(folder)
    text = spec.read_text().replace("characters: backward,", "characters: forward,")
    spec.write_text(re.sub("  backward: .*\n", "", text))
    with pytest.raises(
        SpecError, match="W013 the input 'forward' feeds 'forward_lm' and 'backward_lm', which want"
    ) as caught:
        shop.build(spec)
    assert "they differ in one of: direction, dictionary" in str(caught.value)


def test_start_markers_of_different_lengths_cannot_share_the_counts(shop: Workshop, tmp_path: Path) -> None:
    stack = shop.embeddings(
        shop.language_model(seed=1, marker="ab"), shop.language_model(forward=False, seed=2, marker="\n")
    )
    shop.save(shop.tagger(stack), tmp_path / "tagger.pt")
    with pytest.raises(SpecError, match="W013 the input 'characterLengths' feeds 'forward_lm' and 'backward_lm'"):
        shop.build(shop.spec(tmp_path))
    from assembler.initialisation import write_spec

    assert shop.build(shop.spec(tmp_path, write_spec(str(tmp_path / "tagger.pt"), tmp_path))).proven is not None


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (None, "cannot be read: No such file or directory"),
        (b"der hund \xff", "cannot be read: it is not UTF-8"),
        (b"\n \n", "holds no sentence"),
    ],
)
def test_sentences_that_cannot_be_read_are_a_problem(
    shop: Workshop, folder: Path, data: bytes | None, words: str
) -> None:
    spec = shop.spec(folder)
    (folder / "sentences.txt").unlink()
    if data is not None:
        (folder / "sentences.txt").write_bytes(data)
    with pytest.raises(SpecError, match=rf"stack\.yaml:38:37: W014 proof: .*{words}"):
        shop.build(spec)


def test_a_declared_size_that_the_weights_do_not_have_is_refused(shop: Workshop, folder: Path) -> None:
    spec = shop.spec(folder)
    text = spec.read_text().replace(
        "weights: tagger.embeddings.0", "weights: tagger.embeddings.0\n    hidden_size: 2048"
    )
    spec.write_text(text)
    with pytest.raises(SpecError, match="W016 forward_lm: the loaded weights have hidden_size 8, the spec says 2048"):
        shop.build(spec)


def test_an_input_that_no_host_could_fill_is_refused(shop: Workshop, folder: Path) -> None:
    spec = shop.spec(folder)
    text = spec.read_text().replace("graph:\n", "  boost: {type: float32, shape: [16]}\ngraph:\n")
    text = text.replace("embeddings: words.rows", "embeddings: boosted.tensor")
    part = "  boosted: {kind: arithmetic, operator: multiply, inputs: {left: words.rows, right: boost}}\n  head:\n"
    spec.write_text(text.replace("  head:\n", part))
    with pytest.raises(SpecError, match="W017 neither the wiring nor the spec says how a host fills the input 'boost'"):
        shop.build(spec)


def test_a_reference_that_nothing_would_be_compared_with_is_refused(shop: Workshop, folder: Path) -> None:
    spec = shop.spec(folder)
    text = spec.read_text(encoding="utf-8")
    start, end = text.index("  head:\n"), text.index("outputs:\n")
    text = text[:start] + "outputs: {rows: words.rows}\n" + text[text.index("proof:") :]
    text = "\n".join(line for line in text.splitlines() if not line.startswith("  lengths:")) + "\n"
    assert end > start
    spec.write_text(text, encoding="utf-8")
    with pytest.raises(SpecError, match="W012 proof: no output of the stack can be compared with 'tagger'"):
        shop.build(spec)
    spec.write_text(text[: text.index("proof:")], encoding="utf-8")
    assert shop.build(spec).proven is not None
