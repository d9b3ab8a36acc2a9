"""Training a network on cells, in this process."""

from __future__ import annotations

import xarray as xr

from xsm.cells.features import Features
from xsm.cells.samples import make_samples
from xsm.losses import answered_steps
from xsm.nn import Sizes
from xsm.nn.devices import choose_device
from xsm.nn.settings import usual_settings
from xsm.training.job import Job, Trained, train_network
from xsm.training.loop import Ranks
from xsm.training.recipe import Recipe

__all__ = ["run_job", "sizes_of"]


def sizes_of(recipe: Recipe, *, gaussian: bool = False) -> Sizes:
    """Return the sizes of a network; with ``gaussian`` it answers with the spread too."""
    seen = (3 if recipe.sequence else 2) * recipe.layers * recipe.data_integration
    dynamic = len(recipe.dynamic) + seen + bool(recipe.cuts)  # whether the weather is known
    answer = (2 if gaussian else 1) * recipe.layers  # as many numbers for the spread
    maps = len(recipe.static) + len(recipe.hideable)  # with a mask of each
    names, runs = recipe.dynamic, bool(recipe.sequence)
    return Sizes(dynamic, maps, recipe.window, answer, gaussian, names, runs)


@usual_settings()
def run_job(
    job: Job,
    features: Features,
    scaling: xr.Dataset,
    *,
    ranks: Ranks | None = None,
    later: xr.Dataset | None = None,
) -> Trained:
    """Make samples of features, lazy or not, and train on them in this process.

    ``scaling`` holds the statistics of the same cells, ``ranks`` are processes that train together,
    each on its share of the blocks; ``later`` are the statistics of other cells that validate.
    """
    training, validation = make_samples(
        features,
        scaling,
        job.recipe,
        job.split,
        limit=job.limit,
        answered=answered_steps(job.losses),
        device=choose_device(job.device),
        later=later,
    )
    return train_network(job, training, validation, ranks)
