"""An assembled model of several tasks inside flair: one object for all of them, and one run.

MT is flair 0.15.1's models/multitask_model.py.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from flair.models import MultitaskModel

from assembler.flair.adapters import adapter_of
from assembler.flair.assembled import Assembled
from assembler.flair.copying import changed
from assembler.flair.predicting import Asked, predict
from assembler.flair.refusals import refuse

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from flair.data import Sentence

    from assembler.interface.tasks import Task
    from assembler.runtime import Outcome, TaskRunner

_SETTLED = frozenset(["loss_factors", "use_all_tasks"])
#: The path of a part of a task of a MultitaskModel: `source.tasks.NAME.part`.
_OF_A_TASK = re.compile(r"\.tasks\.(.+)\.[^.]+$")


class OnnxMultitaskModel(Assembled, MultitaskModel):
    """A `MultitaskModel` whose numbers come from an assembled model, also of several models that were no such one.

    `tasks` has an adapter for each task, by the name that the task has in flair's MultitaskModel, else by that in the
    file. They share one loaded file, and `predict` runs it once for all.
    """

    settled = _SETTLED

    @classmethod
    def writes(cls, task: Task) -> bool:  # noqa: ARG003
        """Return yes: it leaves out the tasks that have no adapter."""
        return True

    @classmethod
    def is_of(cls, task: Task) -> bool:  # noqa: ARG003
        """Return no: every task is that of one of its models."""
        return False

    def _set_up(self) -> None:
        names = _names(self._runner)
        self.tasks: dict[str, Any] = {}
        for task in self._runner.tasks:
            adapter = adapter_of(task, self._runner.interface)
            if adapter is not None:
                self.tasks[names[task.name]] = adapter(self._runner, task.name)
        self.loss_factors = dict.fromkeys(self.tasks, 1.0)
        self.use_all_tasks = False
        self._label_type = [*self.tasks.values()][-1].label_type  # MT 60-62

    @classmethod
    def _chosen_task(cls, runner: TaskRunner, name: str | None) -> Any:  # noqa: ANN401 - each adapter knows its own
        if name is not None:
            message = f"OnnxMultitaskModel predicts all tasks; load '{name}' alone with Onnx… of its class"
            raise ValueError(message)
        return super()._chosen_task(runner, name)

    def predict(  # type: ignore[override] # flair names only what its tasks have in common: nothing
        self,
        sentences: Iterable[Sentence] | Sentence,
        mini_batch_size: int = 32,
        return_probabilities_for_all_classes: bool = False,  # noqa: FBT001, FBT002 - flair's signatures
        verbose: bool = False,  # noqa: FBT001, FBT002
        label_name: str | None = None,
        return_loss: bool = False,  # noqa: FBT001, FBT002
        embedding_storage_mode: str | None = "none",
        force_token_predictions: bool = False,  # noqa: FBT001, FBT002
    ) -> None:
        """Let every task predict, as `MultitaskModel.predict` does (MT 96-103), in one run.

        Arguments and errors are those of `Assembled.predict`. As in flair, all tasks write under `label_name` if it is
        given, so that each removes what the one before wrote to the same tokens or sentence.
        """
        refuse(return_loss, "a loss")
        models = [*self.tasks.values()]
        asked = [
            Asked(
                str(model.label_type) if label_name is None else label_name,
                return_probabilities_for_all_classes,
                force_token_predictions or not getattr(model, "predict_spans", True),
            )
            for model in models
        ]
        predict(models, sentences, asked, batch_size=mini_batch_size, verbose=verbose, storage=embedding_storage_mode)

    def evaluate(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401 - flair's own
        """Evaluate every task as flair does; the loss is NaN.

        Raises:
            NotImplementedError: With `return_loss=True`.
        """
        refuse(options.pop("return_loss", False), "a loss")
        return MultitaskModel.evaluate(self, *args, **options)

    def _write(self, sentence: Sentence, found: Outcome, asked: Asked) -> None:
        """Never called: the adapters of the tasks write."""
        raise NotImplementedError

    def _changed(self) -> list[str]:
        own = changed(self.__dict__, type(self)(self._runner).__dict__)
        return own + [f"{name}.{each}" for name, model in self.tasks.items() for each in model._changed()]  # noqa: SLF001

    def __reduce__(self) -> tuple[Any, ...]:
        """Return how to load it again: its file once, with what was set on it and on its tasks."""
        kind, (own_class, path, _, content, own) = super().__reduce__()
        own = {name: value for name, value in own.items() if name != "tasks"}
        of_tasks = {name: model.__reduce__()[1][-1] for name, model in self.tasks.items()}
        return _restored, (kind, (own_class, path, None, content, own), of_tasks)


def _restored(restore: Any, arguments: tuple[Any, ...], of_tasks: Mapping[str, dict[str, Any]]) -> OnnxMultitaskModel:  # noqa: ANN401
    model: OnnxMultitaskModel = restore(*arguments)
    for name, own in of_tasks.items():
        model.tasks[name].__dict__.update(own)
    return model


def _names(runner: TaskRunner) -> dict[str, str]:
    """Return for each task its name in the MultitaskModel that it comes from, else its own."""
    parts: Any = runner.metadata.get("parts") or []
    entries: Any = runner.metadata.get("tasks") or []
    weights = {part.get("id"): str(part.get("weights") or "") for part in parts}
    names = {task.name: task.name for task in runner.tasks}
    for entry in entries:
        found = _OF_A_TASK.search(weights.get(entry.get("node"), ""))
        if found is not None:
            names[entry["name"]] = found[1]
    return names if len(set(names.values())) == len(names) else {name: name for name in names}
