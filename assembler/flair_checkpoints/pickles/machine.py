"""Runs the pickles of checkpoints on our own machine, which has only the few operations that they need.

Nothing that a pickle names is looked up, called or changed. A list or table can be filled only until it is put into
another one or into a second place. So none can hold itself, and none changes after it was read.

The numbers of the operations are those of Python's pickletools. Protocols 2 to 5 are read.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from assembler.flair_checkpoints.pickles.plain_values import (
    Storage,
    StoredDictionary,
    StoredFile,
    StoredStrategy,
    Tensor,
)
from assembler.flair_checkpoints.pickles.rebuilds import CALLS, CLASSES, KNOWN, RENAMED, Name, storage_of
from assembler.flair_checkpoints.pickles.rejections import DamagedError, NotPlainError

if TYPE_CHECKING:
    from collections.abc import Callable

    from assembler.flair_checkpoints.pickles.cursor import Cursor

#: The largest tables of words have a few million entries, of three operations each.
_MOST_OPERATIONS = 1 << 26
#: Lists, tables, tuples, tensors: a tensor needs about ten of them.
_MOST_CONTAINERS = 1 << 18
#: The most bytes of a number; no checkpoint needs larger ones.
_MOST_DIGITS = 32
#: The greatest length of the name of a class or module.
_MOST_NAMED = 200
#: The greatest length of a table's key, and the most numbers among its keys. Python hashes numbers without a secret, so
#: a stranger can choose many with the same hash; each further one would then cost as much as all before it.
_LONGEST_KEY = 1 << 16
_MOST_NUMBERS = 1 << 12
_LARGEST_NUMBER = 1 << 31
_OLDEST, _NEWEST = 2, 5
_STOP = ord(".")

_CONTAINERS = frozenset({list, dict, set, StoredDictionary, StoredFile, StoredStrategy})


class Machine:
    """Reads one pickle.

    Attributes:
        storages: The storages that it declares, by key.
        tensors: The tensors that it describes.
    """

    def __init__(self, cursor: Cursor) -> None:
        """Begin at the place of the cursor."""
        self._cursor = cursor
        self._stack: list[object] = []
        self._marks: list[int] = []
        self._memo: list[object] = []
        self._open: set[int] = set()  # the containers that may still be filled, by id
        self._numbers: dict[int, int] = {}  # the numbers among the keys of a table, by its id
        self._containers = 0
        self.storages: dict[str, Storage] = {}
        self.tensors: list[Tensor] = []

    def run(self) -> object:
        """Return the value of the pickle. The cursor is then after it.

        Raises:
            NotPlainError: The pickle names something that is not plain data.
            DamagedError: It is damaged, or does what no checkpoint of flair does.
        """
        byte, operations = self._cursor.byte, _OPERATIONS
        if byte() != _PROTO:
            message = "it does not begin like one"
            raise DamagedError(message)
        _protocol(self)
        for _ in range(_MOST_OPERATIONS):
            code = byte()
            if code == _STOP:
                return self._result()
            operation = operations.get(code)
            if operation is None:
                message = f"its pickle has the operation {code:#04x}, which no checkpoint of flair has"
                raise DamagedError(message)
            operation(self)
        message = f"its pickle has more than {_MOST_OPERATIONS} operations"
        raise DamagedError(message)

    def _result(self) -> object:
        if len(self._stack) != 1 or self._marks:
            raise _unbalanced()
        return self.pop()

    def push(self, value: object) -> None:
        """Put a value on the stack."""
        self._stack.append(value)

    def pop(self) -> object:
        """Take a value from the stack, down to the last mark. A container is then complete."""
        if len(self._stack) <= (self._marks[-1] if self._marks else 0):
            raise _unbalanced()
        value = self._stack.pop()
        if type(value) in _CONTAINERS:
            self._close(value)
        return value

    def mark(self) -> None:
        """Remember the height of the stack."""
        self._marks.append(len(self._stack))
        if len(self._marks) > _MOST_CONTAINERS:
            raise _too_many()

    def above_mark(self) -> list[object]:
        """Take all values above the last mark from the stack. Containers among them are then complete."""
        if not self._marks:
            raise _unbalanced()
        place = self._marks.pop()
        values = self._stack[place:]
        del self._stack[place:]
        for value in values:
            if type(value) in _CONTAINERS:
                self._close(value)
        return values

    def make(self, value: object) -> None:
        """Put a new value on the stack that is not just a number or a text."""
        self._containers += 1
        if self._containers > _MOST_CONTAINERS:
            raise _too_many()
        if type(value) in _CONTAINERS:
            self._open.add(id(value))
        elif type(value) is Tensor:
            self.tensors.append(value)
        self.push(value)

    def filled(self) -> object:
        """Return the container on top of the stack, which may still be filled."""
        if len(self._stack) <= (self._marks[-1] if self._marks else 0) or id(self._stack[-1]) not in self._open:
            message = "its pickle fills what is no list or table, or one that holds itself or is in use already"
            raise DamagedError(message)
        return self._stack[-1]

    def remember(self, place: int | None = None) -> None:
        """Assign the value on top of the stack the next number, as every pickler does."""
        if not self._stack or (place is not None and place != len(self._memo)):
            message = "its pickle numbers its values in an order of its own"
            raise DamagedError(message)
        self._memo.append(self._stack[-1])

    def recall(self, place: int) -> None:
        """Put a remembered value on the stack again. A container is then complete; otherwise it could hold itself."""
        if place >= len(self._memo):
            message = "its pickle asks for a value that it has not read"
            raise DamagedError(message)
        value = self._memo[place]
        if type(value) in _CONTAINERS:
            self._close(value)
        self._stack.append(value)

    def enter(self, table: dict[object, object], key: object, value: object) -> None:
        """Put a pair into a table."""
        if type(key) is str or type(key) is bytes:
            if len(key) > _LONGEST_KEY:
                message = f"a key of a table has more than {_LONGEST_KEY} characters"
                raise DamagedError(message)
        elif type(key) is int and -_LARGEST_NUMBER < key < _LARGEST_NUMBER:
            count = self._numbers[id(table)] = self._numbers.get(id(table), 0) + 1
            if count > _MOST_NUMBERS:
                message = f"a table has more than {_MOST_NUMBERS} numbers as its keys"
                raise DamagedError(message)
        else:
            message = f"a table has a {type(key).__name__} as a key, expected a text, bytes or a small number"
            raise DamagedError(message)
        if key in table:
            message = "a table has a key twice"
            raise DamagedError(message)
        table[key] = value

    def name(self, module: object, name: object) -> None:
        """Put a name from the pickle on the stack, as a token."""
        if type(module) is not str or type(name) is not str:
            message = "its pickle names a class by something else than text"
            raise DamagedError(message)
        token = RENAMED.get((module, name)) or Name(module, name)
        if token not in KNOWN:
            raise NotPlainError(module, name)
        self.make(token)

    def declare(self, storage: Storage) -> None:
        """Put a storage on the stack. A second declaration must be the same."""
        if self.storages.setdefault(storage.key, storage) != storage:
            message = f"the storage '{storage.key}' is declared in two ways"
            raise DamagedError(message)
        self.make(storage)

    def bytes(self, size: int) -> bytes:
        """Return the next bytes of the pickle."""
        return self._cursor.take(size)

    def number(self, size: int) -> int:
        """Return the next bytes as a number of no sign."""
        return int.from_bytes(self._cursor.take(size), "little")

    def line(self) -> str:
        """Return the next line as text."""
        return _text(self._cursor.line(_MOST_NAMED))

    @property
    def remaining(self) -> int:
        """The bytes up to the end of the pickle."""
        return self._cursor.remaining

    def _close(self, value: object) -> None:
        self._open.discard(id(value))
        self._numbers.pop(id(value), None)


def _unbalanced() -> DamagedError:
    return DamagedError("its pickle takes values that it has not read")


def _too_many() -> DamagedError:
    return DamagedError(f"its pickle has more than {_MOST_CONTAINERS} lists, tables and tensors")


def _text(data: bytes) -> str:
    try:
        return data.decode("utf-8", "surrogatepass")  # as Python's pickles have it
    except UnicodeDecodeError as err:
        message = "a text in it is no UTF-8"
        raise DamagedError(message) from err


def _protocol(machine: Machine) -> None:
    if not _OLDEST <= (number := machine.number(1)) <= _NEWEST:
        message = f"its pickle has the protocol {number}"
        raise DamagedError(message)


def _frame(machine: Machine) -> None:
    """Skip the size of a frame, which says how much may be read at once."""
    if machine.number(8) > machine.remaining:
        message = "a frame of its pickle ends after the file"
        raise DamagedError(message)


def _integer(machine: Machine) -> None:
    size = machine.number(1)
    if size > _MOST_DIGITS:
        message = f"a number in it has {size} bytes"
        raise DamagedError(message)
    machine.push(int.from_bytes(machine.bytes(size), "little", signed=True))


def _signed(machine: Machine) -> None:
    machine.push(int.from_bytes(machine.bytes(4), "little", signed=True))


def _float(machine: Machine) -> None:
    machine.push(struct.unpack(">d", machine.bytes(8))[0])


def _tuple_of(count: int) -> Callable[[Machine], None]:
    def operation(machine: Machine) -> None:
        values = [machine.pop() for _ in range(count)]
        machine.make(tuple(reversed(values)))

    return operation


def _append(machine: Machine) -> None:
    value = machine.pop()
    _list(machine).append(value)


def _extend(machine: Machine) -> None:
    values = machine.above_mark()
    _list(machine).extend(values)


def _list(machine: Machine) -> list[object]:
    target = machine.filled()
    if type(target) is not list:
        message = "its pickle appends to what is no list"
        raise DamagedError(message)
    return target


def _set_item(machine: Machine) -> None:
    value, key = machine.pop(), machine.pop()
    machine.enter(_table(machine), key, value)


def _set_items(machine: Machine) -> None:
    values = machine.above_mark()
    table = _table(machine)
    if len(values) % 2:
        raise _unbalanced()
    pairs = iter(values)
    for key, value in zip(pairs, pairs, strict=True):
        machine.enter(table, key, value)


def _table(machine: Machine) -> dict[object, object]:
    target = machine.filled()
    if type(target) is not dict:
        message = "its pickle gives keys to what is no table"
        raise DamagedError(message)
    return target


def _add_items(machine: Machine) -> None:
    values = machine.above_mark()
    target = machine.filled()
    if type(target) is not set or len(values) + len(target) > _MOST_NUMBERS:
        message = "its pickle adds to what is no small set"
        raise DamagedError(message)
    table: dict[object, object] = {}
    for value in values:
        machine.enter(table, value, None)
    machine._close(table)  # noqa: SLF001 - one of our own
    target.update(table)


def _reduce(machine: Machine) -> None:
    arguments, function = machine.pop(), machine.pop()
    if type(function) is not Name or type(arguments) is not tuple or function not in CALLS:
        message = "its pickle calls what is no function of its form"
        raise DamagedError(message)
    made = CALLS[function](arguments)
    if type(made) is Tensor and made in arguments:  # a parameter is its tensor
        machine.push(made)
    else:
        machine.make(made)


def _new(machine: Machine) -> None:
    arguments, cls = machine.pop(), machine.pop()
    if type(cls) is not Name or type(arguments) is not tuple or cls not in CLASSES:
        message = "its pickle makes an object of what is no class of its form"
        raise DamagedError(message)
    machine.make(CLASSES[cls](arguments))


def _build(machine: Machine) -> None:
    """Give a new object its state. The state of a table is torch's notes on the modules; it is checked and dropped."""
    state = machine.pop()
    target = machine.filled()
    if isinstance(target, StoredDictionary | StoredFile | StoredStrategy):
        target.take(state)
    elif type(target) is not dict or type(state) is not dict or list(state) != ["_metadata"]:
        message = "its pickle changes what is no new object of its form"
        raise DamagedError(message)


def _stack_name(machine: Machine) -> None:
    name, module = machine.pop(), machine.pop()
    machine.name(module, name)


_PROTO = 0x80
_OPERATIONS: dict[int, Callable[[Machine], None]] = {
    _PROTO: _protocol,
    0x95: _frame,
    ord("("): Machine.mark,
    ord("N"): lambda machine: machine.push(None),
    0x88: lambda machine: machine.push(True),  # noqa: FBT003 - a value
    0x89: lambda machine: machine.push(False),  # noqa: FBT003 - a value
    ord("J"): _signed,
    ord("K"): lambda machine: machine.push(machine.number(1)),
    ord("M"): lambda machine: machine.push(machine.number(2)),
    0x8A: _integer,
    ord("G"): _float,
    ord("X"): lambda machine: machine.push(_text(machine.bytes(machine.number(4)))),
    0x8C: lambda machine: machine.push(_text(machine.bytes(machine.number(1)))),
    ord("B"): lambda machine: machine.push(machine.bytes(machine.number(4))),
    ord("C"): lambda machine: machine.push(machine.bytes(machine.number(1))),
    ord("]"): lambda machine: machine.make([]),
    ord("}"): lambda machine: machine.make({}),
    0x8F: lambda machine: machine.make(set()),
    ord(")"): lambda machine: machine.push(()),
    0x85: _tuple_of(1),
    0x86: _tuple_of(2),
    0x87: _tuple_of(3),
    ord("t"): lambda machine: machine.make(tuple(machine.above_mark())),
    ord("a"): _append,
    ord("e"): _extend,
    ord("s"): _set_item,
    ord("u"): _set_items,
    0x90: _add_items,
    ord("q"): lambda machine: machine.remember(machine.number(1)),
    ord("r"): lambda machine: machine.remember(machine.number(4)),
    0x94: Machine.remember,
    ord("h"): lambda machine: machine.recall(machine.number(1)),
    ord("j"): lambda machine: machine.recall(machine.number(4)),
    ord("c"): lambda machine: machine.name(machine.line(), machine.line()),
    0x93: _stack_name,
    ord("R"): _reduce,
    0x81: _new,
    ord("b"): _build,
    ord("Q"): lambda machine: machine.declare(storage_of(machine.pop())),
}
