"""Exports an encoder and a head from torch, each by itself, and writes the spec that joins them: to measure.

python tools/make_stack.py --width 768 --layers 6 FOLDER && assemble bench FOLDER/stack.yaml
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path

import torch


class Block(torch.nn.Module):
    """A layer of an encoder without attention: four times as wide inside, added to what it reads."""

    def __init__(self, width: int) -> None:
        """Make the layer."""
        super().__init__()
        self.norm = torch.nn.LayerNorm(width)
        self.inside = torch.nn.Sequential(
            torch.nn.Linear(width, 4 * width), torch.nn.GELU(), torch.nn.Linear(4 * width, width)
        )

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """Return float32 [rows, width] for the same."""
        found: torch.Tensor = states + self.inside(self.norm(states))
        return found


def export(module: torch.nn.Module, path: Path, names: tuple[str, str], width: int) -> None:
    """Write a module that reads float32 [rows, width]."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module.eval(),
            (torch.zeros(2, width),),
            path,
            dynamo=False,
            opset_version=17,
            input_names=[names[0]],
            output_names=[names[1]],
            dynamic_axes={name: {0: "rows"} for name in names},
        )


def main() -> None:
    """Write the files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--width", type=int, default=768)
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--classes", type=int, default=32)
    parser.add_argument("folder", type=Path)
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    encoder = torch.nn.Sequential(*(Block(given.width) for _ in range(given.layers)))
    head = torch.nn.Sequential(
        torch.nn.Linear(given.width, given.width), torch.nn.Tanh(), torch.nn.Linear(given.width, given.classes)
    )
    export(encoder, given.folder / "encoder.onnx", ("x", "states"), given.width)
    export(head, given.folder / "head.onnx", ("states", "scores"), given.width)
    (given.folder / "stack.yaml").write_text(
        "version: 1\nname: stack\nsources: {encoder: {onnx: encoder.onnx}, head: {onnx: head.onnx}}\n"
        f"inputs: {{x: {{type: float32, shape: [rows, {given.width}]}}}}\n"
        "graph:\n  encoder: {kind: onnx, weights: encoder, inputs: {x: x}}\n"
        "  head: {kind: onnx, weights: head, inputs: {states: encoder.states}}\n"
        "outputs: {scores: head.scores}\nproof: {sizes: {rows: [1, 8, 128]}}\n",
        encoding="utf-8",
    )


if __name__ == "__main__":
    main()
