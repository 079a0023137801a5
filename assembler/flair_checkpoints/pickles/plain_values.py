"""The values in a checkpoint: Python's own plain values, and four classes of ours.

Text, bytes, numbers, `None`, lists, tuples, sets and tables are of exactly Python's types: a class derived from one of
them could show a check one value and flair another. Tables also represent `OrderedDict` and `defaultdict`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from assembler.flair_checkpoints.pickles.rejections import DamagedError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Bytes: TypeAlias = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Element:
    """The type of a tensor's elements.

    Attributes:
        name: Its name in torch.
        held: How numpy holds it, by its size in the file. numpy has no bfloat16: its bits are held.
    """

    name: str
    held: np.dtype[np.generic]

    @property
    def size(self) -> int:
        """The bytes of one element."""
        return self.held.itemsize


#: The elements by the class of a storage in torch.
ELEMENTS: Mapping[str, Element] = {
    "BFloat16Storage": Element("bfloat16", np.dtype(np.uint16)),
    "BoolStorage": Element("bool", np.dtype(np.bool_)),
    "ByteStorage": Element("uint8", np.dtype(np.uint8)),
    "CharStorage": Element("int8", np.dtype(np.int8)),
    "DoubleStorage": Element("float64", np.dtype(np.float64)),
    "FloatStorage": Element("float32", np.dtype(np.float32)),
    "HalfStorage": Element("float16", np.dtype(np.float16)),
    "IntStorage": Element("int32", np.dtype(np.int32)),
    "LongStorage": Element("int64", np.dtype(np.int64)),
    "ShortStorage": Element("int16", np.dtype(np.int16)),
}


@dataclass(frozen=True, slots=True)
class Storage:
    """A run of elements that a pickle declares; whether the file holds it is checked separately.

    Attributes:
        key: Its name in the file.
        element: The type of its elements.
        count: The number of them.
    """

    key: str
    element: Element
    count: int

    @property
    def size(self) -> int:
        """Its bytes."""
        return self.count * self.element.size


class Tensor:
    """A tensor: described while the pickle is read, an array when all checks have passed.

    Attributes:
        storage: The storage that holds its elements.
        shape: Its sizes.
        strides: Its steps, in elements.
        offset: Its first element.
    """

    __slots__ = ("_array", "offset", "shape", "storage", "strides")

    def __init__(self, storage: Storage, shape: tuple[int, ...], strides: tuple[int, ...], offset: int) -> None:
        """Describe a tensor that was found to be inside its storage."""
        self.storage = storage
        self.shape = shape
        self.strides = strides
        self.offset = offset
        self._array: NDArray[np.generic] | None = None

    @property
    def size(self) -> int:
        """The bytes of its elements, each counted."""
        count = self.storage.element.size
        for size in self.shape:
            count *= size
        return count

    @property
    def array(self) -> NDArray[np.generic]:
        """The elements. Tensors of one storage share its memory.

        Raises:
            DamagedError: The file does not hold them.
        """
        if self._array is None:
            message = "a tensor was declared and never stored"
            raise DamagedError(message)
        return self._array

    def look_at(self, content: Bytes) -> None:
        """Become an array on the bytes of the storage."""
        held, size = self.storage.element.held, self.storage.element.size
        if self.size == 0:
            self._array = np.empty(self.shape, held)
            return
        steps = tuple(step * size for step in self.strides)
        self._array = np.ndarray(self.shape, held, content.data, self.offset * size, steps)


class StoredDictionary:
    """flair's `Dictionary`, as its attributes.

    Attributes:
        attributes: The attributes by name; `None` until the pickle has set them.
    """

    __slots__ = ("attributes",)
    #: Those that flair has written, from 0.4 to 0.15.1 (data.py 51-160).
    KNOWN = frozenset({"item2idx", "idx2item", "add_unk", "multi_label", "span_labels", "item2idx_not_encoded"})

    def __init__(self) -> None:
        """Make one without attributes."""
        self.attributes: dict[str, object] | None = None

    def take(self, state: object) -> None:
        """Take the attributes.

        Raises:
            DamagedError: They are not flair's, or are set twice.
        """
        if self.attributes is not None or type(state) is not dict or not state.keys() <= self.KNOWN:
            message = "a dictionary of flair's has other attributes than flair writes"
            raise DamagedError(message)
        self.attributes = state


class StoredStrategy:
    """flair's `EntityTypeTaskPromptAugmentationStrategy`, as its attributes.

    Attributes:
        attributes: The attributes by name; `None` until the pickle has set them.
    """

    __slots__ = ("attributes",)
    #: All that flair writes (prefixed_tagger.py 113-118).
    KNOWN = frozenset({"entity_types", "task_prompt"})

    def __init__(self) -> None:
        """Make one without attributes."""
        self.attributes: dict[str, object] | None = None

    def take(self, state: object) -> None:
        """Take the attributes.

        Raises:
            DamagedError: They are not flair's, or are set twice.
        """
        if self.attributes is not None or type(state) is not dict or state.keys() != self.KNOWN:
            message = "an augmentation strategy of flair's has other attributes than flair writes"
            raise DamagedError(message)
        self.attributes = state


class StoredFile:
    """A file in memory (`io.BytesIO`).

    Attributes:
        content: Its bytes; `None` until the pickle has set them.
    """

    __slots__ = ("content",)

    def __init__(self) -> None:
        """Make one without content."""
        self.content: bytes | None = None

    def take(self, state: object) -> None:
        """Take the content from the state that `BytesIO` pickles: its bytes, the position, and its own attributes.

        Raises:
            DamagedError: It is something else, or is set twice.
        """
        parts = state if type(state) is tuple else ()
        if self.content is None and len(parts) == len(("bytes", "place", "attributes")):
            content, place, attributes = parts
            if type(content) is bytes and type(place) is int and not attributes:
                self.content = content
                return
        message = "a file in memory is not stored as Python stores one"
        raise DamagedError(message)
