"""What every estimator is: flat windows in, arrays learnt, predictions out; without torch."""

from __future__ import annotations

import abc
import importlib.util
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from xsm.exceptions import ArtefactError, TrainingError, UnknownNameError, did_you_mean
from xsm.typing import Array, FloatArray, Scaling

if TYPE_CHECKING:
    from xsm.nn import Answer, Sizes

__all__ = ["Estimator", "Log", "Training", "feature_count", "flatten"]


Log = Callable[[int, float, float], None]
"""Takes the number of what was learnt so far (trees, rounds), and the RMSE of the training windows
and of the validating ones (NaN where there are none)."""


@dataclass(frozen=True)
class Training:
    """What an estimator may know in training beside its windows.

    Parameters
    ----------
    validation : tuple of ndarray, or None
        Inputs and target of the windows that validate.
    seed : int
        Seed of every random choice.
    threads : int
        Threads that may be taken.
    log : callable
        To be called, if at all, with growing numbers: makes the history and the bar.
    """

    validation: tuple[FloatArray, FloatArray] | None
    seed: int
    threads: int
    log: Log


class Estimator(abc.ABC):
    """Base of all estimators: a file in ``xsm/models`` holds one subclass.

    A subclass has a constructor ``__init__(self, sizes, *, hyper_parameter=default, ...)`` that
    keeps what it is given, ``fit_arrays``, which returns all that was learnt as arrays, and
    ``predict_arrays``, which reads these from ``self.arrays``. That is all that is saved.

    Parameters
    ----------
    sizes : Sizes
        Sizes of inputs and outputs, derived from the data.

    Attributes
    ----------
    window, lead : int
        Steps of input, and steps from the window's end to the prediction.
    scaling : {"cell", "global"}
        How inputs and target are scaled.
    layered : bool
        Whether all layers of the target are predicted at once, where it has several and no single
        one is named.
    bounded : bool
        Whether the target is scaled by residual and saturated water content.
    downscales : bool
        False: an estimator sees cells.
    stage : str
        What the numbers of the history count.
    minimises : str
        What training makes small, for the card.
    requires : dict of str to str
        Modules that training imports, and what to install for each.
    """

    window: ClassVar[int] = 7
    lead: ClassVar[int] = 1
    scaling: ClassVar[Scaling] = "global"
    layered: ClassVar[bool] = True
    bounded: ClassVar[bool] = False
    downscales: ClassVar[bool] = False
    stage: ClassVar[str] = "fit"
    minimises: ClassVar[str] = "squared error"
    requires: ClassVar[Mapping[str, str]] = {}

    def __init__(self, sizes: Sizes) -> None:
        self.sizes = sizes
        self.arrays: Mapping[str, Array] = {}

    @abc.abstractmethod
    def fit_arrays(
        self, inputs: FloatArray, target: FloatArray, training: Training
    ) -> Mapping[str, Array]:
        """Learn from windows, and return what was learnt as arrays by name.

        ``inputs`` (sample, feature) and ``target`` (sample, target) are float32, scaled, finite.
        The features of a window are its steps from the oldest to the latest, at each step all
        dynamic channels, then the static ones. Leave both as they are.
        """

    @abc.abstractmethod
    def predict_arrays(self, inputs: FloatArray) -> FloatArray:
        """Return predictions (sample, target) for windows (sample, feature) from ``self.arrays``.

        Several threads may call it at a time; it takes no others.
        """

    def check_arrays(self) -> None:  # noqa: B027  # most arrays are what they are
        """Raise where ``self.arrays``, from a file whoever wrote it, cannot be what was learnt."""

    @property
    def stages(self) -> int:
        """The largest number that training may log."""
        return 1

    @property
    def kept(self) -> int | None:
        """The number, as it was logged, of what was kept; None for the last one."""
        return None

    def sample_bytes(self) -> int:
        """Return the bytes that training takes for each window, all in all.

        Returns
        -------
        int
            By default one and a half times the features in float32, and 64 for the rest.
        """
        return 6 * feature_count(self.sizes) + 4 * self.sizes.target + 64

    def load_arrays(self, arrays: Mapping[str, Array]) -> None:
        """Take over what was learnt, once it is checked.

        Parameters
        ----------
        arrays : mapping of str to ndarray
            What ``fit_arrays`` returned; they become read-only.
        """
        self.arrays = {str(name): np.asarray(values) for name, values in arrays.items()}
        for name in _derived(type(self)):
            self.__dict__.pop(name, None)
        for values in self.arrays.values():
            values.setflags(write=False)
        self.check_arrays()

    def evaluate(self, batch: Mapping[str, Any]) -> dict[str, FloatArray]:
        """Return the outputs of a batch; with data integration, as a change since ``base``.

        Parameters
        ----------
        batch : dict of str to array or Tensor
            ``dynamic`` (batch, window, dynamic), ``static`` (batch, static) and, with data
            integration, ``base`` (batch, target): the last observation, scaled. On the CPU.

        Returns
        -------
        dict of str to ndarray
            ``mean`` (batch, target), float32, scaled.

        Raises
        ------
        ArtefactError
            If the windows are not those that the estimator was trained on.
        """
        inputs = flatten(batch)
        if inputs.shape[1] != feature_count(self.sizes):
            msg = (
                f"This {type(self).__name__} takes windows of {feature_count(self.sizes)} features "
                f"({self.sizes}), {inputs.shape[1]} were given. Its artefact was changed: take "
                "another copy."
            )
            raise ArtefactError(msg)
        mean = np.asarray(self.predict_arrays(inputs), np.float32)
        if mean.shape != (len(inputs), self.sizes.target):
            msg = (
                f"{type(self).__name__}.predict_arrays returned an array of shape {mean.shape}; "
                f"(sample, target) is needed, here {(len(inputs), self.sizes.target)}."
            )
            raise TrainingError(msg)
        if "base" in batch:
            mean = mean + np.asarray(batch["base"], np.float32)
        return {"mean": mean}

    @property
    def answers(self) -> tuple[Answer, ...]:
        """What predictions keep: the target."""
        from xsm.nn import Answer

        return (Answer("mean", self.sizes.target),)

    def embed(self, dynamic: Any) -> Any:
        """Return the steps as they are: an estimator makes nothing of each alone."""
        return dynamic

    def evaluate_embedded(self, batch: Mapping[str, Any]) -> dict[str, FloatArray]:
        """Return the outputs of a batch whose steps are embedded, see :meth:`evaluate`."""
        return self.evaluate(batch)

    def choose_place(self, device: str) -> str:
        """Return where it predicts, the CPU, and refuse other devices."""
        self.check_arguments({"device": device})
        return "cpu"

    def frozen_copy(self) -> Estimator:
        """Return itself: nothing can change its arrays."""
        return self

    def copy_on(self, device: str) -> Estimator:
        """Return itself: it stays on the CPU."""
        return self

    @classmethod
    def describe_training(cls) -> str:
        """Return by what it is trained, to be added to other defaults."""
        return f"\nMinimises: {cls.minimises}"

    def __getstate__(self) -> dict[str, Any]:
        """Travel without what is derived from the arrays."""
        derived = _derived(type(self))
        return {k: v for k, v in self.__dict__.items() if k not in derived}

    @classmethod
    def hyperparameters(cls) -> dict[str, Any]:
        """Return the names and defaults of the constructor's hyper-parameters."""
        parameters = inspect.signature(cls).parameters.values()
        return {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}

    @classmethod
    def check_hyperparameters(cls, given: Mapping[str, Any]) -> dict[str, Any]:
        """Refuse hyper-parameters that do not exist.

        Parameters
        ----------
        given : mapping of str to Any
            Names and values, as passed to ``fit``.

        Returns
        -------
        dict of str to Any
            The same.

        Raises
        ------
        UnknownNameError
            If there is no such name; the message names the near misses.
        """
        known = cls.hyperparameters()
        unknown = [name for name in given if name not in known]
        if unknown:
            hints = " ".join(f"{n!r}: {did_you_mean(n, known)}" for n in unknown)
            msg = f"{cls.__name__} has no hyper-parameter {', '.join(map(repr, unknown))}. {hints}"
            raise UnknownNameError(msg)
        return dict(given)

    @classmethod
    def check_fit(cls, about: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
        """Refuse, before data are read, what training would stumble over.

        Parameters
        ----------
        about : mapping of str to Any
            Arguments of ``fit`` that are about networks.
        given : mapping of str to Any
            Hyper-parameters.

        Returns
        -------
        dict of str to Any
            The hyper-parameters.

        Raises
        ------
        UnknownNameError, TrainingError
            As the checks of arguments, hyper-parameters and installed packages.
        """
        cls.check_arguments(about)
        cls.check_installed()
        return cls.check_hyperparameters(given)

    @classmethod
    def check_installed(cls) -> None:
        """Refuse to train where a package is missing, and say how to install it.

        Raises
        ------
        TrainingError
            If a module of ``requires`` is not there. Prediction needs none of them.
        """
        missing = [n for n in cls.requires if importlib.util.find_spec(n) is None]
        if missing:
            install = " ".join(f'"{cls.requires[n]}"' for n in missing)
            msg = (
                f"{cls.__name__} is trained by {' and '.join(missing)}, which is not installed: "
                f"pip install {install}. A model that is trained predicts without."
            )
            raise TrainingError(msg)

    @classmethod
    def check_arguments(cls, given: Mapping[str, Any]) -> None:
        """Refuse arguments that are about networks.

        Parameters
        ----------
        given : mapping of str to Any
            Names and values; defaults, and the CPU, are taken.

        Raises
        ------
        UnknownNameError
            If there is another one.
        """
        given = {name: v for name, v in given.items() if not _is_default(name, v)}
        if given:
            names = ", ".join(f"{name}={value!r:.40}" for name, value in given.items())
            msg = (
                f"{names} was given, which is for networks: {cls.__name__} minimises the "
                f"{cls.minimises}, at once, on the CPU. Leave it out; its hyper-parameters are "
                f"{list(cls.hyperparameters())}."
            )
            raise UnknownNameError(msg)


def feature_count(sizes: Sizes) -> int:
    """Return the number of features of a flat window.

    Parameters
    ----------
    sizes : Sizes
        Sizes of the inputs.

    Returns
    -------
    int
        Steps times dynamic channels, and static ones.

    Examples
    --------
    >>> from xsm.nn import Sizes
    >>> feature_count(Sizes(dynamic=3, static=2, window=7))
    23
    """
    return sizes.window * sizes.dynamic + sizes.static


def flatten(batch: Mapping[str, Any]) -> FloatArray:
    """Return windows as features.

    Parameters
    ----------
    batch : mapping of str to array or Tensor
        ``dynamic`` (batch, window, dynamic) and ``static`` (batch, static), on the CPU.

    Returns
    -------
    ndarray (batch, feature)
        float32: the steps from the oldest to the latest, at each all dynamic channels, then the
        static ones.

    Examples
    --------
    >>> dynamic = np.array([[[1, 2], [3, 4]]], np.float32)
    >>> flatten({"dynamic": dynamic, "static": np.array([[5]], np.float32)})
    array([[1., 2., 3., 4., 5.]], dtype=float32)
    """
    dynamic, static = (np.asarray(batch[name], np.float32) for name in ("dynamic", "static"))
    count, steps, channels = dynamic.shape
    flat = np.empty((count, steps * channels + static.shape[1]), np.float32)
    for step in range(steps):
        flat[:, step * channels : (step + 1) * channels] = dynamic[:, step]
    flat[:, steps * channels :] = static
    return flat


def _is_default(name: str, value: object) -> bool:
    """Tell whether an argument about networks says nothing."""
    defaults = {"monitor": ("total",), "device": ("auto", "cpu"), "precision": ("auto", "float32")}
    return value in defaults.get(name, ())


def _derived(cls: type) -> set[str]:
    """Return the names of cached properties."""
    return {
        name
        for base in cls.__mro__
        for name, value in vars(base).items()
        if isinstance(value, cached_property)
    }
