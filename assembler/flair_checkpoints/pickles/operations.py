"""The few operations that the pickles of checkpoints need, and how a pickle is run.

Nothing that a pickle names is looked up, called or changed. The numbers of the operations are those of Python's
pickletools. Protocols 2 to 5 are read.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from assembler.flair_checkpoints.pickles.machine import MOST_NUMBERS, Machine, text_of, unbalanced
from assembler.flair_checkpoints.pickles.plain_values import StoredDictionary, StoredFile, StoredStrategy, Tensor
from assembler.flair_checkpoints.pickles.rebuilds import CALLS, CLASSES, Name, storage_of
from assembler.flair_checkpoints.pickles.rejections import DamagedError

if TYPE_CHECKING:
    from collections.abc import Callable

#: The largest tables of words have a few million entries, of three operations each.
_MOST_OPERATIONS = 1 << 26
#: The most bytes of a number; no checkpoint needs larger ones.
_MOST_DIGITS = 32
_OLDEST, _NEWEST = 2, 5
_STOP = ord(".")


def run(machine: Machine) -> object:
    """Return the value of a machine's pickle. The cursor is then after it.

    Raises:
        NotPlainError: The pickle names something that is not plain data.
        DamagedError: It is damaged, or does what no checkpoint of flair does.
    """
    byte, operations = machine.byte, _OPERATIONS
    if byte() != _PROTO:
        message = "it does not begin like one"
        raise DamagedError(message)
    _protocol(machine)
    for _ in range(_MOST_OPERATIONS):
        code = byte()
        if code == _STOP:
            return machine.result()
        operation = operations.get(code)
        if operation is None:
            message = f"its pickle has the operation {code:#04x}, which no checkpoint of flair has"
            raise DamagedError(message)
        operation(machine)
    message = f"its pickle has more than {_MOST_OPERATIONS} operations"
    raise DamagedError(message)


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
        raise unbalanced()
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
    if type(target) is not set or len(values) + len(target) > MOST_NUMBERS:
        message = "its pickle adds to what is no small set"
        raise DamagedError(message)
    table: dict[object, object] = {}
    for value in values:
        machine.enter(table, value, None)
    machine.close(table)
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
    ord("X"): lambda machine: machine.push(text_of(machine.bytes(machine.number(4)))),
    0x8C: lambda machine: machine.push(text_of(machine.bytes(machine.number(1)))),
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
