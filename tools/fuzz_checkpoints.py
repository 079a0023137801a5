"""Feeds the reader of checkpoints with damaged and hostile files, and says what came of them.

    python tools/fuzz_checkpoints.py --inputs 1000000

Each input is one of the seeds, changed: small checkpoints in torch's two forms and two protocols, and the archive of a
tokeniser. Half of the changes know the form: operations of a pickle are left out, doubled, moved, or put in from a list of
hostile ones, and the archive around them is whole; numbers of its directory are replaced. The others change bytes.

The reader may read an input or refuse it. Another exception, or an input that takes longer than `--seconds`, ends the run
with exit code 1 and is left in a file. The process may ask for no more than `--megabytes` beyond what it has when it begins.
"""

from __future__ import annotations

import argparse
import io
import pickletools
import random
import resource
import signal
import struct
import subprocess
import sys
import tempfile
import time
import zipfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from assembler.flair_checkpoints.pickles import RefusalError, read_checkpoint
from assembler.flair_checkpoints.stored_tokenizer import TokenizerRefusedError, plain_tokenizer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import FrameType

#: Makes the seeds, in a process of its own: torch and flair have gigabytes of addresses, which would hide ours.
_SEEDS = """
import io, sys, torch, zipfile
from collections import OrderedDict
from pathlib import Path, PurePosixPath
from flair.data import Dictionary
folder = Path(sys.argv[1])
words = Dictionary()
for letter in "ab ":
    words.add_item(letter)
words.get_idx_for_items(["a"])
weights = OrderedDict(a=torch.zeros(2, 3), b=torch.ones(2, dtype=torch.bfloat16), c=torch.zeros(2, dtype=torch.bool))
weights["d"] = weights["a"].T
weights._metadata = OrderedDict({"": {"version": 1}})
state = {"state_dict": weights, "dictionary": words, "__cls__": "LanguageModel", "nlayers": 1, "dropout": 0.5, "nout": None,
         "path": PurePosixPath("/a/b"), "version": torch.__version__, "data": io.BytesIO(b"abc"), "size": torch.Size([2]),
         "parameter": torch.nn.Parameter(torch.zeros(1)), "items": [1, -1, 300, 70000, (1, 2), {"a", "b"}], "flags": (True, False)}
for protocol in (2, 4):
    for name, new in (("zip", True), ("old", False)):
        torch.save(state, folder / f"{name}{protocol}.pt", pickle_protocol=protocol, _use_new_zipfile_serialization=new)
with zipfile.ZipFile(folder / "tokenizer.zip", "w") as archive:
    archive.writestr("tokenizer_config.json", '{"tokenizer_class": "BertTokenizer", "unk_token": "[UNK]"}')
    archive.writestr("special_tokens_map.json", '{"unk_token": {"content": "[UNK]", "lstrip": false}}')
    archive.writestr("added_tokens.json", '{"x": 3}')
    archive.writestr("tokenizer.json", "{}")
"""
#: Operations that no checkpoint has, or has elsewhere.
_HOSTILE = (
    b"r\xff\xff\xff\x7f", b"j\xff\xff\xff\xff", b"\x94" * 20, b"h\x00", b"h\x01a", b"\x8b\xff\xff\xff\x7f",
    b"\x8d\xff\xff\xff\xff\xff\xff\xff\x7f", b"\x8e\xff\xff\xff\xff\xff\xff\xff\x7f", b"X\xff\xff\xff\x7f",
    b"B\xff\xff\xff\xff", b"\x95\xff\xff\xff\xff\xff\xff\xff\x7f", b"\x8a\xff", b"cos\nsystem\n", b"cbuiltins\neval\n",
    b"\x8c\x02os\x8c\x06system\x93", b"ctorch._utils\n_rebuild_tensor_v2\n", b"ccollections\nOrderedDict\n)R",
    b"cflair.data\nDictionary\n)\x81", b"}b", b"N}\x86b", b"(N}tb", b"0", b"1", b"2", b"(", b"Q", b"R", b"\x81", b"\x92",
    b"(" * 200, b"]" * 200, b"\x85" * 500, b"}" * 50 + b"Ns" * 50, b"\x82\x01", b"\x84\xff\xff\xff\xff", b"P1\n", b"i__main__\nX\n",
    b"K\x01K\x01s", b"]\x94h\x00a", b"}\x94\x8c\x01ah\x00s", b"\x97", b"\x98", b"\x96\xff\xff\xff\xff\xff\xff\xff\x7f", b".", b"N.",
)  # fmt: skip
_NUMBERS = (0, 1, 2, 0x7F, 0xFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 0x7FFFFFFFFFFFFFFF, 0xFFFFFFFFFFFFFFFF)


@dataclass(frozen=True, slots=True)
class Seed:
    """A file that is read, and where its pickle and the operations in it are.

    Attributes:
        name: What it is.
        data: The file.
        start: Where its pickle begins.
        cuts: Where its operations begin, from the beginning of the pickle; the last is its end.
        members: The names and contents of its archive.
        read: What reads it.
    """

    name: str
    data: bytes
    start: int
    cuts: tuple[int, ...]
    members: tuple[tuple[bytes, bytes], ...]
    read: Callable[[bytes], object]


def main() -> None:
    """Run the fuzzer."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--inputs", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=2.0, help="that one input may take")
    parser.add_argument("--megabytes", type=int, default=256, help="that the process may ask for")
    parser.add_argument("--keep", type=Path, default=Path("fuzz-failure.bin"), help="where an input that fails is left")
    given = parser.parse_args()
    seeds = _seeds()
    for seed in seeds:
        seed.read(seed.data)
    _bound_memory(given.megabytes)
    signal.signal(signal.SIGALRM, _too_slow)
    before, found, slowest = _memory(), Counter[str](), 0.0
    draw = random.Random(given.seed)  # noqa: S311 - no secrets
    begun = time.monotonic()
    for _ in range(given.inputs):
        seed = draw.choice(seeds)
        data = _changed(seed, draw)
        started = time.perf_counter()
        signal.setitimer(signal.ITIMER_REAL, given.seconds)
        try:
            found[_outcome(seed, data)] += 1
        except BaseException:
            given.keep.write_bytes(data)
            print(f"an input of {len(data)} bytes made of {seed.name} is left in {given.keep}", file=sys.stderr)
            raise
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
        slowest = max(slowest, time.perf_counter() - started)
    outcomes = ", ".join(f"{count} {what}" for what, count in sorted(found.items()))
    print(f"{given.inputs} inputs in {time.monotonic() - begun:.0f} s: {outcomes}; no other exception")
    print(f"slowest {slowest * 1000:.1f} ms, memory grew by {(_memory() - before) / 1024:.1f} MB")


def _seeds() -> list[Seed]:
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-W", "ignore", "-c", _SEEDS, folder], check=True)  # noqa: S603 - our own code
        files = {path.name: path.read_bytes() for path in sorted(Path(folder).iterdir())}
    return [_seed(name, data) for name, data in files.items()]


def _seed(name: str, data: bytes) -> Seed:
    if name == "tokenizer.zip":
        return Seed(name, data, 0, (), (), lambda changed: plain_tokenizer(io.BytesIO(changed)))
    stream = io.BytesIO(data)
    members: tuple[tuple[bytes, bytes], ...] = ()
    if name.startswith("zip"):
        with zipfile.ZipFile(stream) as archive:
            members = tuple((member.encode(), archive.read(member)) for member in archive.namelist())
        start = data.index(members[0][1])  # torch writes the pickle first
    else:
        for _ in range(3):  # a number, a version and the writer's machine come before
            list(pickletools.genops(stream))
        start = stream.tell()
    stream.seek(start)
    cuts = [place - start for _, _, place in pickletools.genops(stream) if place is not None]
    ends = (*cuts, stream.tell() - start)
    return Seed(name, data, start, ends, members, lambda changed: read_checkpoint(io.BytesIO(changed)))


def _changed(seed: Seed, draw: random.Random) -> bytes:
    if seed.cuts and draw.random() < 0.6:  # noqa: PLR2004 - more than half
        pickle = _changed_pickle(seed, draw)
        end = seed.start + seed.cuts[-1]
        if seed.name.startswith("zip"):
            return _around(seed.members, pickle)
        return seed.data[: seed.start] + pickle + seed.data[end:]
    return _changed_bytes(seed.data, draw)


def _changed_pickle(seed: Seed, draw: random.Random) -> bytes:
    whole = seed.data[seed.start : seed.start + seed.cuts[-1]]
    parts = [whole[a:b] for a, b in zip(seed.cuts, seed.cuts[1:], strict=False)]
    for _ in range(draw.choice((1, 1, 2, 4))):
        place = draw.randrange(1, len(parts))
        change = draw.randrange(6)
        if change == 0:
            del parts[place]
        elif change == 1:
            parts.insert(place, parts[draw.randrange(len(parts))])
        elif change == 2:  # noqa: PLR2004 - the third kind
            other = draw.randrange(1, len(parts))
            parts[place], parts[other] = parts[other], parts[place]
        elif change == 3:  # noqa: PLR2004 - the fourth kind
            parts[place] = _changed_bytes(parts[place], draw)
        elif change == 4 and len(parts[place]) > 1:  # noqa: PLR2004 - the fifth kind
            number = draw.choice(_NUMBERS).to_bytes(8, "little")[: len(parts[place]) - 1]
            parts[place] = parts[place][:1] + number + parts[place][1 + len(number) :]
        else:
            parts.insert(place, draw.choice(_HOSTILE))
        if len(parts) < 2:  # noqa: PLR2004 - nothing is left to change
            break
    return b"".join(parts)


def _around(members: Sequence[tuple[bytes, bytes]], pickle: bytes) -> bytes:
    """Return an archive of the members with another pickle in it, whole."""
    written, directory = bytearray(), bytearray()
    for name, data in members:
        content = pickle if name.endswith(b"data.pkl") else data
        size = len(content)
        directory += (
            struct.pack("<4s6H3L5H2L", b"PK\1\2", *(0,) * 7, size, size, len(name), *(0,) * 5, len(written)) + name
        )
        written += struct.pack("<4s5H3L2H", b"PK\3\4", *(0,) * 6, size, size, len(name), 0) + name + content
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, len(members), len(members), len(directory), len(written), 0)
    return bytes(written + directory + end)


def _changed_bytes(data: bytes, draw: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(draw.choice((1, 1, 2, 8))):
        if not changed:
            break
        # the directory of an archive is at its end, where changes tell more
        near = draw.random() < 0.5 and len(changed) > 600  # noqa: PLR2004 - see above
        place = len(changed) - 1 - draw.randrange(600) if near else draw.randrange(len(changed))
        change = draw.randrange(5)
        if change == 0:
            changed[place] ^= 1 << draw.randrange(8)
        elif change == 1:
            width = draw.choice((1, 2, 4, 8))
            changed[place : place + width] = (draw.choice(_NUMBERS) & ((1 << 8 * width) - 1)).to_bytes(width, "little")
        elif change == 2:  # noqa: PLR2004 - the third kind
            del changed[place : place + draw.choice((1, 2, 30, 400))]
        elif change == 3:  # noqa: PLR2004 - the fourth kind
            changed[place:place] = draw.choice(_HOSTILE)
        else:
            other = draw.randrange(len(changed))
            changed[place:place] = changed[other : other + draw.choice((1, 8, 46, 200))]
    return bytes(changed)


def _outcome(seed: Seed, data: bytes) -> str:
    try:
        seed.read(data)
    except TokenizerRefusedError:
        return "refused (tokeniser)"
    except RefusalError as err:
        return f"refused ({type(err).__name__.removesuffix('Error')})"
    return "read"


def _too_slow(_signal: int, _frame: FrameType | None) -> None:
    message = "an input takes too long"
    raise TimeoutError(message)


def _bound_memory(megabytes: int) -> None:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    most = pages * resource.getpagesize() + (megabytes << 20)
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def _memory() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    main()
