"""The reader of checkpoints makes plain values of plain files, and refuses all others before it spends anything."""

from __future__ import annotations

import io
import pickle
import struct
import subprocess
import sys
import warnings
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from assembler.flair_checkpoints.pickles import (
    DamagedError,
    NotPlainError,
    OtherFormError,
    StoredDictionary,
    StoredFile,
    Tensor,
    read_checkpoint,
)
from assembler.flair_checkpoints.pickles.checkpoints import refuse_tar

from .forms import (
    DICTIONARY,
    FLOATS,
    ORDERED,
    REBUILD,
    Raw,
    a_pickle,
    call,
    dictionary,
    old_form,
    storage,
    tensor,
    written,
    zip_form,
)

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[2]
DATA = struct.pack("<4f", 1, 2, 3, 4)
FORMS: dict[str, Callable[..., bytes]] = {"zip": zip_form, "old": old_form}


def read(data: bytes) -> object:
    return read_checkpoint(io.BytesIO(data))


def refusal(data: bytes) -> str:
    with pytest.raises(DamagedError) as caught:
        read(data)
    return str(caught.value)


def body(operations: bytes) -> bytes:
    return b"\x80\x02" + operations


# --- what is read


@pytest.mark.parametrize("form", FORMS)
def test_plain_values_are_of_pythons_own_types(form: str) -> None:
    value = {
        "numbers": [0, 255, 65_535, -1, 2**40, 0.5],
        "texts": ("", "ä", b"\xff"),
        "none": [None, True, False],
        "ordered": call(ORDERED),
        "version": Raw(b"ctorch.torch_version\nTorchVersion\n" + written(("2.1.0",)) + b"\x81"),
        "path": call(b"cpathlib\nPosixPath\n", "/", "home", "a"),
        "relative": call(b"cpathlib\nPosixPath\n", "a", "b"),
        "size": call(b"ctorch\nSize\n", (2, 3)),
        "bytes": call(b"c_codecs\nencode\n", "\xe4", "latin1"),
        "counts": Raw(call(b"ccollections\ndefaultdict\n", Raw(b"cbuiltins\nint\n")) + written("a") + b"K\x01s"),
    }
    assert read(FORMS[form](a_pickle(value))) == {
        "numbers": [0, 255, 65_535, -1, 2**40, 0.5],
        "texts": ("", "ä", b"\xff"),
        "none": [None, True, False],
        "ordered": {},
        "version": "2.1.0",
        "path": "/home/a",
        "relative": "a/b",
        "size": (2, 3),
        "bytes": b"\xe4",
        "counts": {"a": 1},
    }


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("form", FORMS)
def test_what_python_pickles_is_read_as_python_reads_it(form: str, protocol: int) -> None:
    value = {
        "a": [1, 2.5, None, True, b"x" * 300, "y" * 300],
        "b": {"c": (1, 2, 3, 4)},
        "d": {1: -70_000},
        "e": "\ud800",
    }
    value["again"] = value["b"]
    assert read(FORMS[form](pickle.dumps(value, protocol))) == value


@pytest.mark.parametrize("form", FORMS)
def test_tensors_share_the_memory_of_their_storage(form: str) -> None:
    value = [tensor(), tensor((2, 2), (1, 2)), tensor((2,), (2,), 1), tensor((0, 3), (3, 1), 4)]
    tensors = read(FORMS[form](a_pickle(value), {"0": DATA}))
    assert isinstance(tensors, list)
    arrays = [each.array for each in tensors if isinstance(each, Tensor)]
    assert [array.tolist() for array in arrays] == [[1, 2, 3, 4], [[1, 3], [2, 4]], [2, 4], []]
    assert arrays[0].dtype == np.float32
    assert np.shares_memory(arrays[0], arrays[1])
    assert arrays[3].shape == (0, 3)


def test_bytes_in_the_other_order_are_turned() -> None:
    value = read(zip_form(a_pickle(tensor()), {"0": struct.pack(">4f", 1, 2, 3, 4)}, byteorder=b"big"))
    assert isinstance(value, Tensor)
    assert value.array.tolist() == [1, 2, 3, 4]
    message = refusal(zip_form(a_pickle(tensor()), {"0": DATA}, byteorder=b"middle"))
    assert message == "it does not say in which order its bytes are"


def test_a_byte_that_is_no_truth_value_becomes_one() -> None:
    value = read(zip_form(a_pickle(tensor(of=storage(cls=b"ctorch\nBoolStorage\n"))), {"0": b"\0\1\2\xff"}))
    assert isinstance(value, Tensor)
    assert value.array.view(np.uint8).tolist() == [0, 1, 1, 1]


def test_a_storage_that_nothing_declares_is_not_read() -> None:
    assert read(zip_form(a_pickle([1]), {"0": DATA, "1": DATA})) == [1]


def test_dictionaries_and_files_are_their_content() -> None:
    file = Raw(b"c_io\nBytesIO\n)\x81" + written((b"abc", 3, None)) + b"b")
    value = read(zip_form(a_pickle([dictionary("a", "b"), file])))
    assert isinstance(value, list)
    words, data = value
    assert isinstance(words, StoredDictionary)
    assert words.attributes == {"item2idx": {b"a": 0, b"b": 1}, "idx2item": [b"a", b"b"], "add_unk": False}
    assert isinstance(data, StoredFile)
    assert data.content == b"abc"


# --- names


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("operations", "name"),
    [
        (b"cos\nsystem\n", "os.system"),
        (b"\x8c\x08builtins\x8c\x04eval\x93", "builtins.eval"),
        (b"cflair.data\nDictionary.load\n", "flair.data.Dictionary.load"),
        (b"ctorch\nload\n", "torch.load"),
        (b"ccollections\nCounter\n", "collections.Counter"),
        (b"ctorch._utils\n_rebuild_tensor\n", "torch._utils._rebuild_tensor"),
        (b"ctorch\nUntypedStorage\n", "torch.UntypedStorage"),
        (b"cbuiltins\nint.__class__\n", "builtins.int.__class__"),
        (b"c\x1b[31m\nx\n", r"'\x1b[31m.x'"),
        (b"c" + b"m" * 190 + b"\nx\n", "m" * 100 + ".x"),
    ],
)
def test_another_name_is_refused_by_it(form: str, operations: bytes, name: str) -> None:
    with pytest.raises(NotPlainError) as caught:
        read(FORMS[form](body(operations + b".")))
    assert caught.value.name == name


# --- pickles

DEEP = b"N" + b"".join(b"q" + bytes([number]) + b"h" + bytes([number]) + b"\x86" for number in range(40))
NO_OPERATION = r"its pickle has the operation {}, which no checkpoint of flair has"
FILLS = "its pickle fills what is no list or table, or one that holds itself or is in use already"
BALANCE = "its pickle takes values that it has not read"
NUMBERS = "its pickle numbers its values in an order of its own"
ENDS = "it ends in the middle"
HOSTILE: dict[str, tuple[bytes, str]] = {
    # BUILD changes what it is given, in Python's machine: functions, classes, objects
    "build on a function": (REBUILD + b"N" + written({"__defaults__": ({"neg": True},)}) + b"\x86b.", FILLS),
    "build on a class": (b"ctorch.torch_version\nTorchVersion\nN" + written({"__str__": 1}) + b"\x86b.", FILLS),
    "build on a dictionary's class": (DICTIONARY + written({"__len__": 1}) + b"b.", FILLS),
    "build on a text": (written("a") + written({"x": 1}) + b"b.", FILLS),
    "build on a tensor": (tensor() + written({"x": 1}) + b"b.", FILLS),
    "build on a storage": (storage() + written({"x": 1}) + b"b.", FILLS),
    "build on a list": (
        written([1]) + written({"x": 1}) + b"b.",
        "its pickle changes what is no new object of its form",
    ),
    "build with slots": (
        DICTIONARY + b")\x81" + written((None, {"add_unk": 1})) + b"b.",
        "a dictionary of flair's has other attributes than flair writes",
    ),
    "build with another attribute": (
        dictionary("a", __class__=1) + b".",
        "a dictionary of flair's has other attributes than flair writes",
    ),
    "build twice": (
        dictionary("a") + written({"add_unk": True}) + b"b.",
        "a dictionary of flair's has other attributes than flair writes",
    ),
    "build of a table": (
        call(ORDERED) + written({"_metadata": 1, "x": 2}) + b"b.",
        "its pickle changes what is no new object of its form",
    ),
    "build of a used dictionary": (b"(" + dictionary("a") + b"q\x00t0h\x00}b.", NO_OPERATION.format("0x30")),
    # calls
    "call of a class": (call(DICTIONARY, False) + b".", "its pickle calls what is no function of its form"),  # noqa: FBT003
    "call of a storage's class": (call(FLOATS, 4) + b".", "its pickle calls what is no function of its form"),
    "call of a text": (call(written("os.system"), "id") + b".", "its pickle calls what is no function of its form"),
    "call with a list": (ORDERED + b"]R.", "its pickle calls what is no function of its form"),
    "call of a number": (
        call(b"cbuiltins\nint\n", "9" * 100) + b".",
        "its pickle calls what is no function of its form",
    ),
    "object of a function": (REBUILD + b")\x81.", "its pickle makes an object of what is no class of its form"),
    "object with arguments": (
        DICTIONARY + written((True,)) + b"\x81.",
        "flair.data.Dictionary is not stored as torch and flair store it",
    ),
    "ordered with items": (call(ORDERED, [["a", 1]]) + b".", "OrderedDict is not stored as torch and flair store it"),
    "default of a function": (
        call(b"ccollections\ndefaultdict\n", Raw(REBUILD)) + b".",
        "defaultdict is not stored as torch and flair store it",
    ),
    "another encoding": (
        call(b"c_codecs\nencode\n", "a", "idna") + b".",
        "_codecs.encode is not stored as torch and flair store it",
    ),
    "another version": (
        b"ctorch.torch_version\nTorchVersion\n" + written((1,)) + b"\x81.",
        "TorchVersion is not stored as torch and flair store it",
    ),
    "a path of numbers": (call(b"cpathlib\nPosixPath\n", 1) + b".", "a path is not stored as torch and flair store it"),
    "persistent id of a module": (
        written(("module", Raw(REBUILD), "text", "x")) + b"Q.",
        "a storage is not stored as torch and flair store it",
    ),
    "persistent id of a view": (
        written(("storage", Raw(FLOATS), "0", "cpu", 4, ("1", 0, 2))) + b"Q.",
        "a storage is not stored as torch and flair store it",
    ),
    "persistent id as text": (b"P0\n.", NO_OPERATION.format("0x50")),
    # memo
    "memo far away": (b"Nr\xff\xff\xff\x7f.", NUMBERS),
    "memo again": (b"Nq\x00Nq\x00.", NUMBERS),
    "memo with a gap": (b"Nq\x01.", NUMBERS),
    "memo of nothing": (b"q\x00.", NUMBERS),
    "value not there": (b"j\xff\xff\xff\xff.", "its pickle asks for a value that it has not read"),
    # lengths
    "text": (b"X\xff\xff\xff\xffa.", ENDS),
    "bytes": (b"B\xff\xff\xff\xffa.", ENDS),
    "long text": (b"\x8d" + b"\xff" * 7 + b"\x7f.", NO_OPERATION.format("0x8d")),
    "long bytes": (b"\x8e" + b"\xff" * 7 + b"\x7f.", NO_OPERATION.format("0x8e")),
    "long array": (b"\x96" + b"\xff" * 7 + b"\x7f.", NO_OPERATION.format("0x96")),
    "frame": (b"\x95" + b"\xff" * 8 + b".", "a frame of its pickle ends after the file"),
    "number of gigabytes": (b"\x8b\xff\xff\xff\x7f.", NO_OPERATION.format("0x8b")),
    "number of many digits": (b"\x8a\xff" + b"\x01" * 255 + b".", "a number in it has 255 bytes"),
    "name without an end": (b"c" + b"a" * 5000 + b"\n.", "a name has more than 200 characters"),
    # operations
    "extension": (b"\x82\x01.", NO_OPERATION.format("0x82")),
    "instance": (b"(ios\nsystem\n.", NO_OPERATION.format("0x69")),
    "object": (b"(o.", NO_OPERATION.format("0x6f")),
    "object with keywords": (b"NNN\x92.", NO_OPERATION.format("0x92")),
    "next buffer": (b"\x97.", NO_OPERATION.format("0x97")),
    "decimal number": (b"I1\n.", NO_OPERATION.format("0x49")),
    "nothing": (b".", BALANCE),
    "two values": (b"NN.", BALANCE),
    "open mark": (b"N(.", BALANCE),
    "no mark": (b"t.", BALANCE),
    "below the mark": (b"](NNa.", FILLS),
    "below the mark, of a tuple": (b"N(\x85t.", BALANCE),
    "odd pairs": (b"}(Nu.", BALANCE),
    "another protocol": (b"\x80\x09N.", "its pickle has the protocol 9"),
    "no UTF-8": (b"X\x01\x00\x00\x00\xff.", "a text in it is no UTF-8"),
    # containers
    "list in itself": (b"]q\x00h\x00a.", FILLS),
    "table in itself": (b"}q\x00" + written("a") + b"h\x00s.", FILLS),
    "list in its tuple": (b"]q\x00(h\x00ta.", FILLS),
    "list that grows later": (b"(]q\x00]h\x00aNa]h\x00Naet.", FILLS),
    "list that grows behind a second place": (b"(]q\x00Nh\x00Nat.", FILLS),
    "items of a table": (b"}Na.", "its pickle appends to what is no list"),
    "keys of a list": (b"]" + written("a") + b"Ns.", "its pickle gives keys to what is no table"),
    "a tuple of tuples as a key": (
        b"}" + DEEP + b"Ns.",
        "a table has a tuple as a key, expected a text, bytes or a small number",
    ),
    "nothing as a key": (b"}NNs.", "a table has a NoneType as a key, expected a text, bytes or a small number"),
    "truth as a key": (b"}\x88Ns.", "a table has a bool as a key, expected a text, bytes or a small number"),
    "a large number as a key": (
        b"}" + written(2**61 - 1) + b"Ns.",
        "a table has a int as a key, expected a text, bytes or a small number",
    ),
    "a token as a key": (
        b"}" + ORDERED + b"Ns.",
        "a table has a Name as a key, expected a text, bytes or a small number",
    ),
    "a key twice": (b"}" + (written("a") + b"Ns") * 2 + b".", "a table has a key twice"),
    "numbers that fall on one place": (
        written({number << 16: None for number in range(5000)}) + b".",
        "a table has more than 4096 numbers as its keys",
    ),
    "a long key": (b"}" + written("a" * 70_000) + b"Ns.", "a key of a table has more than 65536 characters"),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", HOSTILE)
def test_a_pickle_that_flair_never_writes_is_refused(form: str, name: str) -> None:
    operations, words = HOSTILE[name]
    assert refusal(FORMS[form](body(operations), {"0": DATA} if "0" not in name else None)) == words


def test_very_many_lists_are_too_many() -> None:
    assert refusal(zip_form(body(b"(" + b"]" * (1 << 20) + b"}t."))).endswith("lists, tables and tensors")


@pytest.mark.parametrize("part", ["magic", "version", "keys"])
def test_a_tensor_stands_in_the_value_alone(part: str) -> None:
    parts = {"magic": pickle.dumps(1, 2), "version": pickle.dumps(1, 2), "machine": pickle.dumps({}, 2)}
    parts |= {"value": pickle.dumps({}, 2), "keys": pickle.dumps([], 2)}
    parts["magic"] = old_form(b"")[: len(pickle.dumps(0x1950A86A20F9469CFC6C, 2))]
    parts["version"] = pickle.dumps(1001, 2)
    assert read(b"".join(parts.values())) == {}
    parts[part] = a_pickle(tensor())
    assert refusal(b"".join(parts.values())) in {
        "it has a tensor where torch writes none",
        "it has neither of torch's two forms",
    }


# --- tensors and storages

LARGER = "the weights of the checkpoint are of {} bytes, of which it holds 16"
SHAPE = "the shape of a tensor is not stored as torch and flair store it"
COUNT = "the size of a storage is not stored as torch and flair store it"
KEY = "the name of a storage is not stored as torch and flair store it"
NOT_STORED = "_rebuild_tensor_v2 is not stored as torch and flair store it"
TENSORS: dict[str, tuple[Raw, str]] = {
    "more than its storage": (tensor((5,)), LARGER.format(20)),
    "behind its storage": (tensor((2,), (1,), 3), LARGER.format(8)),
    "far behind": (tensor((1,), (1,), 5), NOT_STORED),
    "before its storage": (tensor((1,), (1,), -1), NOT_STORED),
    "strides that leave it": (tensor((2, 2), (3, 1)), LARGER.format(16)),
    "strides of nothing": (tensor((1 << 20, 1 << 20), (0, 0)), LARGER.format(1 << 42)),
    "backwards": (tensor((2,), (-1,), 3), "the strides of a tensor is not stored as torch and flair store it"),
    "a size below zero": (tensor((-4,)), SHAPE),
    "a size of 63 bits": (tensor((1 << 63,)), SHAPE),
    "empty, and huge": (tensor((0, 1 << 40, 1 << 40), (0, 0, 0)), SHAPE),
    "many axes": (tensor((1,) * 9, (1,) * 9), SHAPE),
    "truth as a size": (tensor((True,)), SHAPE),
    "sizes without strides": (tensor((2, 2)), NOT_STORED),
    "negated": (tensor(more=({"neg": True},)), NOT_STORED),
    "no storage": (tensor(of=Raw(written("0"))), NOT_STORED),
    "a storage of no size": (tensor(of=storage(count=-1)), COUNT),
    "a storage of 63 bits": (tensor(of=storage(count=1 << 62)), COUNT),
    "a storage elsewhere": (tensor(of=storage(key="../0")), KEY),
    "a storage of no class": (tensor(of=storage(cls=REBUILD)), "a storage is not stored as torch and flair store it"),
    "a parameter of no tensor": (
        call(b"ctorch._utils\n_rebuild_parameter\n", "x", True, call(ORDERED)),  # noqa: FBT003
        "_rebuild_parameter is not stored as torch and flair store it",
    ),
    "a storage of two sizes": (
        Raw(written([tensor(), tensor(of=storage(count=2), shape=(1,))])),
        "the storage '0' is declared in two ways",
    ),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", TENSORS)
def test_a_tensor_that_is_not_in_its_storage_is_refused(form: str, name: str) -> None:
    value, words = TENSORS[name]
    assert refusal(FORMS[form](a_pickle(value), {"0": DATA})) == words


def test_a_storage_that_is_declared_and_not_stored_is_refused() -> None:
    message = refusal(zip_form(a_pickle(tensor())))
    assert message == "its pickle declares 16 bytes for the storage '0', of which it holds nothing"
    message = refusal(zip_form(a_pickle(tensor()), {"0": DATA[:12]}))
    assert message == "its pickle declares 16 bytes for the storage '0', of which it holds 12 bytes"
    for keys in ([], ["1"], ["0", "1"]):
        message = refusal(old_form(a_pickle(tensor()), {"0": DATA}, keys=keys))
        assert message == "its pickle declares other storages than those that it holds"
    for keys in (["0", "0"], "0", [0], {"0": 1}):
        assert refusal(old_form(a_pickle(tensor()), {"0": DATA}, keys=keys)) == "the list of its storages is none"
    assert "another size" in refusal(old_form(a_pickle(tensor()), {"0": DATA[:12]}))
    assert refusal(old_form(a_pickle(tensor()), {"0": DATA})[:-1]) == "the storage '0' ends after the file"


def test_many_tensors_of_one_storage_are_refused() -> None:
    assert read(zip_form(a_pickle([tensor() for _ in range(32)]), {"0": DATA}))
    message = refusal(zip_form(a_pickle([tensor() for _ in range(33)]), {"0": DATA}))
    assert message == "the weights of the checkpoint are of 528 bytes, of which it holds 16"


# --- archives

GOOD = zip_form(a_pickle(tensor()), {"0": DATA})
NO_ARCHIVE = "it is no zip archive as torch writes one, or only a part of one"
DIRECTORY = struct.unpack_from("<L", GOOD, len(GOOD) - 6)[0]


def replaced(at: int, data: bytes, of: bytes = GOOD) -> bytes:
    return of[:at] + data + of[at + len(data) :]


def archive_of(*members: tuple[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    target = io.BytesIO()
    with warnings.catch_warnings(action="ignore"), zipfile.ZipFile(target, "w", compression) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return target.getvalue()


PICKLE = ("a/data.pkl", a_pickle([1]))
ARCHIVES: dict[str, tuple[bytes, str]] = {
    "junk before": (b"junk" + GOOD, "it does not begin like one"),
    "junk before, as an archive": (GOOD[:40] + GOOD, NO_ARCHIVE),
    "junk behind": (GOOD + b"x", NO_ARCHIVE),
    "a comment": (GOOD[:-2] + b"\x01\x00x", NO_ARCHIVE),
    "cut": (GOOD[:-30], NO_ARCHIVE),
    "many members": (replaced(len(GOOD) - 14, b"\xfe\xff\xfe\xff"), NO_ARCHIVE),
    "a directory of gigabytes": (replaced(len(GOOD) - 10, b"\xff\xff\xff\x7f"), NO_ARCHIVE),
    "a directory elsewhere": (replaced(len(GOOD) - 6, b"\x00\x00\x00\x00"), NO_ARCHIVE),
    "another disk": (replaced(len(GOOD) - 18, b"\x01"), NO_ARCHIVE),
    "another name in the header": (
        replaced(30, b"a/DATA.pkl"),
        "the member 'a/data.pkl' of its archive is not what the directory says",
    ),
    "another size in the header": (
        replaced(18, b"\x01\x00\x00\x00"),
        "the member 'a/data.pkl' of its archive is not what the directory says",
    ),
    "members over each other": (
        replaced(DIRECTORY + 56 + 42, b"\x01\x00\x00\x00"),
        "the members of its archive lie over each other, or elsewhere than torch puts them",
    ),
    "two members at one place": (
        replaced(DIRECTORY + 56 + 42, b"\x00\x00\x00\x00"),
        "the members of its archive lie over each other, or elsewhere than torch puts them",
    ),
    "encrypted": (
        replaced(DIRECTORY + 8, b"\x01\x00"),
        "a member of its archive is compressed or encrypted, which torch never does",
    ),
    "compressed": (
        archive_of(PICKLE, ("a/data/0", bytes(100_000)), compression=zipfile.ZIP_DEFLATED),
        "a member of its archive is compressed or encrypted, which torch never does",
    ),
    "twice": (archive_of(PICKLE, PICKLE), "the file 'a/data.pkl' occurs twice in its archive"),
    "two pickles": (archive_of(PICKLE, ("b/data.pkl", b"")), "its archive does not hold one pickle"),
    "no pickle": (archive_of(("a/data/0", b"")), "its archive does not hold one pickle"),
    "a deep pickle": (archive_of(("a/b/data.pkl", b"")), "its archive does not hold one pickle"),
    "another member": (archive_of(PICKLE, ("a/x", b"")), "its archive holds 'a/x', which torch does not write"),
    "another folder": (
        archive_of(PICKLE, ("b/version", b"")),
        "its archive holds 'b/version', which torch does not write",
    ),
    "a path": (archive_of(PICKLE, ("a/../x", b"")), "a name in its archive is 'a/../x'"),
    "an absolute path": (archive_of(PICKLE, ("/etc/x", b"")), "a name in its archive is '/etc/x'"),
    "escape codes": (archive_of(PICKLE, ("a/\x1b[31m", b"")), r"a name in its archive is 'a/\x1b[31m'"),
}


@pytest.mark.parametrize("name", ARCHIVES)
def test_an_archive_that_torch_never_writes_is_refused(name: str) -> None:
    data, words = ARCHIVES[name]
    assert refusal(data) == words


@pytest.mark.parametrize("member", ["a/constants.pkl", "a/code/x.py", "a/model.json"])
def test_an_archive_with_code_is_refused_by_its_name(member: str) -> None:
    data = archive_of(PICKLE, (member, b"x" * 100), compression=zipfile.ZIP_DEFLATED)
    with pytest.raises(OtherFormError, match="the checkpoint is a TorchScript archive") as caught:
        read(data)
    assert caught.value.code == "R005"


@pytest.mark.parametrize("magic", [True, False])
def test_a_tar_archive_is_refused_by_its_name(magic: bool) -> None:  # noqa: FBT001 - a parameter of the test
    import tarfile

    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("storages"))
    block = bytearray(target.getvalue()[:512])
    if not magic:  # the form of 1979, which Python reads too
        block[257:265] = bytes(8)
        block[148:156] = b" " * 8
        block[148:156] = b"%06o\0 " % sum(block)
    with pytest.raises(OtherFormError, match="the checkpoint is a tar archive") as caught:
        read(bytes(block) + target.getvalue()[512:])
    assert caught.value.code == "R006"
    refuse_tar(bytes(512))


# --- time and memory

#: Reads files in a process that may ask for little more than it has, and says what came of each.
BOUNDED = """
import io, resource, sys
from pathlib import Path
from assembler.flair_checkpoints.pickles import RefusalError, read_checkpoint
pages = int(Path("/proc/self/statm").read_text().split()[0])
most = pages * resource.getpagesize() + (64 << 20)
resource.setrlimit(resource.RLIMIT_AS, (most, most))
resource.setrlimit(resource.RLIMIT_CPU, (60, 60))
for path in sys.argv[1:]:
    with open(path, "rb") as stream:
        try:
            read_checkpoint(stream)
        except RefusalError as err:
            print("refused:", err)
        else:
            print("read")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the size of a process is read from /proc")
def test_a_few_bytes_ask_for_no_gigabytes_and_no_minutes(tmp_path: Path) -> None:
    memo = b"N" + b"".join(b"r" + struct.pack("<I", 1 << bit) for bit in range(8, 32))
    doubled = b"]" + b"".join(b"q" + bytes([number]) + b"0]h" + bytes([number]) + b"a" for number in range(3))
    bombs = {
        "memo": body(memo + b"."),
        "hash": body(b"}" + DEEP + b"Ns."),
        "text": body(b"X\xff\xff\xff\x7f" + bytes(1000)),
        "frames": body((b"\x95" + b"\xff" * 8) * 1000),
        "doubled": body(doubled),
        "expanded": a_pickle(tensor((1 << 30,), (0,))),
        "nested": body(b"N" + b"\x85" * (1 << 21) + b"."),
        "marks": body(b"(" * (1 << 21)),
        "lists": body(b"]" * (1 << 21)),
        "storages": a_pickle(tensor((1 << 39,), (1,), of=storage(count=1 << 39))),
    }
    paths = []
    for name, data in bombs.items():
        for form, write in FORMS.items():
            path = tmp_path / f"{name}-{form}.pt"
            path.write_bytes(write(data))
            paths.append(str(path))
    done = subprocess.run(
        [sys.executable, "-c", BOUNDED, *paths], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert len(lines) == len(paths)
    assert all(line.startswith("refused: ") for line in lines), list(zip(paths, lines, strict=True))


def test_a_short_run_of_the_fuzzer_meets_no_other_exception(tmp_path: Path) -> None:
    command = [sys.executable, "tools/fuzz_checkpoints.py", "--inputs", "2000", "--seed", "7", "--seconds", "60"]
    done = subprocess.run(
        [*command, "--keep", str(tmp_path / "failed")], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.stderr == ""
    assert done.returncode == 0
    assert "2000 inputs" in done.stdout
    assert "no other exception" in done.stdout
    assert "refused (NotPlain)" in done.stdout
    assert not (tmp_path / "failed").exists()
