"""What all assembled models inside flair have in common: a file, a task of it, and what `predict` does with sentences.

An adapter is a class of its own for each class of flair's: it says which tasks are that class's, and writes what was
found to a sentence as that class does. All else is here.
"""

from __future__ import annotations

import os
from abc import abstractmethod
from copy import deepcopy
from math import nan
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import torch
from flair.data import Dictionary

from assembler.flair.copying import changed, copy_file
from assembler.flair.predicting import Asked, predict
from assembler.flair.refusals import WithoutTorch, refuse
from assembler.flair.stored_vectors import OnnxEmbeddings
from assembler.runtime import TaskRunner, Wanted

if TYPE_CHECKING:
    from collections.abc import Iterable

    from flair.data import Sentence

    from assembler.interface.tasks import Task
    from assembler.runtime import Outcome

#: What belongs to the file, and is loaded from it: not pickled, and shared by copies.
_OF_THE_FILE = frozenset({"_runner", "_task"})


class Assembled(WithoutTorch):
    """An assembled model as one of flair's classes, to be named before that class among the bases."""

    label_dictionary: Dictionary
    #: Whether it is for models that read sentences behind a prompt.
    prompted: ClassVar[bool] = False
    #: Whether it is for models that read a label beside each text.
    label_pairs: ClassVar[bool] = False

    def __init__(self, runner: TaskRunner, task: str | None = None) -> None:
        """Take a loaded model; `load` is the usual way.

        Args:
            runner: The model.
            task: Which of its tasks predicts, by name; by default the first that this class can write.

        Raises:
            ValueError: It has no such task.
        """
        torch.nn.Module.__init__(self)  # that of flair's class would make the layers
        self._runner = runner
        self._path = os.path.abspath(runner.file)  # noqa: PTH100 - as text: a pickle holds it
        self._task = self._chosen_task(runner, task)
        self.label_dictionary = Dictionary(add_unk=False)
        for label in self._task.labels:
            self.label_dictionary.add_item(label)
        self._set_up()
        self.eval()
        self._loaded = True

    @classmethod
    def load(
        cls, model_path: str | os.PathLike[str] | dict[str, Any], *, task: str | None = None, verify: bool = True
    ) -> Self:
        """Load an assembled model.

        Args:
            model_path: The `.onnx` file.
            task: Which of the model's tasks predicts, by its name; by default the first that this class can write.
            verify: Whether to look first if the file is whole.

        Raises:
            ValueError: The model has no such task.
            ModelError: It is no model of ours, or has no task (M010 to M014), or is damaged (M021, M022).
            TypeError: It is not a path.
        """
        if not isinstance(model_path, str | os.PathLike):
            message = f"expected the path of an assembled model, got {type(model_path).__name__}"
            raise TypeError(message)
        return cls(TaskRunner(Path(model_path), verify=verify), task)

    @staticmethod
    def _fetch_model(model_name: str) -> str:
        """Return a name unchanged: flair asks every class whether it knows a name, and these know none."""
        return model_name

    @classmethod
    @abstractmethod
    def writes(cls, task: Task) -> bool:
        """Return whether results of a task can be written as flair's class writes its own."""

    @classmethod
    @abstractmethod
    def is_of(cls, task: Task) -> bool:
        """Return whether a task comes from a model of flair's class."""

    @abstractmethod
    def _set_up(self) -> None:
        """Set the attributes that users of flair's class read and set."""

    @abstractmethod
    def _write(self, sentence: Sentence, found: Outcome, asked: Asked) -> None:
        """Write what was found to a sentence, as flair's class does."""

    def _wanted(self, asked: Asked, *, vectors: bool) -> Wanted:
        """Return what the model must give for a call."""
        return Wanted(asked.by_token, asked.all_classes, vectors)

    def _of_nothing(self, given: list[Sentence], filled: list[Sentence]) -> list[Sentence]:  # noqa: ARG002
        """Return what flair's `predict` returns where every sentence is empty."""
        return given

    @classmethod
    def _chosen_task(cls, runner: TaskRunner, name: str | None) -> Any:  # noqa: ANN401 - each adapter knows its own
        names = [task.name for task in runner.tasks]
        if name is not None and name not in names:
            message = f"there is no task '{name}' in the model, which has {', '.join(names)}"
            raise ValueError(message)
        if bool(runner.interface.prompt) != cls.prompted:
            reads = "behind a prompt" if runner.interface.prompt else "without a prompt"
            message = f"{cls.__name__} cannot run a model that reads sentences {reads}; Classifier.load of flair finds "
            message += "the class of each task"
            raise ValueError(message)
        tasks = [task for task in runner.tasks if name in (None, task.name)]
        fitting = [task for task in tasks if cls.writes(task)]
        if not fitting:
            message = f"{cls.__name__} does not write what the task '{tasks[0].name}' gives; Classifier.load of flair "
            message += "finds the class of each task"
            raise ValueError(message)
        return fitting[0]

    @property
    def embeddings(self) -> OnnxEmbeddings:
        """The embeddings that the head reads, as flair's class has them; `embed` puts them on sentences.

        A model that was built without an output for them raises M032 when they are used.
        """
        return OnnxEmbeddings(self._runner, self._task)

    def predict(
        self,
        sentences: Iterable[Sentence] | Sentence,
        mini_batch_size: int = 32,
        return_probabilities_for_all_classes: bool = False,  # noqa: FBT001, FBT002 - flair's signature
        verbose: bool = False,  # noqa: FBT001, FBT002
        label_name: str | None = None,
        return_loss: bool = False,  # noqa: FBT001, FBT002
        embedding_storage_mode: str | None = "none",
    ) -> Any:  # noqa: ANN401 - flair's own
        """Predict labels and put them on the sentences, as `predict` of flair's class does.

        Args:
            sentences: One or several: a list, a data set, a generator, or batches; those without tokens are left out.
            mini_batch_size: The most sentences in one run.
            return_probabilities_for_all_classes: Whether to put the probability of every class on what is labelled.
            verbose: Whether to show a progress bar.
            label_name: The type of the labels; by default that of the model. Labels of this type are removed first.
            return_loss: Not possible.
            embedding_storage_mode: `none` removes embeddings; `cpu` and `gpu` keep those that the head reads, under one
                name. `None` keeps them if the model gives them.

        Returns:
            What flair returns: nothing, or the sentences if there was nothing to label.

        Raises:
            NotImplementedError: For a loss.
            TypeError: For what are no sentences.
            ModelError: M032 if the model was built without what is asked for; M015 and M019 as for `Tagger.tag`.
        """
        refuse(return_loss, "a loss")
        name = str(self.label_type) if label_name is None else label_name
        asked = Asked(name, return_probabilities_for_all_classes)
        return predict(
            [self], sentences, [asked], batch_size=mini_batch_size, verbose=verbose, storage=embedding_storage_mode
        )

    def evaluate(self, *args: Any, return_loss: bool = False, **options: Any) -> Any:  # noqa: ANN401 - flair's own
        """Evaluate as flair does, with its arguments and its scores. The loss is NaN: there is none.

        Raises:
            NotImplementedError: With `return_loss=True`.
        """
        refuse(return_loss, "a loss")
        result = super().evaluate(*args, **{**options, "return_loss": False})  # type: ignore[misc]
        result.scores["loss"] = nan  # flair writes 0.0, which would be a perfect one
        return result

    def save(self, model_file: str | os.PathLike[str], checkpoint: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002
        """Copy the model's file; flair loads it by any name (`load_hook.py`).

        Args:
            model_file: The copy. A file that is there is replaced, in one step.
            checkpoint: Ignored, as flair ignores it.

        Raises:
            NotImplementedError: Something was set since it was loaded, which the file does not hold; or its weights are
                in further files.
            OSError: The file cannot be read, or the copy not be written.
        """
        copy_file(self._path, model_file, self._changed())

    def _changed(self) -> list[str]:
        """Return the names of what was set since it was loaded, by flair's users, and is not in the file."""
        return changed(self.__dict__, type(self)(self._runner, self._task.name).__dict__)

    def __reduce__(self) -> tuple[Any, ...]:
        """Return how to load it again: by its file, with what was set since."""
        own = {name: value for name, value in self.__dict__.items() if name not in _OF_THE_FILE}
        return restored, (type(self), self._path, self._task.name, self._runner.metadata.get("content"), own)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Return a copy of what can be set; the loaded file is shared, for nothing changes it."""
        other = type(self).__new__(type(self))
        shared = {name: value for name, value in self.__dict__.items() if name in _OF_THE_FILE}
        own = {name: value for name, value in self.__dict__.items() if name not in shared}
        memo[id(self)] = other
        other.__dict__.update(shared)
        other.__dict__.update(deepcopy(own, memo))
        return other


def restored(kind: type[Assembled], path: str, task: str | None, content: object, own: dict[str, Any]) -> Assembled:
    """Return a model that was pickled: its file loaded again, with what was set on it.

    Raises:
        ValueError: The file holds another one now.
        ModelError: The file is not there, or cannot be loaded, as for `load`.
    """
    model = kind.load(path, task=task)
    if model._runner.metadata.get("content") != content:  # noqa: SLF001 - this class's own
        message = f"'{path}' holds another model than the one that was pickled; load it in each process"
        raise ValueError(message)
    model.__dict__.update(own)
    return model
