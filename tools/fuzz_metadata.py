"""Read the metadata of a model with things changed in it, and see that each is read or refused with a code.

    python tools/fuzz_metadata.py MODEL.onnx --inputs 100000

What was read then encodes some sentences. Values are replaced by others of all types, left out, doubled, nested or made huge, and the text of entries is cut. The
exit code is 1 where anything but a `ModelError` came out.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assembler.runtime import ModelError
from assembler.runtime.encoding import encode
from assembler.runtime.metadata import Metadata
from assembler.workflows.inspection import model_header

if TYPE_CHECKING:
    from collections.abc import Mapping

_ODD: tuple[object, ...] = (
    None, True, False, 0, -1, 1, 2**31, 2**63, -(2**63), 10**400, 0.5, 1e308, "", "x", "\0", "\x1b[31m", "\ud800", "a" * 10_000,
    [], {}, [[]], [None], {"": None}, [1] * 1000, ["x"] * 1000, "tokens", "sentences", "forward", "hash", "pieces",
)  # fmt: skip
#: What is fed to a model whose metadata were read.
_SENTENCES = (("Der", "Hund", "bellt", "."), ("schläft",), ("1999", "😀", "\u200b", "x" * 300))
_TEXTS = (
    "1e999",
    "NaN",
    "-Infinity",
    "[" * 100_000,
    '{"a":' * 50_000,
    "9" * 5000,
    "",
    "nul",
    '"\\ud800"',
    "[]",
    "{}",
    "5",
)


def fuzzed(properties: Mapping[str, str], inputs: int, seed: int) -> Counter[str]:
    """Return how often each thing happened: `read`, a code, or the name of another error."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    keys = sorted(key for key in properties if key.startswith("assembler."))
    seen: Counter[str] = Counter()
    for _ in range(inputs):
        changed = dict(properties)
        for _ in range(chance.randint(1, 3)):
            key = chance.choice(keys)
            changed[key] = _changed(properties[key], chance)
        try:
            interface = Metadata.read(changed, "m.onnx").interface
            seen["read"] += 1
            encode(interface, _SENTENCES)
        except ModelError as err:
            seen[err.problems[0].code] += 1
        except BaseException as err:
            if isinstance(err, KeyboardInterrupt):
                raise
            seen[f"FOREIGN {type(err).__name__}: {err}"[:200]] += 1
    return seen


def _changed(text: str, chance: random.Random) -> str:
    kind = chance.randrange(10)
    if kind == 0:
        return chance.choice(_TEXTS)
    if kind == 1:
        return text[: chance.randrange(len(text) + 1)]
    value = json.loads(text)
    place: Any = value
    parents: list[tuple[Any, Any]] = []
    while isinstance(place, dict | list) and place and (not parents or chance.random() < 0.8):  # noqa: PLR2004
        key = chance.choice(sorted(place)) if isinstance(place, dict) else chance.randrange(len(place))
        parents.append((place, key))
        place = place[key]
    if not parents:
        return json.dumps(chance.choice(_ODD))
    parent, key = parents[-1]
    if isinstance(place, str) and place.startswith("{"):  # the JSON of a tokeniser is text in JSON
        parent[key] = _changed(place, chance)
    elif isinstance(place, str) and place and kind >= 7:  # noqa: PLR2004 - one way of several
        cut = chance.randrange(len(place))
        parent[key] = place[:cut] + chance.choice('A=x0"\ud800') + place[cut + 1 :]
    elif kind == 2:  # noqa: PLR2004 - one way of several
        del parent[key]
    elif kind == 3 and isinstance(parent, list):  # noqa: PLR2004
        parent.append(parent[key])
    else:
        parent[key] = chance.choice(_ODD)
    return json.dumps(value)


def main() -> None:
    """Change, read, and print what happened."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--inputs", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()
    seen = fuzzed(model_header(arguments.model).metadata, arguments.inputs, arguments.seed)
    print(f"{arguments.inputs} inputs: {', '.join(f'{count} {what}' for what, count in sorted(seen.items()))}")
    sys.exit(any(what.startswith("FOREIGN") for what in seen))


if __name__ == "__main__":
    main()
