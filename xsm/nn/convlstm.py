"""ConvLSTM: memory of fields."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from xsm.nn.masked import MaskedConv2d

__all__ = ["ConvLSTM"]


class ConvLSTM(nn.Module):
    """Layers of LSTM cells whose products are convolutions over what is there.

    Parameters
    ----------
    inputs : int
        Channels of the input.
    hidden : int
        Channels of state and output.
    layers : int, default: 2
        Layers, one above the other.
    kernel : int, default: 3
        Cells of the kernels along each axis.

    Notes
    -----
    ``i, f, o, g = W * [x_t, h_(t-1)] + b``; ``c_t = s(f) c_(t-1) + s(i) tanh(g)``;
    ``h_t = s(o) tanh(c_t)`` (Shi et al. 2015, without peepholes). The forget gate starts at
    ``s(1)``.

    References
    ----------
    Shi, X. et al. (2015). Convolutional LSTM network. NeurIPS 28.

    Examples
    --------
    >>> memory = ConvLSTM(inputs=3, hidden=8)
    >>> memory(torch.zeros(2, 6, 3, 4, 5), torch.ones(2, 1, 4, 5)).shape
    torch.Size([2, 8, 4, 5])
    """

    def __init__(self, inputs: int, hidden: int, layers: int = 2, kernel: int = 3) -> None:
        super().__init__()
        self.hidden = hidden
        sizes = [inputs] + [hidden] * (layers - 1)
        self.gates = nn.ModuleList(MaskedConv2d(n + hidden, 4 * hidden, kernel) for n in sizes)
        for name, weights in self.gates.named_parameters():
            if name.endswith("bias"):
                nn.init.zeros_(weights)
                nn.init.ones_(weights[hidden : 2 * hidden])

    def forward(self, fields: Tensor, mask: Tensor) -> Tensor:
        """Return the last state (batch, hidden, y, x) of fields (batch, window, input, y, x)."""
        batch, window, _, *space = fields.shape
        zero = fields.new_zeros(batch, self.hidden, *space)
        states = [(zero, zero)] * len(self.gates)
        for t in range(window):
            below = fields[:, t]
            for k, gate in enumerate(self.gates):
                h, c = states[k]
                i, f, o, g = gate(torch.cat([below, h], dim=1), mask).chunk(4, dim=1)
                c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
                below = torch.sigmoid(o) * torch.tanh(c)
                states[k] = below, c
        return states[-1][0]
