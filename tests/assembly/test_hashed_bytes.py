"""The bytes that were hashed are the bytes that are used, whatever happens to the files meanwhile."""

from __future__ import annotations

import json
import os
import resource
import tempfile
from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from assembler import assemble
from assembler.core.errors import ModelError, SourceError
from assembler.core.regular_files import open_regular
from assembler.onnx_subgraphs import copy as onnx_copy
from assembler.sources import opened_file
from assembler.sources.opened_file import ChangedError, copied

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import BinaryIO

    from tests.assembly.conftest import Workshop


def rewritten(path: Path, data: bytes) -> None:
    """Write into the same file: who has it open reads the new bytes."""
    with path.open("r+b") as stream:
        stream.write(data)
        stream.truncate()


def replaced(path: Path, data: bytes) -> None:
    other = path.with_name("other")
    other.write_bytes(data)
    other.replace(path)


def removed(path: Path, data: bytes) -> None:  # noqa: ARG001 - as the others
    path.unlink()


def piped(path: Path, data: bytes) -> None:  # noqa: ARG001 - as the others
    path.unlink()
    os.mkfifo(path)


CHANGES = [rewritten, replaced, removed, piped]


def behind_the_copy(monkeypatch: pytest.MonkeyPatch, change: Callable[[], None]) -> None:
    """Change files as soon as all of them are copied and compared."""
    real = opened_file.require_digest

    def compared(*words: object) -> None:
        real(*words)  # type: ignore[arg-type]
        change()

    for module in (opened_file, onnx_copy):
        monkeypatch.setattr(module, "require_digest", compared)


@pytest.mark.parametrize("change", CHANGES)
def test_a_checkpoint_that_is_changed_after_its_digest_was_compared_is_not_what_is_built(
    shop: Workshop, folder: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[Path, bytes], None]
) -> None:
    spec = shop.spec(folder)
    expected = shop.build(spec).path.read_bytes()
    shop.save(shop.tagger(seed=1), folder / "stranger.pt")
    stranger = (folder / "stranger.pt").read_bytes()
    behind_the_copy(monkeypatch, lambda: change(folder / "tagger.pt", stranger))
    assert shop.build(spec).path.read_bytes() == expected


def test_a_pinned_digest_is_compared_with_the_copy(shop: Workshop, folder: Path) -> None:
    spec = shop.spec(folder)
    digest = shop.metadata(shop.build(spec).path)["sources"]["tagger"]["sha256"]
    text = spec.read_text(encoding="utf-8")
    spec.write_text(text.replace("tagger.pt}", f"tagger.pt, sha256: {digest}}}"), encoding="utf-8")
    assert digest in spec.read_text(encoding="utf-8")
    shop.build(spec)
    shop.save(shop.tagger(seed=1), folder / "tagger.pt")
    with pytest.raises(SourceError, match="R002 source 'tagger': the file has the digest"):
        shop.build(spec)


def test_a_source_that_changes_before_the_search_for_a_difference_is_not_blamed(
    shop: Workshop, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = shop.spec(folder, first="1", second="1")
    monkeypatch.setattr("assembler.workflows.fitting.order_problems", lambda *_: [])
    shop.save(shop.tagger(seed=1), folder / "stranger.pt")
    stranger = (folder / "stranger.pt").read_bytes()

    def step(name: str) -> None:
        if name == "checking the file":
            (folder / "tagger.pt").write_bytes(stranger)

    with pytest.raises(SourceError, match="R013 a source changed while the model was built from it"):
        assemble(spec, folder / "model.onnx", progress=step)
    assert not (folder / "model.onnx").exists()


class Restless:
    """A file that is written to while it is read."""

    def __init__(self, stream: BinaryIO, change: Callable[[], None]) -> None:
        self._stream, self._changes = stream, [change]

    def fileno(self) -> int:
        return self._stream.fileno()

    def read(self, size: int) -> bytes:
        data = self._stream.read(size)
        while self._changes:
            self._changes.pop()()
        return data


def longer(path: Path) -> None:
    with path.open("ab") as stream:
        stream.write(b"more")


def shorter(path: Path) -> None:
    os.truncate(path, 1 << 20)


@pytest.mark.parametrize("change", [longer, shorter])
def test_a_file_that_grows_or_shrinks_while_it_is_copied_is_refused(
    tmp_path: Path, change: Callable[[Path], None]
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * (3 << 20))
    changed = pytest.raises(ChangedError, match="changed while it was read")
    with open_regular(path) as stream, tempfile.TemporaryFile() as copy, changed:
        copied(Restless(stream, lambda: change(path)), copy)


def test_a_source_that_changes_while_it_is_copied_is_a_problem(
    shop: Workshop, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def changing(*_: object) -> str:
        raise ChangedError

    monkeypatch.setattr(opened_file, "copied", changing)
    with pytest.raises(SourceError, match=r"R013 source 'tagger': .*tagger\.pt changed while it was read"):
        shop.build(shop.spec(folder))


@pytest.mark.parametrize("form", ["flair", "onnx"])
def test_no_room_for_a_copy_is_a_problem(
    shop: Workshop, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    monkeypatch.setattr(opened_file, "SMALL", 0)
    (tmp_path / "m.onnx").write_bytes(adding("initializer").SerializeToString())
    spec = shop.spec(folder) if form == "flair" else spec_of(tmp_path, "m.onnx")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        with pytest.raises(SourceError, match=r"R013 source '.*': it cannot be copied to .*: File too large") as caught:
            assemble(spec, tmp_path / "model.onnx")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert caught.value.problems[0].hint == "let TMPDIR name a folder with room for the sources"


def test_a_large_source_is_copied_to_the_disk_and_gives_the_same_bytes(
    shop: Workshop, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = shop.spec(folder)
    expected = shop.build(spec).path.read_bytes()
    monkeypatch.setattr(opened_file, "SMALL", 0)
    assert shop.build(spec).path.read_bytes() == expected


@pytest.mark.parametrize("what", ["fifo", "folder", "/dev/zero"])
@pytest.mark.parametrize("form", ["flair", "onnx"])
def test_a_source_that_is_no_regular_file_is_refused_at_once(
    shop: Workshop, folder: Path, tmp_path: Path, what: str, form: str
) -> None:
    path = tmp_path / ("it.onnx" if form == "onnx" else "it.pt")
    if what == "fifo":
        os.mkfifo(path)
    elif what == "folder":
        path.mkdir()
    else:
        path.symlink_to(what)
    stack = spec_of(tmp_path, "it.onnx") if form == "onnx" else shop.spec(folder)
    if form == "flair":
        stack.write_text(stack.read_text(encoding="utf-8").replace("tagger.pt", str(path)), encoding="utf-8")
    with pytest.raises(SourceError, match=r"R001 .*(is a folder|no regular file|Is a directory)"):
        assemble(stack, tmp_path / "model.onnx")
    if form == "flair":
        done = shop.command("init", path)
        assert (done.code, "R001" in done.err) == (1, True)


# --- exported subgraphs, and their external data


def spec_of(folder: Path, location: str, more: str = "") -> Path:
    path = folder / "stack.yaml"
    path.write_text(
        "version: 1\nname: stack\n"
        f"sources: {{m: {{onnx: {location}{more}}}}}\n"
        "inputs: {x: {type: float32, shape: [n, 2]}}\n"
        "graph: {m: {kind: onnx, weights: m, inputs: {x: x}}}\n"
        "outputs: {y: m.y}\n",
        encoding="utf-8",
    )
    return path


def adding(where: str, location: str = "w.bin", dims: tuple[int, ...] = (2,), **more: str) -> onnx.ModelProto:
    """Return a model that adds weights from another file, named somewhere in it."""
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=dims, data_location=TensorProto.EXTERNAL)
    for key, value in {"location": location, **more}.items():
        tensor.external_data.add(key=key, value=value)
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 2])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 2])
    add = helper.make_node("Add", ["x", "w"], ["y"])
    constant = helper.make_node("Constant", [], ["w"], value=tensor)
    opsets = [helper.make_opsetid("", 17)]
    if where == "initializer":
        graph = helper.make_graph([add], "g", [x], [y], [tensor])
    elif where == "attribute":
        graph = helper.make_graph([constant, add], "g", [x], [y])
    elif where == "branch":
        out = helper.make_tensor_value_info("z", TensorProto.FLOAT, [2])
        inner = helper.make_graph([constant, helper.make_node("Identity", ["w"], ["z"])], "inner", [], [out])
        flag = helper.make_tensor("flag", TensorProto.BOOL, [], [True])
        nodes = [
            helper.make_node("If", ["flag"], ["b"], then_branch=inner, else_branch=inner),
            helper.make_node("Add", ["x", "b"], ["y"]),
        ]
        graph = helper.make_graph(nodes, "g", [x], [y], [flag])
    else:
        opsets.append(helper.make_opsetid("own", 1))
        function = helper.make_function("own", "F", ["x"], ["y"], [constant, add], opsets[:1])
        graph = helper.make_graph([helper.make_node("F", ["x"], ["y"], domain="own")], "g", [x], [y])
        return helper.make_model(graph, functions=[function], opset_imports=opsets, ir_version=8)
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def weights(*values: float) -> bytes:
    return np.array(values, dtype="<f4").tobytes()


def computed(path: Path) -> list[list[float]]:
    import onnxruntime as ort

    return ort.InferenceSession(str(path)).run(None, {"x": np.zeros((1, 2), np.float32)})[0].tolist()


WHERE = ["initializer", "attribute", "branch", "function"]


@pytest.mark.parametrize("where", WHERE)
def test_external_data_belongs_to_the_digest_wherever_it_is_named(tmp_path: Path, where: str) -> None:
    (tmp_path / "m.onnx").write_bytes(adding(where).SerializeToString())
    digests = set()
    for values in ((1, 2), (3, 4)):
        (tmp_path / "w.bin").write_bytes(weights(*values))
        built = assemble(spec_of(tmp_path, "m.onnx"), tmp_path / "out.onnx")
        assert computed(built.path) == [list(values)]
        digests.add(built.sources["m"])
    assert len(digests) == 2
    spec = spec_of(tmp_path, "m.onnx", f", sha256: {built.sources['m']}")
    assemble(spec, tmp_path / "out.onnx")
    (tmp_path / "w.bin").write_bytes(weights(5, 6))
    with pytest.raises(SourceError, match="R002 source 'm': the file has the digest"):
        assemble(spec, tmp_path / "out.onnx")


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("where", WHERE)
def test_files_that_change_after_the_digest_was_compared_are_neither_built_nor_run(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    where: str,
    change: Callable[[Path, bytes], None],
) -> None:
    """The proof runs the source too: it would find the change to be a difference of the model."""
    (tmp_path / "m.onnx").write_bytes(adding(where).SerializeToString())
    (tmp_path / "w.bin").write_bytes(weights(1, 2))
    (tmp_path / "out").mkdir()
    stranger = adding("initializer", "x.bin")
    (tmp_path / "x.bin").write_bytes(weights(7, 8))

    def both() -> None:
        change(tmp_path / "m.onnx", stranger.SerializeToString())
        change(tmp_path / "w.bin", weights(9, 9))

    behind_the_copy(monkeypatch, both)
    built = assemble(spec_of(tmp_path, "m.onnx"), tmp_path / "out" / "out.onnx")
    assert built.proven is not None
    assert computed(built.path) == [[1, 2]]


def test_data_in_a_folder_below_and_under_two_names_is_found(tmp_path: Path) -> None:
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "deep" / "er" / "w.bin").write_bytes(b"\0" * 8 + weights(1, 2))
    model = adding("attribute", "./deep//er/w.bin", offset="8", length="8")
    other = adding("initializer", "deep/er/w.bin", offset="8")
    model.graph.initializer.extend([*other.graph.initializer])
    model.graph.initializer[0].name = "twin"
    model.graph.node[1].input[1] = "twin"
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    assert computed(assemble(spec_of(tmp_path, "m.onnx"), tmp_path / "out.onnx").path) == [[1, 2]]


@pytest.mark.parametrize("where", ["initializer", "function"])
@pytest.mark.parametrize(
    ("size", "more", "words"),
    [
        (7, {}, "R006 .*has 7 bytes, but its dims need 8"),
        (9, {}, "R006 .*has 9 bytes, but its dims need 8"),
        (0, {}, "R006"),
        (8, {"length": "5"}, "R006 .*has 5 bytes, but its dims need 8"),
        (8, {"offset": "3"}, "R006 .*has 5 bytes, but its dims need 8"),
        (8, {"offset": "9"}, "R005 .*has 8 bytes, but a tensor needs those from 9 to 9"),
        (8, {"length": "9"}, "R005 .*has 8 bytes, but a tensor needs those from 0 to 9"),
        (8, {"offset": "x"}, "R006 .*is not a number"),
        (8, {"length": "-8"}, "R006 .*is not a number"),
    ],
)
def test_external_data_of_odd_size_is_a_problem(
    tmp_path: Path, where: str, size: int, more: dict[str, str], words: str
) -> None:
    (tmp_path / "m.onnx").write_bytes(adding(where, **more).SerializeToString())
    (tmp_path / "w.bin").write_bytes(b"\0" * size)
    with pytest.raises(SourceError, match=words):
        assemble(spec_of(tmp_path, "m.onnx"), tmp_path / "out.onnx")


@pytest.mark.parametrize("where", WHERE)
def test_data_that_is_not_there_or_reached_by_a_link_is_refused(tmp_path: Path, where: str) -> None:
    (tmp_path / "m.onnx").write_bytes(adding(where).SerializeToString())
    with pytest.raises(SourceError, match=r"R005 source 'm': the external data 'w\.bin' of m\.onnx is missing"):
        assemble(spec_of(tmp_path, "m.onnx"), tmp_path / "out.onnx")
    (tmp_path / "real.bin").write_bytes(weights(1, 2))
    (tmp_path / "w.bin").symlink_to("real.bin")
    with pytest.raises(SourceError, match=r"R005 source 'm': the external data 'w\.bin' of m\.onnx cannot be used"):
        assemble(spec_of(tmp_path, "m.onnx"), tmp_path / "out.onnx")


def test_tensors_that_want_the_same_bytes_a_hundred_times_are_refused(tmp_path: Path) -> None:
    model = adding("initializer")
    (tmp_path / "w.bin").write_bytes(weights(1, 2))
    for number in range(100):
        model.graph.initializer.append(model.graph.initializer[0])
        model.graph.initializer[-1].name = f"w{number}"
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(SourceError, match=r"R005 .* want 808 bytes of external data, which has 8"):
        assemble(spec_of(tmp_path, "m.onnx"), tmp_path / "out.onnx")


def test_copies_are_gone_after_a_build_and_after_one_that_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    (tmp_path / "m.onnx").write_bytes(adding("function").SerializeToString())
    (tmp_path / "w.bin").write_bytes(weights(1, 2))
    assemble(spec_of(tmp_path, "m.onnx"), tmp_path / "out.onnx")
    assert list(temporary.iterdir()) == []
    (tmp_path / "w.bin").write_bytes(b"")
    with pytest.raises(SourceError):
        assemble(spec_of(tmp_path, "m.onnx"), tmp_path / "out.onnx")
    assert list(temporary.iterdir()) == []


def test_a_target_that_a_function_of_a_source_names_is_refused(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(adding("function").SerializeToString())
    (tmp_path / "w.bin").write_bytes(weights(1, 2))
    with pytest.raises(ModelError, match="M009 holds the weights of the source 'm'"):
        assemble(spec_of(tmp_path, "m.onnx"), tmp_path / "w.bin")
    assert (tmp_path / "w.bin").read_bytes() == weights(1, 2)


def test_the_bytes_of_a_built_model_do_not_depend_on_where_its_weights_lay(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(adding("initializer").SerializeToString())
    (tmp_path / "w.bin").write_bytes(weights(1, 2))
    outside = assemble(spec_of(tmp_path, "m.onnx"), tmp_path / "a.onnx")
    model = adding("initializer")
    model.graph.initializer[0].CopyFrom(numpy_helper.from_array(np.array([1, 2], np.float32), "w"))
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    inside = assemble(spec_of(tmp_path, "m.onnx"), tmp_path / "b.onnx")
    graphs = [onnx.load(built.path).graph for built in (outside, inside)]
    assert graphs[0] == graphs[1]
    assert json.dumps(dict(outside.sources)) != json.dumps(dict(inside.sources))
