"""The machine on which the pickles of checkpoints run: a stack, remembered values, and what may still be filled.

A list or table can be filled only until it is put into another one or into a second place. So none can hold itself, and
none changes after it was read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from assembler.flair_checkpoints.pickles.plain_values import (
    Storage,
    StoredDictionary,
    StoredFile,
    StoredStrategy,
    Tensor,
)
from assembler.flair_checkpoints.pickles.rebuilds import KNOWN, RENAMED, Name
from assembler.flair_checkpoints.pickles.rejections import DamagedError, NotPlainError

if TYPE_CHECKING:
    from assembler.flair_checkpoints.pickles.cursor import Cursor

#: Lists, tables, tuples, tensors: a tensor needs about ten of them.
_MOST_CONTAINERS = 1 << 18
#: The greatest length of the name of a class or module.
_MOST_NAMED = 200
#: The greatest length of a table's key, and the most numbers among its keys. Python hashes numbers without a secret, so
#: a stranger can choose many with the same hash; each further one would then cost as much as all before it.
_LONGEST_KEY = 1 << 16
MOST_NUMBERS = 1 << 12
_LARGEST_NUMBER = 1 << 31

_CONTAINERS = frozenset({list, dict, set, StoredDictionary, StoredFile, StoredStrategy})


class Machine:
    """The stack and the memory of one pickle that is read.

    Attributes:
        byte: Returns the next byte of the pickle.
        storages: The storages that it declares, by key.
        tensors: The tensors that it describes.
    """

    def __init__(self, cursor: Cursor) -> None:
        """Begin at the place of the cursor."""
        self._cursor = cursor
        self.byte = cursor.byte
        self._stack: list[object] = []
        self._marks: list[int] = []
        self._memo: list[object] = []
        self._open: set[int] = set()  # the containers that may still be filled, by id
        self._numbers: dict[int, int] = {}  # the numbers among the keys of a table, by its id
        self._containers = 0
        self.storages: dict[str, Storage] = {}
        self.tensors: list[Tensor] = []

    def result(self) -> object:
        """Return the value of the pickle, after its last operation."""
        if len(self._stack) != 1 or self._marks:
            raise unbalanced()
        return self.pop()

    def push(self, value: object) -> None:
        """Put a value on the stack."""
        self._stack.append(value)

    def pop(self) -> object:
        """Take a value from the stack, down to the last mark. A container is then complete."""
        if len(self._stack) <= (self._marks[-1] if self._marks else 0):
            raise unbalanced()
        value = self._stack.pop()
        if type(value) in _CONTAINERS:
            self.close(value)
        return value

    def mark(self) -> None:
        """Remember the height of the stack."""
        self._marks.append(len(self._stack))
        if len(self._marks) > _MOST_CONTAINERS:
            raise _too_many()

    def above_mark(self) -> list[object]:
        """Take all values above the last mark from the stack. Containers among them are then complete."""
        if not self._marks:
            raise unbalanced()
        place = self._marks.pop()
        values = self._stack[place:]
        del self._stack[place:]
        for value in values:
            if type(value) in _CONTAINERS:
                self.close(value)
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
            self.close(value)
        self._stack.append(value)

    def enter(self, table: dict[object, object], key: object, value: object) -> None:
        """Put a pair into a table."""
        if type(key) is str or type(key) is bytes:
            if len(key) > _LONGEST_KEY:
                message = f"a key of a table has more than {_LONGEST_KEY} characters"
                raise DamagedError(message)
        elif type(key) is int and -_LARGEST_NUMBER < key < _LARGEST_NUMBER:
            count = self._numbers[id(table)] = self._numbers.get(id(table), 0) + 1
            if count > MOST_NUMBERS:
                message = f"a table has more than {MOST_NUMBERS} numbers as its keys"
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
        return text_of(self._cursor.line(_MOST_NAMED))

    @property
    def remaining(self) -> int:
        """The bytes up to the end of the pickle."""
        return self._cursor.remaining

    def close(self, value: object) -> None:
        """Let a container be filled no more."""
        self._open.discard(id(value))
        self._numbers.pop(id(value), None)


def unbalanced() -> DamagedError:
    """Return the error about a pickle that takes more values from the stack than it has put there."""
    return DamagedError("its pickle takes values that it has not read")


def _too_many() -> DamagedError:
    return DamagedError(f"its pickle has more than {_MOST_CONTAINERS} lists, tables and tensors")


def text_of(data: bytes) -> str:
    """Return bytes as text.

    Raises:
        DamagedError: They are none.
    """
    try:
        return data.decode("utf-8", "surrogatepass")  # as Python's pickles have it
    except UnicodeDecodeError as err:
        message = "a text in it is no UTF-8"
        raise DamagedError(message) from err
