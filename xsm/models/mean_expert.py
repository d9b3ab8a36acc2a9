"""The mean of experts on groups of environmental factors: ISMoE without its router.

The baseline of Yang et al. (2025). J. Hydrol. 661:133763.
"""

from __future__ import annotations

from xsm.nn import ExpertLSTM, Groups, Sizes

__all__ = ["MeanExpert"]


class MeanExpert(ExpertLSTM):
    """Estimate soil moisture by the mean of experts on groups of inputs.

    Parameters
    ----------
    sizes : Sizes
        Sizes of inputs and outputs, derived from the data, and the names of the inputs.
    groups : mapping of str to sequence of str, optional
        Dynamic inputs of each expert, as of ``ismoe``.
    patch : int, default: 3
        Cells along a side of the square that the CNNs see; 1 where the data are no grid.
    channels : int, default: 32
        Features of a step of the ``cnn_lstm`` that this network is matched with.
    hidden_size : int, default: 64
        Hidden units of the same.
    size : {"matched", "full"}, default: "matched"
        All experts together have about as many weights as that ``cnn_lstm``, or each has.
    dropout : float, default: 0.15
        Share of the experts' last hidden states dropped in training; of a sequence 0.3 by default.
    layered : bool, default: False
        Predict all layers of the target at once.

    Notes
    -----
    The network of ``ismoe`` with weights of ``1 / E`` for each of ``E`` experts.

    Examples
    --------
    >>> import torch
    >>> model = MeanExpert(Sizes(dynamic=4, static=0, window=7), patch=1, hidden_size=16)
    >>> model.evaluate({"dynamic": torch.zeros(1, 7, 4), "static": torch.zeros(1, 0)})[
    ...     "expert_weight"
    ... ].tolist()
    [[0.25, 0.25, 0.25, 0.25]]
    """

    def __init__(
        self,
        sizes: Sizes,
        *,
        groups: Groups | None = None,
        patch: int = 3,
        channels: int = 32,
        hidden_size: int = 64,
        size: str = "matched",
        dropout: float = 0.15,
        layered: bool = False,
    ) -> None:
        super().__init__(
            sizes,
            groups=groups,
            patch=patch,
            channels=channels,
            hidden_size=hidden_size,
            size=size,
            dropout=dropout,
            layered=layered,
        )


MODEL = MeanExpert
