"""Hosts without our package give the tags that our run time gives, from the same text model.

Each runs where its tools are: `make clients` installs what it can. Texts hold characters beyond the BMP, for which
UTF-16 hosts go wrong first.
"""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from assembler import assemble
from assembler.cli.tag import read_lines
from assembler.initialisation import write_spec
from assembler.runtime import Tagger
from assembler.runtime.vocabulary import Vocabulary

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
MOST_LINES = 60
TEXT = """\
Wir sehen uns am 😀 Bahnhof .

  Die   Katze 👩‍👩‍👧 schläft
\U0001d510orgen
Eine Zeile\u2028mit \u2028 und\u0085 .
Zeilen von Windows .\r
\r
Das 🏳️‍🌈 Fest in Zu\u0308rich begann 2024 , Привет 你好 !
"""
#: What a text area cannot hold: a line break that ends no line, a long line, and a last line without an end.
ODD = "ein\rWort .\r\r\n" + "ja " * 22_000 + "\n\x0bnein\x0c\x1c\nEnde .\r"


#: Words that a table has as they are, in lower case, with other digits, or not at all.
WORDS = """\
DIE Katze schläft in İSTANBUL , am 31.12.1999 , und \u0661\u0662 .
\u1f48\u0394\u03a5\u03a3\u03a3\u0395\u038e\u03a3 \u0391\u03a3 STRAẞE 😀 \u200bdie unbekannt
"""
TABLE = (
    "die", "katze", "i\u0307stanbul", "##.##.####", "00", "\u1f40\u03b4\u03c5\u03c3\u03c3\u03b5\u03cd\u03c2",
    "\u03b1\u03c2", "straße", "😀", "\u200bdie",
)  # fmt: skip


@pytest.fixture(scope="session")
def words(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a model that takes text and finds spans, by a table of words beside the demo's language models."""
    import torch
    from flair.data import Dictionary
    from flair.embeddings import StackedEmbeddings, WordEmbeddings
    from flair.models import SequenceTagger

    torch.manual_seed(20211)
    folder = tmp_path_factory.mktemp("words")
    demo = SequenceTagger.load(ROOT / "specs" / "weights" / "demo-pos.pt")
    table = WordEmbeddings(None, vocab={word: row for row, word in enumerate(TABLE)}, embedding_length=64, name="words")
    table.embedding.weight.data.normal_(0, 2)
    names = Dictionary(add_unk=False)
    for name in ("PER", "LOC", "ORG"):
        names.add_item(name)
    names.span_labels = True
    stack = StackedEmbeddings([table, *demo.embeddings.embeddings])
    SequenceTagger(stack, names, "ner", hidden_size=16).save(folder / "ner.pt")
    spec = folder / "ner.yaml"
    spec.write_text(write_spec(str(folder / "ner.pt"), folder, text=True), encoding="utf-8")
    return assemble(spec, folder / "ner.onnx", proof=False).path


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clients") / "demo-text.onnx"
    return assemble(ROOT / "specs" / "demo-text.yaml", path, proof=False).path


@pytest.fixture(scope="session")
def expected(model: Path) -> str:
    """Return what each client is to print for the text."""
    return printed(model, TEXT)


@pytest.fixture(scope="session")
def odd(model: Path) -> str:
    """Return what each client is to print for the odd text."""
    return printed(model, ODD)


def printed(model: Path, text: str) -> str:
    """Return tokens and labels, an empty line after each sentence. Lines are those of `assemble tag`."""
    lines = read_lines(io.BytesIO(text.encode()), "text")
    sentences = [[token for token in line.split(" ") if token] for line in lines]
    return "".join(
        "".join(f"{token}\t{label}\n" for token, label in zip(tagged.tokens, tagged.labels, strict=True)) + "\n"
        for tagged in Tagger(model).tag(sentences)
    )


def tool(*names: str) -> str:
    """Return the first of some programs that is here."""
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        pytest.skip(f"{' or '.join(names)} is not here: `make clients` installs it where it can")
    return found


def package(name: str) -> None:
    if not (EXAMPLES / "node_modules" / name).is_dir():
        pytest.skip(f"the npm package {name} is not here: `make clients` installs it")


def runtime_library(folder: Path) -> Path:
    """Return a folder in which the C library of the installed wheel has the names that compilers and loaders want."""
    import onnxruntime

    found = sorted(Path(onnxruntime.__file__).parent.glob("capi/libonnxruntime.so.*"))
    if not found:
        pytest.skip("this wheel of onnxruntime carries no libonnxruntime.so")
    for name in ("libonnxruntime.so", "libonnxruntime.so.1"):
        (folder / name).symlink_to(found[0])
    return folder


def output(*command: str | Path, library: Path | None = None, text: str = TEXT) -> str:
    """Return what a client prints for a text, which goes to its standard input. ONNX Runtime leaves it no device id."""
    with tempfile.TemporaryDirectory() as home:
        environment = {"PATH": "/usr/bin:/bin", "HOME": home} | ({"LD_LIBRARY_PATH": str(library)} if library else {})
        done = subprocess.run(
            list(map(str, command)), input=text.encode(), capture_output=True, check=False, env=environment, timeout=120
        )
        assert done.returncode == 0, done.stderr.decode()
        assert not list(Path(home).rglob("deviceid*"))
    return done.stdout.decode()


@pytest.fixture(scope="session")
def of_words(words: Path) -> str:
    """Return what each client is to print of the model with a table of words."""
    return printed(words, WORDS)


def check(command: tuple[str | Path, ...], expected: str, odd: str, library: Path | None = None) -> None:
    """Compare what a client prints for the text, for the odd one, for none, and for an empty line."""
    assert output(*command, library=library) == expected
    assert output(*command, library=library, text=ODD) == odd
    assert output(*command, library=library, text="") == ""
    assert output(*command, library=library, text="\n") == "\n"


def test_the_text_shows_what_a_client_could_get_wrong(expected: str) -> None:
    assert expected.split("\n").count("") == 8 + 1
    assert len({line.split("\t")[1] for line in expected.split("\n") if line}) > 5
    assert "Zeile\u2028mit\t" in expected


def test_the_odd_text_has_four_sentences(odd: str) -> None:
    assert odd.split("\n").count("") == 4 + 1
    assert odd.startswith("ein\rWort\t")
    assert len(odd) > 1 << 16


def test_each_way_to_find_a_word_is_in_the_text_of_words(words: Path, of_words: str) -> None:
    [vocabulary] = (Tagger(words).metadata["vocabularies"] or {}).values()  # type: ignore[attr-defined]
    assert vocabulary["words"] == [*TABLE]
    tokens = [line.split("\t")[0] for line in of_words.split("\n")]
    found = Vocabulary("table", "word", TABLE, len(TABLE), "", 0).rows_of(tokens)
    assert {*found} == {*range(len(TABLE) + 1)}


def test_python_without_our_package(model: Path, expected: str, odd: str, words: Path, of_words: str) -> None:
    client = (sys.executable, "-I", EXAMPLES / "python" / "tag.py")
    check((*client, model), expected, odd)
    assert output(*client, words, text=WORDS) == of_words


def test_node(model: Path, expected: str, odd: str, words: Path, of_words: str) -> None:
    package("onnxruntime-node")
    client = (tool("node"), EXAMPLES / "node" / "tag.mjs")
    check((*client, model), expected, odd)
    assert output(*client, words, text=WORDS) == of_words


def test_a_browser(model: Path, expected: str, words: Path, of_words: str) -> None:
    package("onnxruntime-web")
    package("playwright-core")
    browser = tool("chromium", "chromium-browser", "google-chrome")
    client = (tool("node"), EXAMPLES / "browser" / "drive.mjs")
    assert output(*client, model, browser) == expected
    assert output(*client, words, browser, text=WORDS) == of_words


def test_c(model: Path, expected: str, odd: str, words: Path, of_words: str, tmp_path: Path) -> None:
    compiler, library = tool("cc", "gcc", "clang"), runtime_library(tmp_path)
    flags = ("-std=c99", "-Wall", "-Wextra", "-Werror")
    subprocess.run(
        [compiler, *flags, EXAMPLES / "c" / "tag.c", "-o", tmp_path / "tag", f"-L{library}", "-lonnxruntime"],
        check=True,
    )
    check((tmp_path / "tag", model), expected, odd, library)
    assert output(tmp_path / "tag", words, library=library, text=WORDS) == of_words


def test_csharp(model: Path, expected: str, odd: str, words: Path, of_words: str, tmp_path: Path) -> None:
    compiler, mono, library = tool("mcs"), tool("mono"), runtime_library(tmp_path)
    program = tmp_path / "Tag.exe"
    subprocess.run([compiler, "-warnaserror", f"-out:{program}", EXAMPLES / "csharp" / "Tag.cs"], check=True)
    check((mono, program, model), expected, odd, library)
    assert output(mono, program, words, library=library, text=WORDS) == of_words


@pytest.mark.parametrize(
    "name", ["python/tag.py", "node/tag.mjs", "browser/index.html", "browser/drive.mjs", "c/tag.c", "csharp/Tag.cs"]
)
def test_a_client_is_short(name: str) -> None:
    lines = (EXAMPLES / name).read_text(encoding="utf-8").splitlines()
    assert len(lines) < MOST_LINES
