"""Stacks that people build, of tiny networks that torch exports, compared with torch."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
import onnxruntime as ort
import pytest
import torch
from torch import nn
from torch.nn import functional

from tests.assembly.test_control_kinds import READER, written

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.assembly.conftest import Workshop

#: The axes whose sizes stay open, by the names of inputs and outputs.
Axes = "Mapping[str, Mapping[int, str]]"


def exported(
    path: Path, net: nn.Module, fed: Sequence[torch.Tensor], inputs: Sequence[str], outputs: Sequence[str], axes: Axes
) -> None:
    """Export a network as torch's exporter of ONNX does that needs no further package."""
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            net.eval(), tuple(fed), str(path), input_names=[*inputs], output_names=[*outputs],
            dynamic_axes={name: dict(own) for name, own in axes.items()}, opset_version=17, dynamo=False,
        )  # fmt: skip


def run(path: Path, **inputs: torch.Tensor) -> dict[str, np.ndarray]:
    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    fed = {name: tensor.numpy() for name, tensor in inputs.items()}
    return dict(zip([port.name for port in session.get_outputs()], session.run(None, fed), strict=True))


def proven(shop: Workshop, spec: Path) -> Path:
    found = shop.build(spec)
    assert found.proven is not None
    return found.path


@pytest.fixture(autouse=True)
def _same_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw the same numbers in each test, and run encoders by operators that the exporter knows."""
    torch.manual_seed(11)
    monkeypatch.setattr(torch.backends.mha, "get_fastpath_enabled", lambda: False)


class Detector(nn.Module):
    """Gives boxes, and the score of each, for an image of any size."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 4, 3, stride=8, padding=1), nn.SiLU(), nn.Conv2d(4, 5, 1))

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        found = self.body(image)
        rows, columns = found.shape[2], found.shape[3]
        y = torch.arange(rows).float().view(1, rows, 1).expand(1, rows, columns) * 8
        x = torch.arange(columns).float().view(1, 1, columns).expand(1, rows, columns) * 8
        corner = torch.stack([x, y], dim=1) + found[:, :2].sigmoid() * 2
        size = 4 + found[:, 2:4].sigmoid() * 8
        boxes = torch.cat([corner, corner + size], dim=1).flatten(2).transpose(1, 2)
        return boxes, found[:, 4:].sigmoid().flatten(2)


class Recogniser(nn.Module):
    """Reads a crop column by column with a GRU."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.gru = nn.GRU(16, 6, bidirectional=True, batch_first=True)
        self.out = nn.Linear(12, 9)

    def forward(self, crop: torch.Tensor) -> torch.Tensor:
        columns = torch.relu(self.conv(crop)).flatten(1, 2).transpose(1, 2)
        return self.out(self.gru(columns)[0]).argmax(2)


def test_a_detector_its_boxes_and_a_recogniser(shop: Workshop, tmp_path: Path) -> None:
    detector, recogniser = Detector(), Recogniser()
    sizes = {2: "height", 3: "width"}
    exported(tmp_path / "detector.onnx", detector, [torch.rand(1, 3, 32, 40)], ["image"], ["boxes", "scores"],
             {"image": sizes, "boxes": {1: "found"}, "scores": {2: "found"}})  # fmt: skip
    exported(tmp_path / "recogniser.onnx", recogniser, [torch.rand(2, 3, 4, 6)], ["crop"], ["text"],
             {"crop": {0: "crops"}, "text": {0: "crops"}})  # fmt: skip
    path = proven(shop, written(tmp_path, "s.yaml", READER))
    image = torch.rand(1, 3, 32, 48)
    with torch.no_grad():
        boxes, scores = detector(image)
        kept = suppressed(boxes[0], scores[0, 0], 3)
        crops = aligned(image, boxes[0][kept])
        text = recogniser(crops)
    given = run(path, image=image)
    np.testing.assert_allclose(given["boxes"], boxes[0][kept].numpy(), rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(given["text"], text.numpy())


def suppressed(boxes: torch.Tensor, scores: torch.Tensor, most: int) -> list[int]:
    """Return the best boxes that do not lie over a better one."""
    kept: list[int] = []
    for place in scores.argsort(descending=True).tolist():
        if len(kept) < most and all(overlap(boxes[place], boxes[other]) <= 0.5 for other in kept):
            kept.append(place)
    return kept


def overlap(one: torch.Tensor, other: torch.Tensor) -> float:
    low, high = torch.maximum(one[:2], other[:2]), torch.minimum(one[2:], other[2:])
    shared = (high - low).clamp(min=0).prod()
    return float(shared / ((one[2:] - one[:2]).prod() + (other[2:] - other[:2]).prod() - shared))


def aligned(image: torch.Tensor, boxes: torch.Tensor) -> torch.Tensor:
    """Return crops of 4 by 6, each value the mean of four samples between the pixels, as RoiAlign gives them."""
    crops = []
    for left, top, right, bottom in boxes.tolist():
        y = top - 0.5 + (torch.arange(8) + 0.5) * (bottom - top) / 8
        x = left - 0.5 + (torch.arange(12) + 0.5) * (right - left) / 12
        height, width = image.shape[2:]
        grid = torch.stack(
            torch.meshgrid(x.clamp(0, width - 1) / (width - 1), y.clamp(0, height - 1) / (height - 1), indexing="xy"),
            -1,
        )
        fine = functional.grid_sample(image, (grid * 2 - 1)[None], align_corners=True)
        crops.append(functional.avg_pool2d(fine, 2)[0])
    return torch.stack(crops)


class Preprocessing(nn.Module):
    """Makes an image of bytes as an encoder wants it."""

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        image = functional.interpolate(pixels.permute(0, 3, 1, 2).float(), size=(16, 16), mode="bilinear")
        return (image / 255 - 0.5) / 0.25


class Patches(nn.Module):
    """Encodes an image by attention between its patches."""

    def __init__(self) -> None:
        super().__init__()
        self.cut = nn.Conv2d(3, 8, 8, stride=8)
        self.layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, dropout=0.0)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        patches: torch.Tensor = self.layer(self.cut(image).flatten(2).transpose(1, 2))
        return patches.mean(1)


PREPROCESSED = """
sources: {before: {onnx: before.onnx}, encoder: {onnx: encoder.onnx}}
inputs: {pixels: {type: uint8, shape: [images, height, width, 3], range: [0, 255]}}
graph:
  before: {kind: onnx, weights: before, inputs: {pixels: pixels}}
  encode: {kind: onnx, weights: encoder, inputs: {image: before.image}}
outputs: {embedding: encode.embedding}
proof: {sizes: {images: [1, 3], height: [12, 24], width: [20, 16]}}
"""


def test_an_image_is_preprocessed_before_its_encoder(shop: Workshop, tmp_path: Path) -> None:
    before, encoder = Preprocessing(), Patches()
    pixels = torch.randint(0, 256, (2, 20, 30, 3), dtype=torch.uint8)
    exported(tmp_path / "before.onnx", before, [pixels], ["pixels"], ["image"],
             {"pixels": {0: "n", 1: "h", 2: "w"}, "image": {0: "n"}})  # fmt: skip
    exported(tmp_path / "encoder.onnx", encoder, [torch.rand(2, 3, 16, 16)], ["image"], ["embedding"],
             {"image": {0: "n"}, "embedding": {0: "n"}})  # fmt: skip
    path = proven(shop, written(tmp_path, "s.yaml", PREPROCESSED))
    with torch.no_grad():
        wanted = encoder.eval()(before(pixels)).numpy()
    np.testing.assert_allclose(run(path, pixels=pixels)["embedding"], wanted, rtol=1e-4, atol=1e-4)


class Encoder(nn.Module):
    """One layer of attention, of texts of any length."""

    def __init__(self) -> None:
        super().__init__()
        self.queries, self.keys, self.values, self.norm = (
            nn.Linear(8, 8),
            nn.Linear(8, 8),
            nn.Linear(8, 8),
            nn.LayerNorm(8),
        )

    def forward(self, source: torch.Tensor) -> torch.Tensor:
        weights = torch.softmax(self.queries(source) @ self.keys(source).transpose(1, 2) / 8**0.5, -1)
        normed: torch.Tensor = self.norm(source + weights @ self.values(source))
        return normed


class Decoder(nn.Module):
    """A decoder of one layer, whose keys and values are its past."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(12, 8)
        self.keys, self.values, self.memory, self.out = (
            nn.Linear(8, 8),
            nn.Linear(8, 8),
            nn.Linear(8, 8),
            nn.Linear(8, 12),
        )

    def forward(
        self, memory: torch.Tensor, tokens: torch.Tensor, past_keys: torch.Tensor, past_values: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        x = self.embed(tokens)
        keys, values = torch.cat([past_keys, self.keys(x)], 1), torch.cat([past_values, self.values(x)], 1)
        x = x + torch.softmax(x @ keys.transpose(1, 2) / 8**0.5, -1) @ values
        x = x + torch.softmax(x @ memory.transpose(1, 2), -1) @ self.memory(memory)
        return self.out(x), keys, values


class First(nn.Module):
    """The same decoder without a past."""

    def __init__(self, decoder: Decoder) -> None:
        super().__init__()
        self.decoder = decoder

    def forward(self, memory: torch.Tensor, tokens: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        none = memory.new_zeros(memory.shape[0], 0, 8)
        given: tuple[torch.Tensor, torch.Tensor, torch.Tensor] = self.decoder(memory, tokens, none, none)
        return given


TRANSLATED = """
sources: {encoder: {onnx: encoder.onnx}, first: {onnx: first.onnx}, next: {onnx: next.onnx}}
inputs:
  source: {type: float32, shape: [batch, pieces, 8]}
  tokens: {type: int64, shape: [batch, tokens], range: [0, 11]}
  keys: {type: float32, shape: [batch, seen, 8]}
  values: {type: float32, shape: [batch, seen, 8]}
  has_past: {type: bool, shape: []}
graph:
  encode: {kind: onnx, weights: encoder, inputs: {source: source}}
  decode:
    kind: if
    then: next
    else: first
    dims: {keys.1: known, values.1: known}
    inputs: {condition: has_past, memory: encode.memory, tokens: tokens, past_keys: keys, past_values: values}
outputs: {logits: decode.logits, new_keys: decode.keys, new_values: decode.values}
"""


def test_an_encoder_and_a_decoder_with_and_without_past(shop: Workshop, tmp_path: Path) -> None:
    encoder, decoder = Encoder(), Decoder()
    memory, tokens, past = torch.rand(2, 5, 8), torch.randint(0, 12, (2, 1)), torch.rand(2, 3, 8)
    open_ = {"memory": {0: "b", 1: "m"}, "tokens": {0: "b", 1: "t"}, "logits": {0: "b", 1: "t"}}
    open_ |= {"keys": {0: "b", 1: "k"}, "values": {0: "b", 1: "k"}}
    outputs = ["logits", "keys", "values"]
    exported(tmp_path / "encoder.onnx", encoder, [torch.rand(2, 5, 8)], ["source"], ["memory"],
             {"source": {0: "b", 1: "m"}, "memory": {0: "b", 1: "m"}})  # fmt: skip
    exported(tmp_path / "first.onnx", First(decoder), [memory, tokens], ["memory", "tokens"], outputs, open_)
    exported(tmp_path / "next.onnx", decoder, [memory, tokens, past, past],
             ["memory", "tokens", "past_keys", "past_values"], outputs,
             {**open_, "past_keys": {0: "b", 1: "p"}, "past_values": {0: "b", 1: "p"}})  # fmt: skip
    path = proven(shop, written(tmp_path, "s.yaml", TRANSLATED))
    source, keys, values = torch.rand(2, 4, 8), torch.rand(2, 3, 8), torch.rand(2, 3, 8)
    with torch.no_grad():
        memory = encoder.eval()(source)
        wanted = {True: decoder(memory, tokens, keys, values), False: First(decoder)(memory, tokens)}
    for has_past, tensors in wanted.items():
        given = run(path, source=source, tokens=tokens, keys=keys, values=values, has_past=torch.tensor(has_past))
        for (name, array), tensor in zip(given.items(), tensors, strict=True):
            np.testing.assert_allclose(array, tensor.numpy(), rtol=1e-4, atol=1e-4, err_msg=f"{name}, {has_past}")


class Voice(nn.Module):
    """Hears whether somebody speaks in a frame, with the two states of an LSTM."""

    def __init__(self) -> None:
        super().__init__()
        self.cut = nn.Conv1d(1, 6, 8, stride=4)
        self.lstm = nn.LSTM(6, 5)
        self.out = nn.Linear(5, 1)

    def forward(
        self, frame: torch.Tensor, h: torch.Tensor, c: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        heard = torch.relu(self.cut(frame.unsqueeze(1))).permute(2, 0, 1)
        rows, (h, c) = self.lstm(heard, (h, c))
        return torch.sigmoid(self.out(rows[-1])), h, c


HEARD = """
sources: {voice: {onnx: voice.onnx}}
inputs:
  audio: {type: float32, shape: [batch, frames, 32]}
  h: {type: float32, shape: [1, batch, 5]}
  c: {type: float32, shape: [1, batch, 5]}
graph:
  listen:
    kind: loop
    weights: voice
    states: {h: new_h, c: new_c}
    scan: [frame]
    collect: [speaks]
    axis: 1
    inputs: {frame: audio, h: h, c: c}
outputs: {speaks: listen.speaks, last_h: listen.h, last_c: listen.c}
"""


def test_a_voice_detector_keeps_the_states_of_its_lstm(shop: Workshop, tmp_path: Path) -> None:
    voice = Voice()
    state = {1: "b"}
    exported(tmp_path / "voice.onnx", voice, [torch.rand(2, 32), torch.rand(1, 2, 5), torch.rand(1, 2, 5)],
             ["frame", "h", "c"], ["speaks", "new_h", "new_c"],
             {"frame": {0: "b"}, "speaks": {0: "b"}, **dict.fromkeys(("h", "c", "new_h", "new_c"), state)})  # fmt: skip
    path = proven(shop, written(tmp_path, "s.yaml", HEARD))
    audio, h, c = torch.rand(3, 6, 32) - 0.5, torch.rand(1, 3, 5), torch.rand(1, 3, 5)
    given = run(path, audio=audio, h=h, c=c)
    with torch.no_grad():
        rows = []
        for frame in audio.unbind(1):
            row, h, c = voice(frame, h, c)
            rows.append(row)
    np.testing.assert_allclose(given["speaks"], torch.stack(rows, 1).numpy(), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(given["last_h"], h.numpy(), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(given["last_c"], c.numpy(), rtol=1e-4, atol=1e-5)


AVERAGED = """
sources: {one: {onnx: one.onnx}, two: {onnx: two.onnx}, three: {onnx: three.onnx}}
inputs: {image: {type: float32, shape: [n, 3, 16, 16]}}
graph:
  one: {kind: onnx, weights: one, inputs: {image: image}}
  two: {kind: onnx, weights: two, inputs: {image: image}}
  three: {kind: onnx, weights: three, inputs: {image: image}}
  mean: {kind: operator, op: Mean, inputs: {data_0: [one.scores, two.scores, three.scores]}}
outputs: {scores: mean.mean}
"""


def test_an_ensemble_of_networks_is_averaged(shop: Workshop, tmp_path: Path) -> None:
    nets = [nn.Sequential(nn.Conv2d(3, 4, 5, stride=4), nn.BatchNorm2d(4), nn.GELU(), nn.Flatten(), nn.Linear(36, 5),
                          nn.Softmax(1)) for _ in range(3)]  # fmt: skip
    for name, net in zip(("one", "two", "three"), nets, strict=True):
        exported(tmp_path / f"{name}.onnx", net, [torch.rand(2, 3, 16, 16)], ["image"], ["scores"],
                 {"image": {0: "n"}, "scores": {0: "n"}})  # fmt: skip
    path = proven(shop, written(tmp_path, "s.yaml", AVERAGED))
    image = torch.rand(4, 3, 16, 16)
    with torch.no_grad():
        wanted = torch.stack([net.eval()(image) for net in nets]).mean(0)
    np.testing.assert_allclose(run(path, image=image)["scores"], wanted.numpy(), rtol=1e-4, atol=1e-6)
