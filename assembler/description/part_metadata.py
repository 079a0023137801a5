"""The `metadata_props` of exported files, which the assembled model keeps under the names of their parts.

They say where a file comes from, and what its numbers mean: `names` of a detector's classes, `author`, `license`. A
part that is an assembled model itself has entries of ours. In this record no host takes them for the model's own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from assembler.onnx_file.header import OnnxHeader
from assembler.surgery.stepwise import inner_stacks
from assembler.weights.several import SeveralWeights

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from assembler.core.values import Value
    from assembler.weights.protocol import Weights

#: The name of the record.
PART_METADATA = "part_metadata"
#: The most characters of an entry that is kept, and of all of them.
LONGEST, MOST = 1 << 16, 1 << 20


def describe_part_metadata(weights: Mapping[str, Weights]) -> dict[str, Value]:
    """Return the `part_metadata` record: nothing where no part comes from a file with metadata.

    Entries that are too long, or for which there is no room any more, are left out and named with their lengths.

    Args:
        weights: The weights of each part.
    """
    found: dict[str, Value] = {}
    room = MOST
    for part, metadata in _all(weights):
        entries: dict[str, Value] = {}
        left_out: dict[str, Value] = {}
        for key, value in sorted(metadata.items()):
            size = len(key) + len(value)
            if len(key) > LONGEST:
                continue
            if size > min(LONGEST, room):
                left_out[key] = len(value)
                size = len(key)
            else:
                entries[key] = value
            room = max(room - size, 0)
        found[part] = {"entries": entries, **({"left_out": left_out} if left_out else {})}
    return found


def _all(weights: Mapping[str, Weights]) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Yield the metadata of each file, by its part.

    Of a part with several files it is by part and parameter, of a part that is a stack by that part and the part in it.
    """
    for part, own in weights.items():
        files = own.parts if isinstance(own, SeveralWeights) else {"": own}
        for parameter, each in files.items():
            name = f"{part}.{parameter}" if parameter else part
            header = getattr(each, "header", None)
            if isinstance(header, OnnxHeader) and header.metadata:
                yield name, header.metadata
            for inner in inner_stacks(each):
                for below, metadata in _all(inner.weights()):
                    yield f"{name}.{below}", metadata
