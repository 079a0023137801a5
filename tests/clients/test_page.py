"""The page tags in a real browser, on a desktop and on a phone, by mouse and keyboard, in light and dark."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.request import urlopen

import onnx
import pytest
from click.testing import CliRunner

from assembler import assemble
from assembler.cli.main import cli
from assembler.core.errors import ModelError
from assembler.onnx_model.digests import with_digests
from assembler.onnx_model.model import Model
from assembler.page import deadlines
from assembler.page import serving as serving_module
from assembler.page.serving import server
from assembler.page.writing import RUNTIME_FILES, find_runtime, write_page
from assembler.runtime import Tagger

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "demo-text.onnx"
    return assemble(ROOT / "specs" / "demo-text.yaml", path).path


@pytest.fixture
def stand_in(tmp_path: Path) -> Path:
    """Return a folder with files that are named like those of onnxruntime-web."""
    folder = tmp_path / "node_modules" / "onnxruntime-web" / "dist"
    folder.mkdir(parents=True)
    for name in RUNTIME_FILES:
        (folder / name).write_text(name, encoding="utf-8")
    return folder


def test_the_page_works_in_a_browser(model: Path, tmp_path: Path) -> None:
    runtime = find_runtime(ROOT / "examples")
    browser, node = shutil.which("chromium"), shutil.which("node")
    if runtime is None or browser is None or node is None:
        pytest.skip("node, chromium or the npm packages of examples/ are not here: `make clients` installs them")
    folder = write_page(model, tmp_path / "page", runtime).folder
    with subprocess.Popen(
        [sys.executable, "-m", "assembler", "serve", str(folder), "--port", "0"], stdout=subprocess.PIPE, text=True
    ) as serving:
        try:
            address = serving.stdout.readline().strip()
            command = [node, str(ROOT / "tests" / "clients" / "page.mjs"), address, browser, str(tmp_path)]
            done = subprocess.run(command, cwd=ROOT, capture_output=True, check=False, timeout=120)
        finally:
            serving.terminate()
    assert done.returncode == 0, done.stderr.decode()
    seen = json.loads(done.stdout)
    assert (seen["errors"], seen["elsewhere"]) == ([], [])
    assert seen["title"] == "demo-text"
    typed = [["Wir", "sehen", "uns", "am", "😀", "Bahnhof", "."], ["Die", "Katze", "(", "👩‍👩‍👧", ")", "schläft", "!"]]
    expected = [pair for each in Tagger(model).tag(typed) for pair in zip(each.tokens, each.labels, strict=True)]
    assert [tuple(pair) for pair in seen["typed"]] == expected
    assert seen["unsplit"][5:] == ["Bahnhof.", "Die", "Katze", "(👩‍👩‍👧)", "schläft!"]
    assert seen["hover"][0].startswith("VERB 0.")
    assert seen["hover"][1] == "1"
    assert seen["focused"].startswith("uns: PRON, score 0.")
    assert seen["failed"] == ["It did not work: no room", "yes"]
    assert seen["recovered"] == ["3 tokens in", False]
    assert "2 sentences, 10 tokens" in seen["figures"]
    assert "onnxruntime-web" in seen["figures"]
    assert "equal to tagger" in seen["about"]
    assert seen["graph"] > 300
    assert seen["light"] != seen["dark"]
    assert seen["overflow"] == 0
    assert all((tmp_path / name).stat().st_size > 10_000 for name in ("light.png", "dark.png"))


def test_a_page_is_a_folder_of_its_own(model: Path, stand_in: Path, tmp_path: Path) -> None:
    page = write_page(model, tmp_path / "page", stand_in)
    files = {str(path.relative_to(page.folder)) for path in page.folder.rglob("*") if path.is_file()}
    own = {"index.html", "page.css", "page.js", "model.json", "model.onnx", "graph.svg"}
    assert files == own | {f"ort/{name}" for name in RUNTIME_FILES}
    assert (page.folder / "model.onnx").read_bytes() == model.read_bytes()
    assert page.size == sum(path.stat().st_size for path in page.folder.rglob("*") if path.is_file())
    described = json.loads((page.folder / "model.json").read_text(encoding="utf-8"))
    assert described["outputs"] == {"labels": "labels", "scores": "scores", "lengths": "lengths"}
    assert described["examples"][0].startswith("Im Frühling")
    assert not list(tmp_path.glob("*.partial"))


def test_a_page_is_served_to_this_machine_with_the_types_that_browsers_want(
    model: Path, stand_in: Path, tmp_path: Path
) -> None:
    folder = write_page(model, tmp_path / "page", stand_in).folder
    command = [sys.executable, "-m", "assembler", "serve", str(folder), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as serving:
        try:
            address = serving.stdout.readline().strip()
            assert address.startswith("http://127.0.0.1:")
            types = {}
            for name in ("index.html", "page.js", f"ort/{RUNTIME_FILES[0]}", f"ort/{RUNTIME_FILES[2]}", "graph.svg"):
                with urlopen(address + name) as answer:  # noqa: S310 - our own server on loopback
                    types[name] = answer.headers["content-type"]
                    assert answer.headers["cross-origin-embedder-policy"] == "require-corp"
        finally:
            serving.terminate()
    assert [kind.partition(";")[0] for kind in types.values()] == [
        "text/html", "text/javascript", "text/javascript", "application/wasm", "image/svg+xml"
    ]  # fmt: skip


def test_a_model_that_takes_indices_has_no_page(stand_in: Path, tmp_path: Path) -> None:
    path = assemble(ROOT / "specs" / "demo-pos.yaml", tmp_path / "demo-pos.onnx", proof=False).path
    with pytest.raises(ModelError, match=r"M014 a page needs a model that takes text.*\n.*--interface text"):
        write_page(path, tmp_path / "page", stand_in)
    assert not (tmp_path / "page").exists()


def test_a_model_without_a_page_is_refused_before_the_runtime_is_missed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = assemble(ROOT / "specs" / "demo-pos.yaml", tmp_path / "demo-pos.onnx", proof=False).path
    monkeypatch.chdir(tmp_path)
    run = CliRunner().invoke(cli, ["page", str(path), "-o", "page"])
    assert isinstance(run.exception, ModelError)
    assert "M014 a page needs a model that takes text and gives labels, scores and lengths" in str(run.exception)


def test_a_model_with_weights_beside_it_has_no_page(stand_in: Path, tmp_path: Path) -> None:
    path = assemble(ROOT / "specs" / "demo-text.yaml", tmp_path / "m.onnx", proof=False, external_above=0).path
    with pytest.raises(ModelError, match="M014 its weights are in a file beside it"):
        write_page(path, tmp_path / "page", stand_in)


def test_the_command_refuses_what_it_cannot_write(
    model: Path, stand_in: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run = CliRunner().invoke
    written = run(cli, ["page", str(model), "-o", "page"])
    assert (written.exit_code, written.output) == (0, f"page: {written.output.split(': ')[1]}")
    again = run(cli, ["page", str(model), "-o", "page"])
    assert again.exit_code == 2
    assert "'page' is there already; --force replaces a page" in again.output
    assert run(cli, ["page", str(model), "-o", "page", "--force"]).exit_code == 0
    (tmp_path / "own").mkdir()
    assert run(cli, ["page", str(model), "-o", "own", "--force"]).exit_code == 2
    (stand_in / RUNTIME_FILES[1]).unlink()
    missing = run(cli, ["page", str(model), "-o", "other"])
    assert "onnxruntime-web is not here: npm install --ignore-scripts onnxruntime-web" in missing.output
    named = run(cli, ["page", str(model), "-o", "other", "--runtime", str(stand_in)])
    assert f"has no {RUNTIME_FILES[1]}" in named.output
    assert not (tmp_path / "other").exists()


def test_a_page_in_a_folder_that_is_not_there_is_a_problem(model: Path, stand_in: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="M009 cannot be written: No such file"):
        write_page(model, tmp_path / "no" / "page", stand_in)


@pytest.mark.parametrize("name", ["notes.txt", "ort/notes.txt", "photos"])
def test_a_folder_with_anything_else_in_it_is_not_replaced(
    model: Path, stand_in: Path, tmp_path: Path, name: str
) -> None:
    folder = write_page(model, tmp_path / "page", stand_in).folder
    if name == "photos":
        (folder / name).mkdir()
    else:
        (folder / name).write_text("mine", encoding="utf-8")
    with pytest.raises(ModelError, match=f"M009 is not replaced: it holds '{name}', which is no part of a page"):
        write_page(model, folder, stand_in, replace=True)
    assert (folder / name).exists()


def test_a_model_json_of_somebody_else_makes_no_page(
    model: Path, stand_in: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "model.json").write_text("{}", encoding="utf-8")
    run = CliRunner().invoke(cli, ["page", str(model), "-o", "own", "--force", "--runtime", str(stand_in)])
    assert run.exit_code == 2
    assert "its model.json does not say that `assemble page` wrote it" in " ".join(run.output.split())
    assert [path.name for path in (tmp_path / "own").iterdir()] == ["model.json"]


def test_the_old_page_is_there_until_the_new_one_is(
    model: Path, stand_in: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_page(model, tmp_path / "page", stand_in).folder
    rename = Path.rename

    def interrupted(path: Path, target: Path) -> Path:
        if path.suffix == ".partial":
            raise KeyboardInterrupt
        return rename(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", interrupted)
        with pytest.raises(KeyboardInterrupt):
            write_page(model, folder, stand_in, replace=True)
    assert (folder / "model.onnx").read_bytes() == model.read_bytes()
    assert {path.name for path in tmp_path.iterdir()} == {"page", "node_modules"}
    write_page(model, folder, stand_in, replace=True)
    assert {path.name for path in tmp_path.iterdir()} == {"page", "node_modules"}


def changed(model: Path, path: Path, **entries: dict[str, object]) -> Path:
    """Write a copy of a model with other metadata."""
    proto = onnx.load(model)
    for entry in proto.metadata_props:
        key = entry.key.removeprefix("assembler.")
        if key in entries:
            entry.value = json.dumps(json.loads(entry.value) | entries[key])
    values = with_digests(Model(proto, {}), {entry.key: entry.value for entry in proto.metadata_props})
    onnx.helper.set_model_props(proto, values)
    path.write_bytes(proto.SerializeToString())
    return path


@pytest.mark.parametrize(
    ("golden", "message"),
    [
        (5, r"M013 proof\.golden: expected a list, got 5"),
        ([{}], r"M013 proof\.golden\[0\]\.tokens: the field is missing"),
        ([7], r"M013 proof\.golden\[0\]: expected an object, got 7"),
        ([{"tokens": [1]}], r"M013 proof\.golden\[0\]\.tokens: expected a list of strings"),
    ],
)
def test_a_damaged_proof_is_a_problem(
    model: Path, stand_in: Path, tmp_path: Path, golden: object, message: str
) -> None:
    path = changed(model, tmp_path / "damaged.onnx", proof={"golden": golden})
    with pytest.raises(ModelError, match=message):
        write_page(path, tmp_path / "page", stand_in)


def test_half_a_pair_has_a_page(model: Path, stand_in: Path, tmp_path: Path) -> None:
    half = {"golden": [{"tokens": ["x\ud83d", "y"]}]}
    path = changed(model, tmp_path / "half.onnx", proof=half, spec={"description": "half \ud83d", "text": "x: \ud83d"})
    folder = write_page(path, tmp_path / "page", stand_in).folder
    described = json.loads((folder / "model.json").read_text(encoding="ascii"))
    assert described["examples"] == ["x\ud83d y"]


@pytest.mark.parametrize("sizes", [(1, 128), (0, 128), (1, 0)])
def test_a_text_model_of_one_shape_has_no_page(
    model: Path, stand_in: Path, tmp_path: Path, sizes: tuple[int, int]
) -> None:
    proto = onnx.load(model)
    for dim, size in zip(proto.graph.input[0].type.tensor_type.shape.dim, sizes, strict=True):
        if size:
            dim.dim_value = size
    path = tmp_path / "fixed.onnx"
    path.write_bytes(proto.SerializeToString())
    with pytest.raises(ModelError, match=r"M014 its text input has a fixed shape.*\n.*\[sentences, characters\]"):
        write_page(path, tmp_path / "page", stand_in)


@contextmanager
def served(folder: Path) -> Iterator[int]:
    """Serve a folder, and give the port."""
    with server(folder) as serving:
        thread = threading.Thread(target=serving.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield serving.server_address[1]
        finally:
            serving.shutdown()
            thread.join()


def status(port: int, path: str, host: str | None = None) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", path, headers={"Host": host or f"127.0.0.1:{port}"})
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status


def test_links_out_of_the_folder_are_not_followed(tmp_path: Path) -> None:
    folder = tmp_path / "page"
    for name in ("inner", "outer"):
        (folder / name).mkdir(parents=True)
    (tmp_path / "secret.txt").write_text("secret", encoding="utf-8")
    (folder / "own.txt").write_text("own", encoding="utf-8")
    (folder / "own-link").symlink_to(folder / "own.txt")
    (folder / "link").symlink_to(tmp_path / "secret.txt")
    (folder / "up").symlink_to(tmp_path)
    (folder / "outer" / "index.html").symlink_to(tmp_path / "secret.txt")
    with served(folder) as port:
        assert {status(port, name) for name in ("/own.txt", "/own-link", "/inner/")} == {200}
        assert {status(port, name) for name in ("/link", "/up/", "/up/secret.txt", "/outer/")} == {404}


def test_only_this_machines_own_names_are_answered(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a", encoding="utf-8")
    with served(tmp_path) as port:
        own = [f"{name}:{port}" for name in ("localhost", "127.0.0.1", "[::1]", "LocalHost")]
        others = ["evil.example", f"evil.example:{port}", "localhost", f"localhost:{port + 1}", f"x.localhost:{port}"]
        assert {status(port, "/a.txt", name) for name in own} == {200}
        assert {status(port, "/a.txt", name) for name in others} == {421}


def test_a_client_that_goes_away_is_not_reported(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "big.bin").write_bytes(bytes(30_000_000))
    with served(tmp_path) as port:
        with socket.create_connection(("127.0.0.1", port)) as leaving:
            leaving.sendall(f"GET /big.bin HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
            assert leaving.recv(100)
        assert status(port, "/big.bin") == 200
    assert capfd.readouterr().err == ""


def test_odd_paths_and_pipes_are_plainly_not_found(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "page"
    (folder / "empty").mkdir(parents=True)
    (folder / "index.html").write_text("page")
    os.mkfifo(folder / "pipe")
    (tmp_path / "secret").write_text("secret")
    with served(folder) as port:
        odd = ("/%00", "/pipe", "/..%2fsecret", "/%2e%2e/secret", "/../secret", "/a%00b", "/" + "x" * 5000)
        assert [status(port, path) for path in odd] == [404] * len(odd)
        assert status(port, "/index.html") == 200
    assert capfd.readouterr() == ("", "")


def test_the_page_may_load_nothing_of_anybody_else(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("page")
    with served(tmp_path) as port, urlopen(f"http://127.0.0.1:{port}/") as answer:
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'self' 'wasm-unsafe-eval'")
    assert "unsafe-inline" not in policy


def test_connections_are_bounded_and_those_that_say_nothing_are_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "index.html").write_text("page")
    monkeypatch.setattr(serving_module._Handler, "timeout", 2)
    with served(tmp_path) as port:
        silent = [socket.create_connection(("127.0.0.1", port)) for _ in range(serving_module._MOST_CONNECTIONS)]
        for each in silent:
            each.sendall(b"GET / HTTP/1.1\r\n")
        with socket.create_connection(("127.0.0.1", port)) as late:
            late.settimeout(60)
            assert late.recv(1) == b""
        for each in silent:
            each.settimeout(60)
            assert each.recv(1) == b""
            each.close()
        assert status(port, "/index.html") == 200


@pytest.mark.parametrize("first", [b"", b"GET / HTTP/1.1\r\nX: "])
def test_a_request_that_trickles_in_is_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: bytes) -> None:
    (tmp_path / "index.html").write_text("page")
    monkeypatch.setattr(serving_module._Handler, "timeout", 1)
    with served(tmp_path) as port:
        slow = [socket.create_connection(("127.0.0.1", port)) for _ in range(serving_module._MOST_CONNECTIONS)]
        for each in slow:
            each.sendall(first)
            each.settimeout(0.1)
        assert [_is_closed_while_it_trickles(each) for each in slow] == [True] * len(slow)
        assert status(port, "/index.html") == 200


def _is_closed_while_it_trickles(connection: socket.socket) -> bool:
    """Return whether the server ends a connection that says a byte every tenth of a second."""
    with connection:
        for _ in range(200):
            try:
                connection.sendall(b"x")
                return connection.recv(1) == b""
            except TimeoutError:
                continue
            except ConnectionError:
                return True
    return False


def test_an_answer_that_is_not_taken_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "big.bin").write_bytes(bytes(30_000_000))
    (tmp_path / "index.html").write_text("page")
    monkeypatch.setattr(serving_module._Handler, "timeout", 1)
    monkeypatch.setattr(deadlines, "_SLOWEST", 1e9)
    monkeypatch.setattr(serving_module, "_MOST_CONNECTIONS", 2)
    with served(tmp_path) as port:
        slow = [socket.create_connection(("127.0.0.1", port)) for _ in range(2)]
        for each in slow:
            each.sendall(f"GET /big.bin HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
        taken = [_taken_slowly(each) for each in slow]
        assert max(taken) < 30_000_000
        assert status(port, "/index.html") == 200


def _taken_slowly(connection: socket.socket) -> int:
    """Return the bytes that are given to a client that takes some every tenth of a second, until the server ends it."""
    taken = 0
    with connection:
        connection.settimeout(60)
        while data := _received(connection):
            taken += len(data)
            time.sleep(0.1)
    return taken


def _received(connection: socket.socket) -> bytes:
    try:
        return connection.recv(65536)
    except ConnectionError:
        return b""
