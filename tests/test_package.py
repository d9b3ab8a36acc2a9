"""What is packed and published: one version, one home, one set of bounds, all that tests read."""

from __future__ import annotations

import re
import tomllib
from datetime import date
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import xsm

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
URLS = PROJECT["urls"]
HOME = URLS["Homepage"]
CONDA = {"cf-xarray": "cf_xarray", "dask": "dask-core", "torch": "pytorch"}
"""Names of packages on conda-forge that differ from those on PyPI."""


def text(name: str) -> str:
    """Return a file of the repository."""
    return (ROOT / name).read_text(encoding="utf-8")


def entry(name: str, file: str = "CITATION.cff") -> str:
    """Return an entry at the left margin of a file in YAML."""
    return re.search(rf'^{name}: "?([^"\n]*)"?$', text(file), re.MULTILINE)[1]


def test_the_version_is_the_same_everywhere() -> None:
    heading = re.search(r"^## \[(\d.*)\] - (.*)$", text("CHANGELOG.md"), re.MULTILINE)
    assert heading[1] == xsm.__version__ == entry("version")
    assert re.search(r'^  version: "(.*)"$', text(".ci/recipe.yaml"), re.MULTILINE)[1] == heading[1]
    assert date.fromisoformat(heading[2]) == date.fromisoformat(entry("date-released"))


def test_the_home_is_the_same_everywhere() -> None:
    assert all(url.startswith(HOME) for url in URLS.values())
    assert entry("url") == HOME
    for name in (".ci/recipe.yaml", "README.md"):
        links = re.findall(r"https://example\.org/[\w-]+|" + re.escape(HOME), text(name))
        assert set(links) == {HOME}, name


def test_links_of_the_readme_are_absolute_and_lead_to_files() -> None:
    """An index of packages shows the page without the repository around it."""
    targets = re.findall(r"\]\(([^)#]+)", text("README.md"))
    assert [target for target in targets if not target.startswith("https://")] == []
    own = [t.removeprefix(f"{HOME}/") for t in targets if t.startswith(f"{HOME}/")]
    files = [re.sub(r"^(blob|tree|raw)/main/", "", path) for path in own]
    assert files
    assert [file for file in files if not (ROOT / file).exists()] == []


@pytest.mark.parametrize("name", [".ci/recipe.yaml", ".ci/environment.yml"])
def test_conda_asks_for_what_pip_asks_for(name: str) -> None:
    asked = dict(re.findall(r"^ +- ([\w-]+) >=([\d.]+)$", text(name), re.MULTILINE))
    asked = {key.removesuffix("-cpu"): bound for key, bound in asked.items()}
    assert asked.pop("python") == PROJECT["requires-python"].removeprefix(">=")
    for requirement in map(Requirement, PROJECT["dependencies"]):
        key = CONDA.get(requirement.name, requirement.name)
        assert f">={asked[key]}" == str(requirement.specifier), key


def test_classifiers_name_the_pythons_that_were_run() -> None:
    page = text("docs/project.md")
    run = set(re.findall(r"^\| \w+ \| (3\.\d+)\.\d+ \|.* passed", page, re.MULTILINE))
    run |= set(re.findall(r"^\| (3\.\d+) \|.* passed", page, re.MULTILINE))
    head = "Programming Language :: Python :: "
    told = {c.removeprefix(head) for c in PROJECT["classifiers"] if c.startswith(f"{head}3.")}
    assert told == run


def test_the_sdist_holds_what_its_tests_and_its_site_need() -> None:
    """README, LICENSE and pyproject.toml are in it by rule of the backend."""
    settings = tomllib.loads(text("pyproject.toml"))["tool"]["hatch"]["build"]["targets"]["sdist"]
    kept = {path.removeprefix("/") for path in settings["include"]}
    by_rule = {"README.md", "LICENSE", "pyproject.toml"}
    sources = [*(ROOT / "tests").rglob("*.py"), ROOT / "docs/conf.py", ROOT / "docs/_ext"]
    read = "\n".join(path.read_text(encoding="utf-8") for path in sources if path.is_file())
    asked = set(re.findall(r'ROOT / "([^"/]+)', read)) | set(re.findall(r'text\("([^"/]+)', read))
    missing = {name for name in asked if (ROOT / name).exists()} - kept - by_rule
    assert missing == set()
    assert {"xsm", "tests", "docs", "examples", "benchmarks", ".ci", "CONTRIBUTING.md"} <= kept
