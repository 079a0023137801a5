"""The names that a pickle may use, and what our code makes of them, whatever a name means elsewhere.

A name in a pickle becomes a `Name`, an inert token. Called with arguments, it is looked up here.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, TypeAlias

from assembler.flair_checkpoints.pickles.plain_values import (
    ELEMENTS,
    Storage,
    StoredDictionary,
    StoredFile,
    StoredStrategy,
    Tensor,
)
from assembler.flair_checkpoints.pickles.rejections import DamagedError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Arguments: TypeAlias = tuple[object, ...]

#: The most axes of a tensor. flair's have at most three.
_MOST_AXES = 8
#: The most elements of a tensor, storage or axis: 2^40 are more than any file holds.
_MOST_ELEMENTS = 1 << 40
#: The most parts of a path of the trainer's machine, and the most items of a set.
_MOST_PARTS = 256

# What an error says is not stored as torch and flair store it.
_A_SET = "set"
_ENCODE = "_codecs.encode"
_A_PATH = "a path"
_A_VERSION = "TorchVersion"
_A_TENSOR = "_rebuild_tensor_v2"
_A_PARAMETER = "_rebuild_parameter"
_A_STORAGE = "a storage"
_A_KEY = "the name of a storage"
_A_COUNT = "the size of a storage"
_A_STRATEGY = "EntityTypeTaskPromptAugmentationStrategy"


@dataclass(frozen=True, slots=True)
class Name:
    """A class or function that a pickle names, as a token that does nothing."""

    module: str
    name: str


def _empty_table(arguments: Arguments) -> object:
    _expect(arguments == (), "OrderedDict")
    return {}


def _counting_table(arguments: Arguments) -> object:
    """Make the table that replaces `defaultdict(int)`."""
    _expect(len(arguments) == 1 and arguments[0] == Name("builtins", "int"), "defaultdict")
    return {}


def _set(arguments: Arguments) -> object:
    _expect(len(arguments) == 1, _A_SET)
    [items] = arguments
    if type(items) is not list or not all(type(item) in {str, bytes, int} for item in items):
        raise _unexpected(_A_SET)
    if any(type(item) is int and abs(item) >= 1 << 31 for item in items) or len(items) > _MOST_PARTS:
        raise _unexpected(_A_SET)
    return set(items)


def _encoded(arguments: Arguments) -> object:
    """Make bytes, which protocol 2 writes as text of Latin-1."""
    if len(arguments) != len(("text", "encoding")) or type(arguments[0]) is not str or arguments[1] != "latin1":
        raise _unexpected(_ENCODE)
    try:
        return arguments[0].encode("latin-1")
    except UnicodeEncodeError as err:
        raise _unexpected(_ENCODE) from err


def _no_bytes(arguments: Arguments) -> object:
    """Make empty bytes, which protocol 2 writes as a call without arguments."""
    _expect(arguments == (), "bytes")
    return b""


def _path(arguments: Arguments) -> object:
    """Make the text of a path of the trainer's machine."""
    if len(arguments) > _MOST_PARTS or not all(type(part) is str for part in arguments):
        raise _unexpected(_A_PATH)
    parts = [part for part in arguments if type(part) is str]
    root = "/" if parts[:1] == ["/"] else ""
    return root + "/".join(parts[1:] if root else parts)


def _version(arguments: Arguments) -> object:
    if len(arguments) != 1 or type(arguments[0]) is not str:
        raise _unexpected(_A_VERSION)
    return arguments[0]


def _size(arguments: Arguments) -> object:
    _expect(len(arguments) == 1, "torch.Size")
    return _counts(arguments[0], "torch.Size")


def _tensor(arguments: Arguments) -> object:
    """Describe a tensor, which must be within its storage and have no more elements than it."""
    most = ("storage", "offset", "shape", "strides", "requires_grad", "hooks", "metadata")
    if len(arguments) not in {len(most) - 1, len(most)}:
        raise _unexpected(_A_TENSOR)
    storage, offset, shape, strides, gradient, hooks = arguments[:6]
    if type(storage) is not Storage or type(offset) is not int or not 0 <= offset <= storage.count:
        raise _unexpected(_A_TENSOR)
    if type(gradient) is not bool or hooks or type(hooks) is not dict or any(arguments[6:]):
        raise _unexpected(_A_TENSOR)
    sizes, steps = _counts(shape, "the shape of a tensor"), _counts(strides, "the strides of a tensor")
    _expect(len(sizes) == len(steps), _A_TENSOR)
    count = prod(sizes)
    if 0 in sizes:
        steps = (1,) * len(sizes)
        _expect(prod(size for size in sizes if size) <= _MOST_ELEMENTS, "the shape of a tensor")
    else:
        last = offset + sum((size - 1) * step for size, step in zip(sizes, steps, strict=True))
        if last >= storage.count or count > storage.count:
            size = count * storage.element.size
            message = f"the weights of the checkpoint are of {size} bytes, of which it holds {storage.size}"
            raise DamagedError(message)
    return Tensor(storage, sizes, steps, offset)


def _parameter(arguments: Arguments) -> object:
    """Return the tensor of a parameter."""
    if len(arguments) != len(("data", "requires_grad", "hooks")):
        raise _unexpected(_A_PARAMETER)
    tensor, gradient, hooks = arguments
    if type(tensor) is not Tensor or type(gradient) is not bool or hooks or type(hooks) is not dict:
        raise _unexpected(_A_PARAMETER)
    return tensor


def _dictionary(arguments: Arguments) -> object:
    _expect(arguments == (), "flair.data.Dictionary")
    return StoredDictionary()


def _strategy(arguments: Arguments) -> object:
    _expect(arguments == (), _A_STRATEGY)
    return StoredStrategy()


def _file(arguments: Arguments) -> object:
    _expect(arguments == (), "BytesIO")
    return StoredFile()


def _counts(value: object, what: str) -> tuple[int, ...]:
    """Return whole numbers that can be sizes.

    Raises:
        DamagedError: They are something else.
    """
    if type(value) is not tuple or len(value) > _MOST_AXES:
        raise _unexpected(what)
    if not all(type(each) is int and 0 <= each <= _MOST_ELEMENTS for each in value):
        raise _unexpected(what)
    return value


def _expect(fits: bool, what: str) -> None:  # noqa: FBT001 - a condition, not a switch
    if not fits:
        raise _unexpected(what)


def _unexpected(what: str) -> DamagedError:
    return DamagedError(f"{what} is not stored as torch and flair store it")


_PATHS = ("PosixPath", "WindowsPath", "PurePosixPath", "PureWindowsPath")
#: What a pickle may call as a function (REDUCE).
CALLS: Mapping[Name, Callable[[Arguments], object]] = {
    Name("_codecs", "encode"): _encoded,
    Name("builtins", "bytes"): _no_bytes,
    Name("builtins", _A_SET): _set,
    Name("collections", "OrderedDict"): _empty_table,
    Name("collections", "defaultdict"): _counting_table,
    Name("torch", "Size"): _size,
    Name("torch._utils", _A_PARAMETER): _parameter,
    Name("torch._utils", _A_TENSOR): _tensor,
    **{Name(module, name): _path for module in ("pathlib", "pathlib._local") for name in _PATHS},
}
#: What a pickle may make an object of (NEWOBJ).
CLASSES: Mapping[Name, Callable[[Arguments], object]] = {
    Name("_io", "BytesIO"): _file,
    Name("flair.data", "Dictionary"): _dictionary,
    Name("flair.models.prefixed_tagger", _A_STRATEGY): _strategy,
    Name("torch.torch_version", _A_VERSION): _version,
}
#: The classes of storages, which the persistent id of a tensor's storage names.
STORAGES: Mapping[Name, str] = {Name("torch", name): name for name in ELEMENTS}
#: All that a pickle may name.
KNOWN = frozenset((*CALLS, *CLASSES, *STORAGES, Name("builtins", "int")))
#: The names of Python 2 that protocol 2 uses.
RENAMED: Mapping[tuple[str, str], Name] = {
    ("__builtin__", "bytes"): Name("builtins", "bytes"),
    ("__builtin__", "long"): Name("builtins", "int"),
    ("__builtin__", "int"): Name("builtins", "int"),
    ("__builtin__", _A_SET): Name("builtins", _A_SET),
}


def storage_of(saved: object) -> Storage:
    """Return the storage that a persistent id declares.

    Args:
        saved: `("storage", class, key, place, count)`; the old form has `None` after them.

    Raises:
        DamagedError: It is something else.
    """
    plain = ("storage", "class", "key", "place", "count")
    if type(saved) is not tuple or len(saved) not in {len(plain), len(plain) + 1} or any(saved[len(plain) :]):
        raise _unexpected(_A_STORAGE)
    what, cls, key, place, count = saved[: len(plain)]
    if type(what) is not str or what != "storage" or type(cls) is not Name or cls not in STORAGES:
        raise _unexpected(_A_STORAGE)
    if type(key) is not str or not key.isascii() or not key.isalnum() or type(place) is not str:
        raise _unexpected(_A_KEY)
    if type(count) is not int or not 0 <= count <= _MOST_ELEMENTS:
        raise _unexpected(_A_COUNT)
    return Storage(key, ELEMENTS[STORAGES[cls]], count)
