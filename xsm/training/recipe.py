"""What a model is given and what it predicts, by role, so that it fits any product."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from xsm.typing import Scaling

__all__ = ["NestedRecipe", "Recipe"]


@dataclass(frozen=True)
class Recipe:
    """What a model is given and what it predicts, by role, so that it fits any product.

    Parameters
    ----------
    target : str
        Role, or name of a variable that has none.
    dynamic, static : tuple of str
        Roles, or names, of the inputs with and without time.
    window, lead : int
        Steps of input, and steps from the window's end to the prediction.
    scaling : {"cell", "global"}
        How inputs and target are scaled.
    data_integration : bool
        The window holds the observed target, with a mask.
    known_forcing : bool
        The weather up to the time of the prediction is known.
    variables : mapping of str to str
        Role to variable name, as the user stated it.
    depths : tuple of (float, float)
        Top and bottom of each predicted layer, m, from the top down; empty for one layer.
    centres : tuple of float
        Depth of each predicted layer's centre, m; where points were measured, these.
    patch : int
        Cells along a side of the square of neighbours that a sample holds; 1 is the cell alone.
    bounded : bool
        The target is scaled by residual and saturated water content, 0 and 1.
    layer : tuple of float, optional
        Top and bottom of the one layer that is predicted, m, where they are known.
    sequence : int
        Steps of a piece of the record that trains a network which carries its state; 0 where
        windows train. ``window`` is 1 then: each step of the forcing has one prediction.
    warmup : int
        First steps of a piece, and of a record, that are not answered.
    latency : (int, int)
        The last observation that is given is at least so many steps old at the prediction, drawn
        for each batch; the prediction itself takes the smallest.
    logs : tuple of str
        Dynamic inputs that are scaled as ``log(1 + value)``.
    plain : tuple of str
        Dynamic inputs, and the target, that are not scaled but in canonical units.
    shown : tuple of str
        Roles that a model learns from together, the target among them; empty for one alone.
    pores : tuple of float
        Bottoms of the layers, m, whose pores are taken from ``theta_s`` of the data as static maps.
    cuts : int
        Steps after each cut of a piece that trains: their observations are those from before it,
        and after half of the cuts the weather is hidden, of which a channel tells. 0 is no cuts.
    input_dropout : float
        Probability of each input to be hidden from a sample that trains, of which a mask tells; 0
        where all inputs are always needed.
    cell_offset : bool
        Each trained cell has an offset of its own in the scale of the target.
    """

    target: str
    dynamic: tuple[str, ...]
    static: tuple[str, ...]
    window: int
    lead: int
    scaling: Scaling
    data_integration: bool = False
    known_forcing: bool = False
    variables: Mapping[str, str] = field(default_factory=dict)
    depths: tuple[tuple[float, float], ...] = ()
    centres: tuple[float, ...] = ()
    patch: int = 1
    bounded: bool = False
    layer: tuple[float, float] | None = None
    sequence: int = 0
    warmup: int = 0
    latency: tuple[int, int] = (1, 1)
    logs: tuple[str, ...] = ()
    plain: tuple[str, ...] = ()
    shown: tuple[str, ...] = ()
    cuts: int = 0
    input_dropout: float = 0.0
    cell_offset: bool = False
    pores: tuple[float, ...] = ()

    downscales: ClassVar[bool] = False

    @property
    def hideable(self) -> tuple[str, ...]:
        """Inputs that the model can do without, dynamic ones first; in plain units none."""
        names = (*self.dynamic, *self.static) if self.input_dropout else ()
        return tuple(name for name in names if name not in self.plain)

    @property
    def layers(self) -> int:
        """Number of layers of the target."""
        return max(1, len(self.depths))

    @property
    def shift(self) -> int:
        """Steps by which the forcing runs ahead of the window's end."""
        return self.lead if self.known_forcing and not self.sequence else 0

    @property
    def ahead(self) -> int:
        """Steps from the last input to the prediction; 0 in a sequence with known forcing."""
        return 0 if self.sequence and self.known_forcing else self.lead


@dataclass(frozen=True)
class NestedRecipe(Recipe):
    """What a downscaling model is given and what it predicts.

    Parameters
    ----------
    target : str
        Role, or name of a variable that has none.
    dynamic, static : tuple of str
        Roles, or names, of the covariates with and without time.
    window, lead : int
        Steps of input; the lead is 0.
    scaling : {"global"}
        All cells are scaled alike.
    data_integration, known_forcing : bool
        False: they belong to models of points.
    variables : mapping of str to str
        Role to variable name, as the user stated it.
    depths, centres : tuple
        Empty: the target has one layer.
    patch : int
        1: patches of fields are the network's own.
    bounded : bool
        False.
    layer : tuple of float, optional
        None.
    sequence, warmup, latency, logs, plain, shown, cuts, pores : int, int, tuples, int, tuple
        0, 0, (1, 1), empty, 0 and empty: they belong to models that run through the record.
    input_dropout : float
        0.
    factor : tuple of int
        Fine cells of a coarse one along y and x.
    supervision : {"truth", "scale_transfer", "interpolation"}
        What it learned from.
    anchored : bool
        Each fine cell with a truth has its own regression on the coarse window, which the network
        corrects; elsewhere it corrects the interpolation.

    Examples
    --------
    >>> recipe = NestedRecipe("groundwater_storage", (), (), 6, 0, "global", factor=(4, 4))
    >>> recipe.supervision
    'scale_transfer'
    """

    factor: tuple[int, int] = (4, 4)
    supervision: str = "scale_transfer"
    anchored: bool = False

    downscales: ClassVar[bool] = True
