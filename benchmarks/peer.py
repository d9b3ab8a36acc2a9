"""neuralhydrology as a candidate of ``train.py``: it runs in its own virtual environment."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import xarray as xr

from xsm.cells.features import Features
from xsm.training.recipe import Recipe

PARTS = ("train", "validation", "test")
DRIVER = """
import sys
from pathlib import Path
import torch
from neuralhydrology.training.basetrainer import BaseTrainer
from neuralhydrology.utils.config import Config
torch.set_num_threads(int(sys.argv[2]))
trainer = BaseTrainer(Config(Path(sys.argv[1])))
trainer.initialize_training()
for epoch, _ in enumerate(sys.stdin, 1):
    trainer._train_epoch(epoch)
    print("done", flush=True)
"""


class Neuralhydrology:
    """A process of neuralhydrology that trains an epoch of so many batches when asked."""

    def __init__(self, python: str, config: Path, threads: int) -> None:
        self._log = config.with_suffix(".log").open("w+")
        self._process = subprocess.Popen(
            [python, "-c", DRIVER, str(config), str(threads)],
            cwd=config.parent,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )

    def __call__(self, iterations: int) -> None:
        """Train an epoch; its number of batches was set at the start."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        for line in self._process.stdout:
            if line == "done\n":
                return
        self._log.seek(0)
        raise RuntimeError(self._log.read()[-3000:])

    def close(self) -> None:
        """End the process."""
        self._process.communicate()
        self._log.close()


def write_basins(features: Features, recipe: Recipe, place: Path) -> None:
    """Write each land cell as a basin of neuralhydrology's generic data set."""
    (place / "time_series").mkdir(parents=True)
    (place / "attributes").mkdir()
    table = xr.Dataset({**features.dynamic, "target": features.observed, **features.static})
    cells = table.stack(cell=features.space)
    cells = cells.isel(cell=np.flatnonzero(cells["target"].notnull().all("time").values))
    rows = []
    for k in range(cells.sizes["cell"]):
        own = cells.isel(cell=k, drop=True).drop_vars(features.space, errors="ignore")
        series = own[[*recipe.dynamic, "target"]].rename(time="date")
        series.drop_attrs().to_netcdf(place / "time_series" / f"c{k}.nc")
        rows.append([f"c{k}", *(float(own[name]) for name in recipe.static)])
    lines = [",".join(map(str, row)) for row in [["id", *recipe.static], *rows]]
    (place / "attributes" / "attributes.csv").write_text("\n".join(lines) + "\n")
    (place / "basins.txt").write_text("\n".join(row[0] for row in rows) + "\n")


def configure(
    place: Path,
    features: Features,
    recipe: Recipe,
    *,
    hidden: int,
    size: int,
    updates: int,
    threads: int,
) -> Path:
    """Write a configuration that trains the same network on the same samples."""
    days = features.observed.indexes[features.time]
    steps = recipe.sequence or recipe.window
    answered = recipe.sequence - recipe.warmup if recipe.sequence else 1
    span = f"{days[steps - answered + 1]:%d/%m/%Y}", f"{days[-1]:%d/%m/%Y}"
    settings = {
        "experiment_name": f"b{size}t{threads}",
        "run_dir": str(place / "runs"),
        "data_dir": str(place),
        "dataset": "generic",
        **{f"{part}_basin_file": str(place / "basins.txt") for part in PARTS},
        **{f"{part}_start_date": span[0] for part in PARTS},
        **{f"{part}_end_date": span[1] for part in PARTS},
        "device": "cpu",
        "model": "cudalstm",
        "head": "regression",
        "hidden_size": hidden,
        "output_dropout": 0.15,
        "optimizer": "Adam",
        "loss": "RMSE",
        "learning_rate": 1e-3,
        "batch_size": size,
        "epochs": 2,
        "max_updates_per_epoch": updates,
        "seq_length": steps,
        "predict_last_n": answered,
        "num_workers": 0,
        "log_tensorboard": False,
        "verbose": 0,
        "dynamic_inputs": list(recipe.dynamic),
        "static_attributes": list(recipe.static),
        "target_variables": ["target"],
        "validate_every": 10,
        "save_weights_every": 10,
    }
    path = place / f"b{size}t{threads}.yml"
    path.write_text(json.dumps(settings, indent=1))  # JSON is YAML
    return path
