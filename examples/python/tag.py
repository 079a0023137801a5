"""Tags sentences with a text model: numpy and onnxruntime, nothing else.

python tag.py MODEL < sentences.txt     # one a line, tokens separated by spaces
"""

import os
import sys

import numpy as np

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # before the library loads, which sends telemetry by default

import onnxruntime as ort


def code_points(sentences: list[str]) -> np.ndarray:
    """Return the code points of each sentence, int32 [sentences, characters], padded with 0."""
    text = np.zeros((len(sentences), max(map(len, sentences), default=0)), np.int32)
    for row, sentence in zip(text, sentences, strict=True):
        row[: len(sentence)] = [ord(character) for character in sentence]
    return text


def main() -> None:
    """Print each token with its label, and an empty line after each sentence."""
    sys.stdin.reconfigure(encoding="utf-8", newline="\n")  # a line ends at "\n" alone, U+2028 is a character
    sys.stdout.reconfigure(encoding="utf-8", newline="\n")
    sentences = [line.removesuffix("\n").removesuffix("\r") for line in sys.stdin]
    session = ort.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
    labels, lengths = session.run(["labels", "lengths"], {"text": code_points(sentences)})
    for sentence, row, length in zip(sentences, labels, lengths, strict=True):
        for token, label in zip(filter(None, sentence.split(" ")), row[:length], strict=True):
            print(f"{token}\t{label}")
        print()


if __name__ == "__main__":
    main()
