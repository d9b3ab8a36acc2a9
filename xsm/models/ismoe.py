"""ISMoE: experts on groups of environmental factors, and a router whose weights explain.

Yang et al. (2025). J. Hydrol. 661:133763.
"""

from __future__ import annotations

from xsm.losses import RMSE, Absence
from xsm.nn import ExpertLSTM, Groups, Sizes

__all__ = ["ISMoE"]


class ISMoE(ExpertLSTM):
    """Estimate soil moisture by experts on groups of inputs, and tell which of them counts where.

    Parameters
    ----------
    sizes : Sizes
        Sizes of inputs and outputs, derived from the data, and the names of the inputs.
    groups : mapping of str to sequence of str, optional
        Dynamic inputs, by role or variable, of each expert. By default precipitation, temperature,
        radiation, humidity and pressure, wind, snow, evaporation, soil and lake, as far as they
        are inputs; any other input gets an expert of its own.
    patch : int, default: 3
        Cells along a side of the square that the CNNs see; 1 where the data are no grid.
    channels : int, default: 32
        Features of a step of the ``cnn_lstm`` that this network is matched with.
    hidden_size : int, default: 64
        Hidden units of the same.
    size : {"matched", "full"}, default: "matched"
        What predicts, all experts and the router, has about as many weights as that ``cnn_lstm``,
        or each expert is as large as that.
    router_size : int, default: 16
        Hidden units of the router's LSTM.
    dropout : float, default: 0.15
        Share of the experts' last hidden states dropped in training; of a sequence 0.3 by default.
    layered : bool, default: False
        Predict all layers of the target at once, with the same weights.

    Notes
    -----
    Each expert ``e`` is a CNN-LSTM on its inputs and all static maps, and answers with ``y_e``. The
    router sees all inputs through an encoder and an LSTM of its own: ``g = softmax(A h + b)``. The
    prediction is ``sum_e g_e y_e``; ``g`` comes with it as ``expert_share``. ``expert_weight`` is
    what the prediction would lose without the inputs of each expert, as a share of all losses, and
    known before the observation: a small net of the router's state ``h`` learns it in training from
    samples whose inputs were exchanged (:class:`xsm.losses.Absence`). With data
    integration all experts see the observations, and predict the change since the last one. Which
    inputs are grouped, the dense softmax, the weights and all sizes are ours: of the paper only the
    summary was at hand. :meth:`xsm.FittedModel.importance` puts the loss of accuracy beside the
    weights.

    Examples
    --------
    >>> import torch
    >>> names = ("precipitation", "shortwave_down", "longwave_down")
    >>> model = ISMoE(Sizes(dynamic=3, static=2, window=15, names=names), hidden_size=16)
    >>> batch = {"dynamic": torch.zeros(4, 15, 9, 4), "static": torch.zeros(4, 9, 3)}
    >>> list(model.groups), model.evaluate(batch)["expert_weight"].shape
    (['precipitation', 'radiation'], torch.Size([4, 2]))
    """

    losses = (RMSE(weight=1.0), Absence())

    def __init__(  # noqa: PLR0913
        self,
        sizes: Sizes,
        *,
        groups: Groups | None = None,
        patch: int = 3,
        channels: int = 32,
        hidden_size: int = 64,
        size: str = "matched",
        router_size: int = 16,
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
            router_size=router_size,
            dropout=dropout,
            layered=layered,
        )


MODEL = ISMoE
