"""A file that is no tagger is a problem with a code and a place, whatever is wrong with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import onnx
import onnxruntime
import pytest

from assembler.core.errors import ModelError
from assembler.runtime import Tagger

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    WriteModel = Callable[..., Path]

PORTS = """
<ir_version: 8, opset_import: ["": 17]>
ports (int64[characters, sentences] forward, int64[total_tokens] forwardIndices,
       int64[sentences] characterLengths, int64[sentences] lengths)
  => (float[rows, columns] scores, int64[rows, columns] prediction)
"""

FAILS = f"""{PORTS}
<int64[2] shape = {{7, 11}}>
{{
  prediction = Reshape(lengths, shape)
  scores = Cast<to = 1>(prediction)
}}
"""

OTHER_SHAPE = f"""{PORTS}
{{
  prediction = Identity(forward)
  scores = Cast<to = 1>(prediction)
}}
"""


FLAT = OTHER_SHAPE.replace("[rows, columns]", "[rows]").replace("Identity(forward)", "Identity(lengths)")


def test_a_missing_file_is_m010(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no\.onnx: M010 cannot read the model: No such file or directory") as caught:
        Tagger(tmp_path / "no.onnx")
    (problem,) = caught.value.problems
    assert problem.file == str(tmp_path / "no.onnx")


def test_a_folder_is_m010(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="M010 cannot read the model: Is a directory"):
        Tagger(tmp_path)


def test_a_path_that_no_file_can_have_is_m010() -> None:
    with pytest.raises(ModelError, match="M010 cannot read the model: embedded null byte"):
        Tagger("a\0b")


@pytest.mark.parametrize("content", [b"", b"hello", b"\x08\x07"])
def test_a_file_that_is_no_model_is_m011(tmp_path: Path, content: bytes, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(content)
    with pytest.raises(
        ModelError, match=r"m\.onnx: M011 (the file is no ONNX|ONNX Runtime cannot load this) model: "
    ) as caught:
        Tagger(path)
    assert "\n" not in caught.value.problems[0].message
    assert caught.value.problems[0].hint == "expected is an .onnx file that `assemble` wrote"
    assert capfd.readouterr() == ("", "")


def test_an_operator_that_onnx_runtime_lacks_is_m011(write_model: WriteModel) -> None:
    with pytest.raises(ModelError, match=r"M011 .*Sorcery"):
        Tagger(write_model(graph=OTHER_SHAPE.replace("Identity", "Sorcery")))


def test_the_message_of_onnx_runtime_is_cut(write_model: WriteModel) -> None:
    with pytest.raises(ModelError, match="M011") as caught:
        Tagger(write_model(graph=OTHER_SHAPE.replace("Identity", "Sorcery" * 200)))
    assert len(caught.value.problems[0].message) < 400


def test_a_model_without_metadata_is_m012(write_model: WriteModel) -> None:
    with pytest.raises(ModelError, match=r"M012 the model has no assembler metadata(.|\n)*hint: .* `assemble` wrote"):
        Tagger(write_model({}))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (2, r"assembler\.format: this runtime reads format 1, the model has format 2\n +hint: update the package"),
        (
            0,
            r"assembler\.format: this runtime reads format 1, the model has format 0\n +hint: assemble the model again",
        ),
        (True, r"assembler\.format: expected 1, got True"),
        ("1", r"assembler\.format: expected 1, got '1'"),
        (None, r"assembler\.format: expected 1, got None"),
    ],
)
def test_another_format_is_m013(write_model: WriteModel, entries: dict, value: object, message: str) -> None:
    with pytest.raises(ModelError, match=f"M013 {message}"):
        Tagger(write_model(entries | {"format": value}))


def test_a_newer_format_is_said_before_anything_else_is_looked_at(write_model: WriteModel) -> None:
    with pytest.raises(ModelError, match="the model has format 9"):
        Tagger(write_model({"format": 9, "interface": "quite another"}))


@pytest.mark.parametrize("key", ["format", "interface"])
def test_a_missing_entry_is_m013(write_model: WriteModel, entries: dict, key: str) -> None:
    del entries[key]
    with pytest.raises(ModelError, match=rf"M013 assembler\.{key}: the key is missing"):
        Tagger(write_model())


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("labels", "abc", "expected a list of strings, got 'abc'"),
        ("labels", [1], r"expected a list of strings, got \[1\]"),
        ("interface", [], r"expected an object, got \[\]"),
        ("dictionaries", [], r"expected an object, got \[\]"),
    ],
)
def test_a_damaged_entry_is_m013(write_model: WriteModel, entries: dict, key: str, value: object, message: str) -> None:
    with pytest.raises(ModelError, match=rf"M013 assembler\.{key}: {message}"):
        Tagger(write_model(entries | {key: value}))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "Expecting property name"),
        ("", "Expecting value"),
        ("[" * 100_000, "maximum recursion"),
        ("1" * 5000, "digits"),
    ],
)
@pytest.mark.parametrize("key", ["format", "labels", "spec"])
def test_json_that_cannot_be_parsed_is_m013(write_model: WriteModel, key: str, text: str, reason: str) -> None:
    path = write_model()
    model = onnx.load(path)
    properties = {entry.key: entry.value for entry in model.metadata_props} | {f"assembler.{key}": text}
    onnx.helper.set_model_props(model, properties)
    onnx.save(model, path)
    with pytest.raises(ModelError, match=rf"M013 assembler\.{key}: no valid JSON: .*{reason}"):
        Tagger(path)


@pytest.mark.parametrize(
    ("key", "value"),
    [("labels", []), ("labels", None), ("outputs", [{"name": "scores", "gives": None}]), ("tags", None)],
)
def test_a_model_without_tagger_head_is_m014(write_model: WriteModel, entries: dict, key: str, value: object) -> None:
    if value is None and key == "labels":
        del entries["labels"]
    else:
        (entries if key == "labels" else entries["interface"])[key] = value
    with pytest.raises(ModelError, match="M014 the model has no tagger head: its outputs are scores, prediction"):
        Tagger(write_model())


def test_an_input_that_the_runtime_cannot_fill_is_m014(write_model: WriteModel, entries: dict) -> None:
    entries["interface"]["inputs"][2]["fill"] = None
    entries["interface"]["inputs"][3]["fill"] = "word_ids"
    with pytest.raises(ModelError, match=r"model\.onnx: M014 input 'lengths' wants 'word_ids'") as caught:
        Tagger(write_model())
    assert len(caught.value.problems) == 2


def test_all_ports_that_do_not_fit_are_reported_together(write_model: WriteModel, entries: dict) -> None:
    entries["interface"]["inputs"][0]["name"] = "characters"
    entries["interface"]["outputs"][0]["name"] = "score"
    with pytest.raises(ModelError, match="M014") as caught:
        Tagger(write_model())
    inputs = "forward, forwardIndices, characterLengths, lengths"
    assert [problem.message for problem in caught.value.problems] == [
        "input 'forward' has no entry in assembler.interface, so nobody knows what fills it",
        f"input 'characters' of assembler.interface is not in the model, which has {inputs}",
        "output 'score' of assembler.interface is not in the model, which has scores, prediction",
    ]


def test_ports_of_another_type_are_m014(write_model: WriteModel) -> None:
    graph = OTHER_SHAPE.replace("int64[sentences] lengths", "int32[sentences] lengths").replace(
        "float[rows, columns] scores", "double[rows, columns] scores"
    )
    with pytest.raises(ModelError, match="M014") as caught:
        Tagger(write_model(graph=graph.replace("<to = 1>", "<to = 11>")))
    assert [problem.message for problem in caught.value.problems] == [
        "input 'lengths' is tensor(int32), expected tensor(int64)",
        "output 'scores' is tensor(double), expected tensor(float)",
    ]


@pytest.mark.parametrize(
    ("graph", "shape"),
    [(OTHER_SHAPE, r"\[5, 2\]"), (FAILS.replace("{7, 11}", "{-1, 1}"), r"\[2, 1\]"), (FLAT, r"\[2\]")],
)
def test_an_output_of_another_shape_is_m014(write_model: WriteModel, graph: str, shape: str) -> None:
    tagger = Tagger(write_model(graph=graph))
    with pytest.raises(ModelError, match=rf"M014 output 'prediction' has the shape {shape}, expected \[2, 2\]"):
        tagger.tag([["a", "b"], ["b"]])


def test_a_class_without_label_is_m013(write_model: WriteModel, entries: dict) -> None:
    tagger = Tagger(write_model(entries | {"labels": ["NOUN", "VERB"]}))
    with pytest.raises(ModelError, match=r"M013 assembler\.labels: 2 labels, but the model predicted the class 3"):
        tagger.tag([["a"]])


def test_a_run_that_fails_is_m015_and_prints_nothing(
    write_model: WriteModel, capfd: pytest.CaptureFixture[str]
) -> None:
    tagger = Tagger(write_model(graph=FAILS))
    with pytest.raises(ModelError, match=r"model\.onnx: M015 the model failed in ONNX Runtime: .*Reshape") as caught:
        tagger.tag([["a"]])
    assert "\n" not in caught.value.problems[0].message
    assert capfd.readouterr() == ("", "")


def test_threads_below_one_are_refused(write_model: WriteModel) -> None:
    with pytest.raises(ValueError, match="threads: expected at least 1, got 0"):
        Tagger(write_model(), threads=0)


def test_threads_and_providers_reach_onnx_runtime(write_model: WriteModel, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[int] = []
    keywords: list[dict[str, object]] = []

    class Watched(onnxruntime.InferenceSession):
        def __init__(self, path: str, options: onnxruntime.SessionOptions, **others: object) -> None:
            threads.append(options.intra_op_num_threads)
            keywords.append(others)
            super().__init__(path, options, **others)

    monkeypatch.setattr(onnxruntime, "InferenceSession", Watched)
    provider = ("CPUExecutionProvider", {"use_arena": "0"})
    assert Tagger(write_model(), threads=3, providers=[provider]).tag([["a"]])[0].labels == ("a",)
    assert threads == [3]
    assert keywords == [{"providers": [provider], "enable_fallback": 0}]


@pytest.mark.parametrize("provider", ["Abacus", ("Abacus", {})])
def test_a_provider_that_is_not_installed_is_refused(write_model: WriteModel, provider: object) -> None:
    with pytest.raises(ValueError, match=r"provider 'Abacus' is not in this ONNX Runtime, which has .*CPU"):
        Tagger(write_model(), providers=[provider])
