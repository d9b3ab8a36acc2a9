"""What processes import and compile late, done once in the one that they are forked of."""

import distributed  # noqa: F401
import numpy as np
import torch._dynamo  # noqa: F401  # as the gradients of ranks are averaged

import xsm.cells.cluster
import xsm.cells.fit  # noqa: F401
from xsm.physics.water_balance import inflow_trend
from xsm.typing import TERMS

_DAYS = {name: np.zeros((3, 2)) for name in (*TERMS, "observed")}
inflow_trend(**_DAYS, outputs=("filtered", "previous"))
