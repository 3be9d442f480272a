"""Results folders for tests of merging: records with all that lies beside them."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
from count_records import counted_record
from report_records import make_record

from harness.store.environment import Environment
from harness.store.maps import ANOMALY_MAP, ImageMaps, save_maps
from harness.store.record import Record, decode_record
from harness.store.several import open_store
from harness.store.store import Store

A = Environment(cpu="CPU A", cores=2, threads=2, device="cpu", device_name="CPU A")
B = replace(A, cpu="CPU B", device_name="CPU B")
FEWER = replace(A, threads=1)
UNKNOWN = Environment()
HISTORIC = Path(__file__).parent / "historic"


def day(number: int) -> str:
    return f"2026-01-{number:02d}T00:00:00+00:00"


def on(environment: Environment, number: int = 1, method: str = "cfm", **changes) -> Record:
    record = make_record(method, changes.pop("category", "bagel"), **{"created": day(number), **changes})
    return replace(record, environment=environment)


def tree(folder: Path) -> dict[str, str]:
    """Return every file of a folder with a digest of its content, but for the locks' empty folders."""
    files = (path for path in folder.rglob("*") if path.is_file() or path.is_symlink())
    return {str(path.relative_to(folder)): sha256(path.read_bytes()).hexdigest() for path in files}


def store_with(folder: Path, *records: Record) -> Path:
    for record in records:
        Store(folder).write(record)
    return folder


def measured(folder: Path, number: int = 1, seed: int = 0, method: str = "cfm", **changes) -> Record:
    """Write a record with counts, maps and log, as a run leaves them."""
    store = Store(folder)
    record = counted_record(store, method, seed=seed, created=day(number), **changes)
    record = replace(record, environment=A)
    store.write(record)
    save_maps(
        store.maps_path(record.cell),
        record.cell,
        [ImageMaps("test/hole/000", 0.5, {ANOMALY_MAP: np.full((8, 8), float(seed))})],
    )
    store.log_path(record.cell).parent.mkdir(exist_ok=True)
    store.log_path(record.cell).write_text(f"log {seed}\n")
    return record


def files_beside(folder: Path, record: Record) -> list[bytes]:
    store = Store(folder)
    paths = (store.counts_path, store.maps_path, store.log_path)
    return [path(record.cell).read_bytes() for path in paths]


def records_below(folder: Path) -> dict[str, Record]:
    """Return every record below a folder by its path there."""
    return {str(path.relative_to(folder)): decode_record(path.read_bytes()) for path in folder.rglob("*.json")}


def ok_records(folders: list[Path]) -> list[tuple[str, str, str]]:
    """Return cell, hardware and time of every ok record that is read from folders, on whatever machine."""
    store = open_store(folders)
    records = [record for record in (*store.all(), *store.elsewhere) if record.status == "ok"]
    return sorted((record.cell.id, record.environment.hardware, record.created) for record in records)
