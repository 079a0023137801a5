"""What an assembled model cannot do inside flair, and says so when it is asked for."""

from __future__ import annotations

from typing import Any

import torch


def refuse(asked: bool, what: str) -> None:  # noqa: FBT001 - reads as a sentence
    """Refuse what needs the weights in torch.

    Raises:
        NotImplementedError: It is asked for.
    """
    if asked:
        message = f"an assembled model gives no {what.removeprefix('a ').removeprefix('the ')}"
        raise NotImplementedError(message)


class Settled(torch.nn.Module):
    """Refuses to set what an assembled model cannot follow: flair would, and silence would look like it."""

    #: What flair's own class has and an assembled model has settled.
    settled: frozenset[str] = frozenset()

    def __setattr__(self, name: str, value: Any) -> None:  # noqa: ANN401 - torch's signature
        """Set an attribute.

        Raises:
            NotImplementedError: It is one that flair's class follows, and that is settled in an assembled model.
        """
        if name in self.settled and self.__dict__.get("_loaded", False):
            message = f"'{name}' cannot be set: it is settled in an assembled model; set it in flair and assemble again"
            raise NotImplementedError(message)
        super().__setattr__(name, value)


class WithoutTorch(Settled):
    """Refuses what flair's models do with their weights in torch."""

    def forward(self, *_: Any, **__: Any) -> Any:  # noqa: ANN401 - flair's own
        """Refuse: there are no layers in torch."""
        refuse(True, "a forward pass in torch")  # noqa: FBT003

    def forward_loss(self, *_: Any, **__: Any) -> Any:  # noqa: ANN401 - flair's own
        """Refuse: an assembled model cannot be trained."""
        refuse(True, "training")  # noqa: FBT003

    def _get_state_dict(self) -> dict[str, Any]:
        """Refuse: that is what a checkpoint of flair holds."""
        refuse(True, "a checkpoint in torch; `save` copies the .onnx file")  # noqa: FBT003
        return {}
