"""Models by name: the files of ``xsm/models`` and the entry points of other packages."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from importlib.metadata import entry_points

import xsm.models
from xsm.estimators import Estimator
from xsm.exceptions import UnknownNameError, did_you_mean
from xsm.nn import Model

__all__ = ["describe_model", "list_models", "model_class", "model_name"]


_GROUP = "xsm.models"


def list_models() -> list[str]:
    """Return the names of all models, of xsm and of installed packages.

    Returns
    -------
    list of str
        Names that ``fit(model=...)`` accepts, sorted.

    Examples
    --------
    >>> list_models()[:5]
    ['cnn_lstm', 'convlstm_unet', 'ismoe', 'lstm', 'mean_expert']
    """
    own = {module.name for module in pkgutil.iter_modules(xsm.models.__path__)}
    return sorted(own | {point.name for point in entry_points(group=_GROUP)})


def model_class(model: object) -> type[Model] | type[Estimator]:
    """Return the class of a model, a network or an estimator: by a name, or a user's own as it is.

    An UnknownNameError if there is no such name, which tells the near misses; a TypeError if the
    object is no class of a model.
    """
    if inspect.isclass(model) and issubclass(model, Model | Estimator):
        return model
    if not isinstance(model, str):
        msg = (
            f"model={model!r} is neither a name nor a class. Pass one of {list_models()} or a "
            "subclass of xsm.nn.Model or xsm.estimators.Estimator (the class, not an instance)."
        )
        raise TypeError(msg)
    if model not in list_models():
        msg = f"There is no model {model!r}. {did_you_mean(model, list_models())}"
        raise UnknownNameError(msg)
    for point in entry_points(group=_GROUP):
        if point.name == model:
            loaded: type[Model] | type[Estimator] = point.load()
            return loaded
    found: type[Model] | type[Estimator] = importlib.import_module(f"xsm.models.{model}").MODEL
    return found


def model_name(model: type[Model] | type[Estimator]) -> str:
    """Return the registry name of a model class; of a user's class, its own name.

    >>> model_name(model_class("lstm"))
    'lstm'
    """
    package, _, module = model.__module__.rpartition(".")
    return module if package == "xsm.models" else model.__name__


def describe_model(model: str | type[Model] | type[Estimator]) -> str:
    """Return what a model is: its reference, hyper-parameters and published defaults.

    Parameters
    ----------
    model : str or subclass of Model or Estimator
        A name of :func:`list_models`, or a user's own class.

    Returns
    -------
    str
        The documentation of the model's file and class, and of a network its losses and schedule.

    Raises
    ------
    UnknownNameError
        If there is no such name.

    Examples
    --------
    >>> print(describe_model("lstm").splitlines()[0])
    LSTM: the purely data-driven network that the physics-guided ones are compared with.
    """
    cls = model_class(model)
    reference = inspect.getdoc(inspect.getmodule(cls)) or ""
    defaults = f"Defaults: window={cls.window}, lead={cls.lead}, scaling={cls.scaling!r}"
    defaults += cls.describe_training()
    return "\n\n".join([reference, inspect.getdoc(cls) or "", defaults])
