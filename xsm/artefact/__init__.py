"""Models on disk and in object stores: Zarr v3 without code, checked before it is believed."""

from __future__ import annotations

from xsm.artefact.nodes import Declared
from xsm.artefact.places import refusing
from xsm.artefact.reading import Artefact, open_artefact
from xsm.artefact.records import build_record, check_mapping
from xsm.artefact.root import SCHEMA
from xsm.artefact.tables import Group, dataset_of, group_of
from xsm.artefact.values import plain, restore
from xsm.artefact.writing import write_artefact

__all__ = [
    "SCHEMA",
    "Artefact",
    "Declared",
    "Group",
    "build_record",
    "check_mapping",
    "dataset_of",
    "group_of",
    "open_artefact",
    "plain",
    "refusing",
    "restore",
    "write_artefact",
]
