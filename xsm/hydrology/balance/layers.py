"""Which soil layers a balance takes, and how much water their moisture is."""

from __future__ import annotations

from xsm.data.naming import ROLES, Variable, VariableTable
from xsm.exceptions import GridError, UnitsError

__all__ = ["check_water", "column_layers", "deep_layers", "describe_layer", "own_layer"]


_DEEPEST = 1.0  # m; deep soil water ends here (Geng et al. 2024: layers 2 and 3 of ERA5-Land)


def check_water(table: VariableTable, target: str) -> None:
    """Refuse a target that is known to be something else than water in the ground.

    Parameters
    ----------
    table : VariableTable
        Which variable is what.
    target : str
        Role or variable.

    Raises
    ------
    UnitsError
        If its role is measured neither in m3 m-3 nor in mm.

    Examples
    --------
    >>> import xsm
    >>> table = xsm.variables(xsm.open_tutorial("land"))
    >>> check_water(table, "swvl1")
    """
    role = ROLES.get(table.lookup(target).role)
    if role is not None and role.units not in {"m3 m-3", "mm"}:
        msg = (
            f"target={target!r} is the {role.name} ({role.units}); a water balance is about stored "
            'water, in m3 m-3 or mm. Pass target="soil_moisture", or leave it out.'
        )
        raise UnitsError(msg)


def deep_layers(table: VariableTable, target: str | None) -> dict[Variable, float]:
    """Return the layers below the target's to 1 m.

    Parameters
    ----------
    table : VariableTable
        Which variable is what.
    target : str or None
        Role or variable of the target, which has to be the top layer.

    Returns
    -------
    dict of Variable to float
        Each layer with its mm of water per m3 m-3; a layer that reaches deeper counts with its
        part above 1 m.

    Raises
    ------
    GridError
        If the target is not the top layer, there is none below it, or bounds are not known.

    Examples
    --------
    >>> import xsm
    >>> table = xsm.variables(xsm.open_tutorial("land"))
    >>> {v.name: round(mm) for v, mm in deep_layers(table, "soil_moisture").items()}
    {'swvl2': 210, 'swvl3': 720}
    """
    layers = table.layers("soil_moisture")
    chosen = table.lookup(target or "soil_moisture")
    if not layers or chosen != layers[0]:
        top = f"{layers[0].name!r}" if layers else "missing"
        msg = (
            f"deep=True needs the top layer as target; given is {target!r}, the top layer of "
            f'soil_moisture is {top}. Pass target="soil_moisture", or deep=False.'
        )
        raise GridError(msg)
    found = {v: _water(v, _DEEPEST) for v in layers[1:] if _depth(v)[0] < _DEEPEST}
    if not found:
        msg = (
            f"deep=True needs soil moisture below {chosen.name!r}, above {_DEEPEST:g} m; there are "
            f"only {[describe_layer(v) for v in layers]}. Add deeper layers, or pass deep=False."
        )
        raise GridError(msg)
    return found


def own_layer(table: VariableTable, target: str | None) -> dict[Variable, float]:
    """Return the target's own layer.

    Parameters
    ----------
    table : VariableTable
        Which variable is what.
    target : str or None
        Role or variable of the target.

    Returns
    -------
    dict of Variable to float
        The layer with its mm of water per m3 m-3.

    Raises
    ------
    GridError
        If its bounds are not known.

    Examples
    --------
    >>> import xsm
    >>> table = xsm.variables(xsm.open_tutorial("land"))
    >>> {v.name: round(mm) for v, mm in own_layer(table, None).items()}
    {'swvl1': 70}
    """
    variable = table.lookup(target or "soil_moisture")
    return {variable: _water(variable, float("inf"))}


def column_layers(table: VariableTable) -> dict[Variable, float]:
    """Return all layers of soil moisture.

    Parameters
    ----------
    table : VariableTable
        Which variable is what.

    Returns
    -------
    dict of Variable to float
        Each layer, from the top down, with its mm of water per m3 m-3.

    Raises
    ------
    GridError
        If bounds are not known.

    Examples
    --------
    >>> import xsm
    >>> layers = column_layers(xsm.variables(xsm.open_tutorial("land")))
    >>> round(sum(layers.values()))
    2890
    """
    return {v: _water(v, float("inf")) for v in table.layers("soil_moisture")}


def _depth(variable: Variable) -> tuple[float, float]:
    """Return top and bottom of a layer in m, or say how to state them."""
    if variable.depth is None:
        msg = (
            f"The depth of {variable.name!r} is not known, and its water in mm is needed. State "
            f'the bounds from the surface down: ds["{variable.name}"].attrs["layer_edges_m"] = '
            "[0.0, 0.1], one number more than layers."
        )
        raise GridError(msg)
    return variable.depth


def _water(variable: Variable, deepest: float) -> float:
    """Return the mm of water of a layer, or its part above a depth, per m3 m-3."""
    top, bottom = _depth(variable)
    return 1000.0 * (min(bottom, deepest) - top)


def describe_layer(variable: Variable) -> str:
    """Return name and depth of a layer.

    Parameters
    ----------
    variable : Variable
        A soil layer.

    Returns
    -------
    str
        For example ``swvl2 0.07-0.28 m``.

    Examples
    --------
    >>> import xsm
    >>> describe_layer(xsm.variables(xsm.open_tutorial("land")).layers()[1])
    'swvl2 0.07-0.28 m'
    """
    depth = "unknown depth" if variable.depth is None else "{:g}-{:g} m".format(*variable.depth)
    return f"{variable.name} {depth}"
