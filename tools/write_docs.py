"""Write docs/spec.md from the JSON Schema of the built-in kinds, and the drawing of the demo spec.

    python tools/write_docs.py [--check]

With --check nothing is written, and the exit code is 1 if a file is not what it would be.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assembler.drawing.svg import svg
from assembler.forms.registry import built_in_forms
from assembler.interface.fill_rules import RULES
from assembler.parts.registry import built_in_kinds
from assembler.spec.reading import load_spec
from assembler.spec.schema import build_schema, source_of
from assembler.wiring.graph import wire

if TYPE_CHECKING:
    from collections.abc import Iterator

Json = dict[str, Any]

_ROOT = Path(__file__).resolve().parent.parent
_INTRODUCTION = """\
# The spec language, version 1

A **stack spec** is a YAML file that says how separately exported subgraphs are stitched into one ONNX model. This page is
made from the JSON Schema (`assemble schema`) by `make docs`; editors that know `yaml-language-server` complete and check
specs with the first line

```yaml
# yaml-language-server: $schema=../assembler/spec/stack.v1.schema.json
```

- **Names** of parts, inputs and outputs are letters, digits and underscores. Parts and inputs share one space of names.
- **References** are `part.port`, or the name of an input.
- **Dims** that change from run to run have names; dims of one name have one size. A fixed size is a number.
- **Paths** are relative to the spec. One that leaves its folder is refused by `assemble check --strict`.
- **YAML** is read as its version 1.2 has it (`no` is text, `1e-5` a number), without tags, anchors, aliases, duplicate
  keys or several documents, up to 1 MiB, 30,000 keys and values, and 24 levels.
- Keys that begin with `x-` are yours: the assembler does not read them. Any other unknown key is an error.
"""
_INTERFACE = """\
## How a host fills an input

The wiring tells how each input is filled, and the model carries it in its metadata (`assembler.interface`). `fill` says
it where the wiring does not.

| rule | what the host feeds, int64 | derived where the input feeds |
|---|---|---|
{rules}

`docs/hosts.md` shows how a host computes them.
"""


def spec_page() -> str:
    """Return the text of docs/spec.md."""
    schema = build_schema(built_in_kinds(), built_in_forms())
    properties: Json = schema["properties"]  # type: ignore[assignment]
    lines = [_INTRODUCTION, "## The keys of a spec", "", *_table(properties, schema["required"])]
    for name in ("sources", "inputs", "proof"):
        lines += [f"## `{name}`", ""]
        lines += _section(properties[name])
    lines += ["## `graph`", "", "Each entry is one part. Besides the parameters of its kind it has", ""]
    lines += [
        "- `kind`: what it is;",
        "- `inputs`: what feeds each port, or a list for the only port of a kind;",
        "- `weights`: for kinds that need them, the source, or a path into one: `tagger.embeddings.0`, `tagger.head`;",
        "- `description`: a sentence.",
        "",
        _INTERFACE.format(rules=_rules()),
        "## The kinds",
        "",
    ]
    for kind in built_in_kinds().values():
        lines += [f"### `{kind.name}`", "", kind.summary, "", *_ports(kind.name), "```yaml", "part:"]
        lines += [f"  {key}: {_yaml(value)}" for key, value in kind.example.items()]
        lines += ["```", ""]
        if kind.parameters:
            lines += _table(dict(kind.parameters), list(kind.required))
    return "\n".join(lines).rstrip() + "\n"


_PORTS = {
    "char_lm": "`characters` int64 [characters, sentences], `lengths` int64 [sentences] → `states` float32 [characters, "
    "sentences, hidden]. States after a text's own length are meaningless.",
    "embedding": "`words` int64 [rows] → `rows` float32 [rows, features].",
    "piece_embedding": "`pieces` int64 [rows, 2] → `rows` float32 [rows, 2 * features].",
    "gather": "`states` [.., features], `indices` int64 [rows] → `rows` [rows, features].",
    "concat": "`inputs`, a list of tensors that agree in all other axes → `rows`.",
    "tagger_head": "`embeddings` float32 [rows, features], or padded [sentences, tokens, features]; `lengths` int64 "
    "[sentences] → `scores` float32 [sentences, tokens], `prediction` int64 [sentences, tokens], `emissions` float32 "
    "[sentences, tokens, labels]. Values after a sentence's own length are meaningless. For hosts that want more, as "
    "outputs: `class_probabilities` float32 [sentences, tokens, labels] where there is no CRF, and `embeddings` float32 "
    "[sentences, tokens, features], both 0 after a sentence's own length.",
    "crf": "`emissions` float32 [sentences, tokens, labels], `lengths` int64 [sentences] → `scores` float32 [sentences, "
    "tokens], `prediction` int64 [sentences, tokens], both 0 after a sentence's own length. For hosts that want more, as "
    "an output: `class_probabilities` float32 [sentences, tokens, labels], 0 there too. As in flair, the decoded class has "
    "the largest number of its token, exchanged with that of the most probable class where that is another.",
    "transformer": "`subtokens`, `mask`, both int64 [pieces, subtokens] → `states` float32 [pieces, subtokens, features].",
    "subtoken_pooling": "`states` float32 [pieces, subtokens, features], and by `pooling`: `first` int64 [rows], `last` "
    "int64 [rows], both of them, or for `mean` `words` int64 [pieces, subtokens] and `lengths` int64 [sentences] → `rows` "
    "float32 [rows, features]; of `first_last` twice the features.",
    "word_layers": "`embeddings` float32 [rows, features] → `rows` float32 [rows, features].",
    "document_pool": "`embeddings` float32 [rows, features], or padded [sentences, tokens, features]; `lengths` int64 "
    "[sentences] → `documents` float32 [sentences, features].",
    "document_rnn": "`embeddings` float32 [rows, features], or padded [sentences, tokens, features]; `lengths` int64 "
    "[sentences] → `documents` float32 [sentences, features].",
    "text_head": "`documents` float32 [sentences, features] → `probabilities`, `emissions`, both float32 [sentences, "
    "classes]. As an output for hosts: `embeddings`, the documents again.",
    "text_tokens": "`text` int32 [sentences, characters], code points → `text` int64 [sentences, text_characters]; "
    "`sizes`, `counts`, `lengths`, each int64 [sentences]; `starts`, `ends`, both int64 [total_tokens].",
    "text_characters": "`text` int64 [sentences, characters], `sizes` int64 [sentences] → `characters` int64 "
    "[lm_characters, sentences], `lengths` int64 [sentences].",
    "text_indices": "`starts`, `ends`, both int64 [total_tokens]; `sizes`, `counts`, both int64 [sentences] → `indices` "
    "int64 [total_tokens].",
    "labels": "`prediction` int64 [sentences, tokens], `scores` float32 [sentences, tokens], `lengths` int64 [sentences] "
    "→ `labels` string, `scores` float32, `prediction` int64, each [sentences, tokens].",
    "spans": "`prediction` int64 [sentences, tokens], `scores` float32 [sentences, tokens], `lengths` int64 [sentences] → "
    "`sentence`, `start`, `end`, each int64 [spans]; `label` string [spans], `score` float64 [spans].",
    "onnx": "those of the file.",
    "if": "`condition` bool [], and the inputs of both graphs → the outputs that both have.",
    "loop": "the inputs of the graph, those that are scanned with an axis more; without `scan`, `steps` int64 [] → the "
    "last value of each state, under the name of its input; what is collected, with an axis more.",
    "spec": "the inputs and outputs of the spec.",
    "constant": "nothing → `tensor`.",
    "arithmetic": "`left`, `right` → `tensor`.",
}


def _rules() -> str:
    return "\n".join(f"| `{rule.name}` | {rule.summary} | {rule.derived} |" for rule in RULES.values())


def _ports(kind: str) -> list[str]:
    return [f"Ports: {_PORTS.get(kind, '`tensor` → `tensor`.')}", ""]


def _section(schema: Json) -> list[str]:
    lines = [schema["description"], ""]
    item = schema.get("additionalProperties")
    target = item if isinstance(item, dict) else schema
    if "then" in target:
        for form in built_in_forms().values():
            branch: Json = source_of(form)
            lines += [f"{form.title[:1].upper()}{form.title[1:]}:", "", *_table(branch["properties"], [form.name])]
        return lines
    return [*lines, *_table(target["properties"], target.get("required", []))]


def _table(properties: Json, required: object) -> list[str]:
    needed = required if isinstance(required, list) else []
    rows = ["| key | what it is | example |", "|---|---|---|"]
    for name, schema in properties.items():
        notes = [schema["description"]]
        notes += ["Required."] if name in needed else []
        notes += [f"Default: `{_yaml(schema['default'])}`."] if "default" in schema else []
        listed = [f"`{value}`" for value in schema.get("enum", ()) if "(" not in str(value)]
        notes += [f"One of: {', '.join(listed)}."] if listed else []
        rows.append(f"| `{name}` | {' '.join(notes)} | `{_yaml(schema['examples'][0])}` |")
    return [*rows, ""]


def _yaml(value: object) -> str:
    """Return a value as flow YAML."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_yaml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return f"[{', '.join(_yaml(item) for item in value)}]"
    return value if isinstance(value, str) else json.dumps(value)


def pages() -> Iterator[tuple[Path, str]]:
    """Yield each generated file and what it should hold."""
    yield _ROOT / "docs" / "spec.md", spec_page()
    if "--check" not in sys.argv[1:]:  # its bytes depend on the release of matplotlib
        demo = load_spec(_ROOT / "specs" / "demo-pos.yaml")
        yield _ROOT / "docs" / "demo-pos.svg", svg(wire(demo))


def main() -> int:
    """Write or check the files."""
    stale = [(path, text) for path, text in pages() if not path.exists() or path.read_text(encoding="utf-8") != text]
    for path, text in stale:
        if "--check" in sys.argv[1:]:
            print(f"{path.relative_to(_ROOT)} is not up to date: make docs")
        else:
            path.write_text(text, encoding="utf-8")
            print(f"{path.relative_to(_ROOT)} written")
    return 1 if stale and "--check" in sys.argv[1:] else 0


if __name__ == "__main__":
    sys.exit(main())
