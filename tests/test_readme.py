"""The pages that users read are true: Python runs, commands are those of CI, links lead on."""

from __future__ import annotations

import re
import runpy
import subprocess
import textwrap
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import xsm
from xsm.hydrology.soil.carsel_parrish import PUBLISHED
from xsm.hydrology.soil.triangle import CLASSES
from xsm.registry import model_class

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
TRAINING = (ROOT / "docs/training.md").read_text(encoding="utf-8")
SAVING = (ROOT / "docs/saving.md").read_text(encoding="utf-8")
DOWNSCALING = (ROOT / "docs/models/convlstm_unet.md").read_text(encoding="utf-8")
TREES = (ROOT / "docs/trees.md").read_text(encoding="utf-8")
SOIL = (ROOT / "docs/soil.md").read_text(encoding="utf-8")
PROFILES = (ROOT / "docs/models/pgdl_cnn_lstm.md").read_text(encoding="utf-8")
PROFILE = (ROOT / "docs/profile_data.md").read_text(encoding="utf-8")
ISMOE = (ROOT / "docs/models/ismoe.md").read_text(encoding="utf-8")
PLOTS = (ROOT / "docs/plots.md").read_text(encoding="utf-8")
UNCERTAINTY = (ROOT / "docs/uncertainty.md").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def fenced(language: str, page: str = README) -> list[str]:
    """Return a page's blocks of a language, padded so that errors show the page's lines."""
    blocks = re.finditer(rf"^ *```{language}\n(.*?)^ *```$", page, re.MULTILINE | re.DOTALL)
    return ["\n" * page.count("\n", 0, b.start(1)) + textwrap.dedent(b[1]) for b in blocks]


def test_python_blocks_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    with xsm.set_options(progress=False):
        for block in fenced("python"):
            exec(compile(block, "README.md", "exec"), names)
    assert names["forecast"]["swvl1"].attrs["units"] == names["ds"]["swvl1"].attrs["units"]
    assert names["forecast"].sizes["latitude"] == names["ds"].sizes["latitude"]
    assert {"model", "persistence", "climatology"} <= set(names["scores"]["source"].values)
    assert list(names["audit"]["trend"].values) == ["change", "level"]
    (printed,) = fenced("text")
    found = names["scores"][["r", "rmse", "kge"]].median(["latitude", "longitude"])
    for source, *values in re.findall(
        r"^(\w+) +([\d.]+) +([\d.]+) +([\d.]+)$", printed, re.MULTILINE
    ):
        got = found.sel(source=source)
        for name, value in zip(("r", "rmse", "kge"), values, strict=True):
            assert float(got[name]) == pytest.approx(float(value), abs=0.03), (source, name)
    assert (tmp_path / "forecast.zarr").is_dir()
    assert names["again"].token == names["fitted"].token


def test_the_page_on_profiles_is_true() -> None:
    names: dict[str, Any] = {}
    for block in fenced("python", PROFILE):
        exec(compile(block, "docs/profile_data.md", "exec"), names)
    assert float(abs(names["closed"]["residual"]).max()) < 1e-14
    assert int(names["audit"]["observed_inconsistency"].isnull().sum()) == 2


@pytest.mark.filterwarnings("ignore:Weights and permutation importance:UserWarning")  # quick
def test_the_page_on_experts_is_true() -> None:
    names: dict[str, Any] = {}
    with xsm.set_options(progress=False):
        for block in fenced("python", ISMOE):
            exec(compile(block, "docs/models/ismoe.md", "exec"), names)
    shares = names["found"]["expert_weight"].sum("expert")
    assert float(abs(shares - 1).max()) < 1e-6
    assert names["table"]["permutation"].sizes == {"expert": 5, "season": 4}


def test_the_page_on_saving_is_true(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    with xsm.set_options(progress=False):
        for block in fenced("python", SAVING):
            exec(compile(block, "docs/saving.md", "exec"), names)
    assert names["forecast"].identical(names["fitted"].predict(names["ds"].sel(time="2020")))
    assert names["fitted"].fingerprint["variables"]["precipitation"] == {"name": "tp", "units": "m"}
    assert "There is no artefact of xsm at " in names["problem"]
    assert type(names["again"].model) is names["MyModel"]
    offset = names["tree"]["scaling"]["target_offset"]
    assert offset.dims == ("latitude", "longitude")
    assert offset.equals(names["fitted"].scaling["target_offset"])


def test_the_page_on_downscaling_is_true() -> None:
    names: dict[str, Any] = {}
    for block in fenced("python", DOWNSCALING):
        exec(compile(block, "docs/models/convlstm_unet.md", "exec"), names)
    assert names["fine"]["gws"].sizes["lat"] == 24
    assert sorted(names["found"].data_vars) == ["gws", "gws_quantile", "gws_std"]


def test_the_page_on_soil_is_true() -> None:
    names: dict[str, Any] = {}
    for block in fenced("python", SOIL):
        exec(compile(block, "docs/soil.md", "exec"), names)
    assert names["soil"].attrs["method"] == "rosetta"
    assert names["profile"]["soil_moisture"].dims == ("time", "depth", "latitude", "longitude")
    assert names["profile"].sizes["depth"] == 5
    assert 0 < names["share_of_loam"] < 1
    assert names["ratio"] > 1
    assert xsm.soil_parameters(names["masked"]).attrs == xsm.soil_parameters(names["scaled"]).attrs
    rows = re.findall(r"^\| ([a-z ]+) \| (0\.\d+) \| (.*) \|$", SOIL, re.MULTILINE)
    printed = {n.replace(" ", "_"): (a, *rest.split(" | ")) for n, a, rest in rows}
    assert {n: tuple(map(float, row)) for n, row in printed.items()} == PUBLISHED
    assert tuple(printed) == CLASSES


def test_the_page_on_trees_is_true(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    with xsm.set_options(progress=False):
        for block in fenced("python", TREES):
            exec(compile(block, "docs/trees.md", "exec"), names)
    assert names["again"].token == names["forest"].token
    assert names["same"].token == names["ridge"].token
    card = "2018-01-01 to 2019-07-02, 19,476 windows of 54 features; "
    assert names["forest"].card["training"].startswith(card)
    sources = {"model", "persistence", "damped_persistence", "climatology"}
    assert sources == set(names["scores"]["source"].values)
    (row,) = re.findall(r"^\| hyper-parameters \| (.*) \| (.*) \|$", TREES, re.MULTILINE)
    for name, cell in zip(("random_forest", "xgboost"), row, strict=True):
        defaults = model_class(name).hyperparameters()
        for key, value in re.findall(r"`(\w+)(?:=([\d./]+))?`", cell):
            assert defaults[key] == (eval(value) if value else defaults[key])


def test_the_page_on_models_of_profiles_is_true() -> None:
    names: dict[str, Any] = {}
    with xsm.set_options(progress=False):
        for block in fenced("python", PROFILES):
            exec(compile(block, "docs/models/pgdl_cnn_lstm.md", "exec"), names)
    assert names["found"]["theta"].dims == ("time", "depth", "latitude", "longitude")
    assert names["scores"].sizes["depth"] == 5
    assert float(names["audit"]["out_of_range"].max()) == 0


def test_the_page_on_figures_is_true(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import matplotlib.pyplot as plt

    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    with xsm.set_options(progress=False):
        for block in fenced("python", PLOTS):
            exec(compile(block, "docs/plots.md", "exec"), names)
    plt.close("all")
    assert (tmp_path / "improvement.png").stat().st_size > 10_000
    assert names["ax"].get_title().startswith("PHY-LSTM better than LSTM on ")
    assert len(names["axes"]) == len(names["panels"]) == 2
    rows = re.findall(r"^\| (`.*?`) \|", PLOTS, re.MULTILINE)
    kinds = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    own = {n for n in vars(type(names["lstm"].plot)) if not n.startswith("_")}
    assert kinds == own | {"fan", "skill", "horizon"}  # of forecasts that are there already


def test_the_page_on_uncertainty_is_true() -> None:
    names: dict[str, Any] = {}
    with xsm.set_options(progress=False):
        for block in fenced("python", UNCERTAINTY):
            exec(compile(block, "docs/uncertainty.md", "exec"), names)
    assert {"swvl1", "swvl1_std"} <= set(names["forecast"].data_vars)
    assert "isotonic" in names["better"].card["calibration"]
    assert {"groundwater_storage", "groundwater_storage_std"} == set(names["found"].data_vars)
    # what the page measured: within two points of nominal where the data are exchangeable
    part = UNCERTAINTY.split("<!-- exchangeable -->")[1].split("<!-- end")[0]
    rows = re.findall(r"\| (?:isotonic|conformal) \| ([\d.]+) \| ([\d.]+) \|", part)
    assert len(rows) == 8
    for half, most in rows:
        assert abs(float(half) - 50) < 2.0
        assert abs(float(most) - 90) < 2.0


def test_the_page_on_training_is_true(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    with xsm.set_options(progress=False):
        first, second, third, fourth = fenced("python", TRAINING)
        exec(compile(first, "docs/training.md", "exec"), names)
        card = names["fitted"].card["training"]
        assert "31 blocks, about 6,358 samples of each, 31 at a time" in card
        exec(compile(second, "docs/training.md", "exec"), names)
        assert names["again"].history.identical(names["fitted"].history)
        assert int(names["longer"].history.epoch[-1]) == 3
        exec(compile(third, "docs/training.md", "exec"), names)
        assert names["fitted"].card["training"].count("1 ranks")
        exec(compile(fourth, "docs/training.md", "exec"), names)
        assert names["plan"].steps == 75
        assert names["plan"].seconds > 0


def test_the_model_of_the_contributing_page_trains() -> None:
    names: dict[str, Any] = {}
    (block,) = fenced("python", CONTRIBUTING)
    with xsm.set_options(progress=False):
        exec(compile(block, "CONTRIBUTING.md", "exec"), names)
    assert names["fitted"].name == "Perceptron"
    assert names["fitted"].parameters["hidden_size"] == 16


def test_the_numbers_of_the_figure_are_those_of_the_benchmarks() -> None:
    """README and home show this text, and no other figure: each stands in a table of docs/."""
    script = runpy.run_path(str(ROOT / "benchmarks/headline.py"))
    written = (ROOT / "docs/figures/headline.txt").read_text(encoding="utf-8")
    assert written == script["caption"]()
    home = (ROOT / "docs/index.md").read_text(encoding="utf-8")
    assert "{include} figures/headline.txt" in home
    for page in (README.replace(written.strip(), ""), home):
        prose = re.sub(r"```.*?```", "", page, flags=re.DOTALL)
        assert [n for n in re.findall(r"\b0\.\d+", prose) if n != xsm.__version__] == []


def test_the_readme_is_short_and_tells_what_its_figure_shows() -> None:
    assert (ROOT / "docs/figures/headline.txt").read_text(encoding="utf-8").strip() in README
    prose = re.sub(r"```.*?```", "", README, flags=re.DOTALL)
    prose = re.sub(r"\]\([^)]*\)", "]", prose)
    assert len(re.findall(r"[A-Za-z]{2,}", prose)) < 640


def test_there_are_two_commands_of_one_line() -> None:
    commands = [block.strip() for block in fenced("sh")]
    assert len(commands) == 2
    for command in commands:
        assert "\n" not in command
        assert re.match(
            r"python3 -m venv \.venv && \.venv/bin/pip install -c constraints\.txt "
            r'(-e )?"\.\[[a-z,]+\]" && \.venv/bin/python \S',
            command,
        )
    assert (ROOT / commands[0].rpartition(" ")[2]).is_file()
    assert commands[1].endswith("&& .venv/bin/python -m pytest -n 2 --dist loadfile")


def test_the_extras_of_the_commands_exist() -> None:
    used = re.findall(r'"\.\[([a-z,]+)\]"', README)
    assert used
    for extras in used:
        assert set(extras.split(",")) <= set(PROJECT["optional-dependencies"])


def test_ci_takes_the_install_command_from_the_readme() -> None:
    script = (ROOT / ".ci/run").read_text(encoding="utf-8")
    lines = [line for line in script.splitlines() if line.startswith(("command=", "install="))]
    text = "\n".join(["cd '" + str(ROOT) + "'", "python=PY scratch=TMP", *lines, 'echo "$install"'])
    found = subprocess.run(["bash", "-euc", text], capture_output=True, text=True, check=True)
    make, install, test = fenced("sh")[1].strip().split(" && ")
    expected = f"{make} && {install}".replace(".venv", "TMP/venv").replace("python3", "PY", 1)
    assert found.stdout.strip() == expected
    assert test.replace(".venv/bin", '"$bin').replace("python", 'python"') in script


def test_links_lead_somewhere() -> None:
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
    missing = [
        (page.name, target)
        for page in pages
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8"))
        if not target.startswith("http") and not (page.parent / target).exists()
    ]
    assert missing == []


def test_constraints_fit_the_ranges() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = dict(line.split("==") for line in lines if not line.startswith("#"))
    groups = [PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()]
    for requirement in (Requirement(text) for group in groups for text in group):
        assert pins[canonicalize_name(requirement.name)] in requirement.specifier, requirement
    assert pins["torch"] == "2.13.0"
