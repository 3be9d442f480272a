"""Whether a number still stands for what would be measured now: the code and the data that it came from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from operator import attrgetter

from harness import registry
from harness.data.registry import DATASETS, reader_entry
from harness.distribution import is_own_distribution
from harness.errors import UsageError
from harness.files.digest import digest
from harness.files.sources import module_file, source_digest
from harness.store.environment import Provider
from harness.store.record import DataContent, Record

__all__ = [
    "code_change",
    "data_change",
    "family_source_of",
    "mixed_versions",
    "provider_of",
    "reader_change",
    "reader_of",
    "source_of",
    "stale_as_failed",
    "stale_reasons",
]


_SAMPLES = ("train", "validation", "test", "nominal")
"""Fields of the content of a record that are the digests of samples."""


def source_of(method: str) -> str:
    """Return the digest of the code that computes a method (:func:`harness.files.sources.source_digest`).

    No installed method is imported for it. Empty for a method that is not known, or whose source can't be read.
    """
    imported, entry = registry.imported_class(method), registry.entry_of(method)
    return _source(imported.type.__module__ if imported is not None else entry.module if entry is not None else "")


def family_source_of(method: str) -> str:
    """Return a digest of the code of a method and of all of its family that the same distribution registers.

    What methods of a family share was computed by one of them. Imports those methods.
    """
    entry = registry.entry_of(method)
    if registry.imported_class(method) is not None or entry is None or entry.dist is None:
        return source_of(method)
    distribution, family = entry.dist.name, registry.load(method).meta.family
    sources = set()
    for name in registry.method_names():
        other = registry.entry_of(name)
        if other is not None and other.dist is not None and other.dist.name == distribution:
            with suppress(UsageError):  # one that can't be imported has computed nothing
                if registry.load(name).meta.family == family:
                    sources.add(source_of(name))
    return digest(sorted(sources), 64)


def _source(module: str) -> str:
    path = module_file(module) if module else None
    return source_digest(module, path) if path is not None else ""


def provider_of(method: str) -> Provider | None:
    """Return the installed distribution that registers a method, or the file it was imported from; None for neither."""
    imported = registry.imported_class(method)
    if imported is not None:
        return Provider(imported.reference, imported.sha256, source_of(method))
    entry = registry.entry_of(method)
    if entry is None or entry.dist is None:
        return None
    return Provider(entry.dist.name, entry.dist.version, source_of(method))


def reader_of(dataset: str) -> Provider | None:
    """Return the installed distribution that registers a dataset's reader; None for a built-in or unknown one.

    What built-in readers make of files is part of the protocol's version and of a category's digest.
    """
    entry = reader_entry(dataset)
    if entry is None or entry.dist is None or is_own_distribution(entry.dist.name):
        return None
    return Provider(entry.dist.name, entry.dist.version, _source(entry.module))


def reader_change(dataset: str, then: Provider | None, now: Provider | None) -> str:
    """Return how the code of a dataset's reader differs, as :func:`code_change` does for a method."""
    change = code_change(then, now)
    return f"of the reader of {dataset}, {change}" if change else ""


def code_change(then: Provider | None, now: Provider | None) -> str:
    """Return how the code of a method differs from that which measured a number, as part of a sentence.

    The version of this package plays no part: the source of its methods and the version of the protocol do.

    Parameters
    ----------
    then
        Of the record; None where it does not say.
    now
        Of the installed method; None where it is not installed.

    Returns
    -------
    str
        Empty where nothing has changed or nothing can be known.
    """
    if then is None or now is None:
        return ""
    if then.source and now.source:
        if then.source != now.source:
            return f"its code has changed since ({then.source[:8]} then, {now.source[:8]} now)"
    elif then.reference and now.reference and then.version != now.version:
        return "its file has changed since"
    if then.reference or now.reference:
        return ""
    if is_own_distribution(then.distribution) and is_own_distribution(now.distribution):
        return ""
    if then.distribution != now.distribution:
        return f"it came from {then.distribution} {then.version}, and comes from {now.distribution} {now.version} now"
    if then.version != now.version:
        return f"{now.distribution} was {then.version} then and is {now.version} now"
    return ""


def data_change(then: DataContent, now: DataContent) -> str:
    """Return which samples have another content than when a number was measured; empty where none has."""
    named = {
        "training": (then.train, now.train),
        "validation": (then.validation, now.validation),
        "test": (then.test, now.test),
    }
    if then.nominal != then.validation:
        named["nominal"] = (then.nominal, now.nominal)
    changed = [name for name, (before, after) in named.items() if before and after and before != after]
    if not changed and then.fields and now.fields and then.fields != now.fields:
        return "files of further fields of the samples have changed since"
    names = " and ".join(filter(None, (", ".join(changed[:-1]), *changed[-1:])))
    return f"files of {names} samples have changed since" if changed else ""


def stale_reasons(records: Sequence[Record]) -> list[str]:
    """Return why each record no longer stands for what it says, as part of a sentence; empty where it does.

    The code of a method is compared with what is installed here. Where the data lie is not known here, so their content
    is compared with that of the newest record of the same samples; where it is not known of both, names and sizes of
    the category's files are. Of a dataset that the harness makes, defects that differ from those of the newest record
    of any category are those of another version of it.

    Parameters
    ----------
    records
        All that may be set side by side; only ok ones can be stale.
    """
    providers = {name: provider_of(name) for name in {record.cell.method for record in records}}
    readers = {name: reader_of(name) for name in {record.cell.dataset for record in records}}
    changes = [
        _code_since(record, providers[record.cell.method], readers[record.cell.dataset])
        if record.status == "ok"
        else ""
        for record in records
    ]
    current = [record for record, change in zip(records, changes, strict=True) if record.status == "ok" and not change]
    newest: dict[tuple[str, ...], str] = {}
    for record in sorted(current, key=attrgetter("created")):
        newest |= _data_of(record)
    return [
        change or (_data_since(record, newest) if record.status == "ok" else "")
        for record, change in zip(records, changes, strict=True)
    ]


def stale_as_failed(records: Sequence[Record]) -> list[Record]:
    """Return records with each stale one as a failed one that says so: for what takes no old number for a new one."""
    reasons = stale_reasons(records)
    return [
        replace(record, status="failed", reason=f"stale: {reason}; 'harness run' measures it again")
        if reason
        else record
        for record, reason in zip(records, reasons, strict=True)
    ]


def _code_since(record: Record, provider: Provider | None, reader: Provider | None) -> str:
    """Return how the code that made a record differs from what is installed: the method's, else the reader's."""
    then = record.environment
    return code_change(then.provider, provider) or reader_change(record.cell.dataset, then.reader, reader)


def _data_of(record: Record) -> dict[tuple[str, ...], str]:
    """Return the digests of a record's data by what they are of: records of the same samples have the same keys."""
    cell, content = record.cell, record.content
    moved = cell.condition.text if cell.condition.of_training else ""  # samples from the test set into training
    digests = {
        ("files", cell.dataset, cell.category): cell.data_digest,
        ("test", cell.dataset, cell.category, moved): content.test,
        ("validation", cell.dataset, cell.category): content.validation,
        ("train", cell.dataset, cell.category, str(cell.shots), cell.split, moved): content.train,
        ("nominal", cell.dataset, cell.category, str(cell.shots), cell.split, moved): content.nominal,
    }
    if (info := DATASETS.get(cell.dataset)) and info.embedded and record.test_images.defects and not moved:
        digests["version", cell.dataset] = digest(sorted(record.test_images.defects))
    return {key: value for key, value in digests.items() if value}


def _data_since(record: Record, newest: Mapping[tuple[str, ...], str]) -> str:
    """Return how the data of a record differ from the newest ones; names and sizes count where no content is known."""
    own = _data_of(record)
    known = {key: newest[key] for key in own if key in newest}
    if any(own[key] != value for key, value in known.items() if key[0] == "version"):
        return f"another version of {record.cell.dataset} has been measured since"
    content = {key[0]: value for key, value in known.items() if key[0] in _SAMPLES}
    change = data_change(record.content, DataContent(**content))
    if change or "test" in content:
        return change
    same = all(value == record.cell.data_digest for key, value in known.items() if key[0] == "files")
    return "" if same else "files of other names or sizes have been measured since"


def mixed_versions(records: Iterable[Record]) -> str:
    """Return the versions of software that differ between records, as a sentence; empty where none does."""
    seen: dict[str, dict[str, None]] = {}
    for record in records:
        environment = record.environment
        provider = environment.provider
        versions = {"harness": environment.harness, "torch": environment.packages.get("torch")}
        if provider is not None and not provider.reference and not is_own_distribution(provider.distribution):
            versions[provider.distribution] = provider.version
        for name, version in versions.items():
            if version:
                seen.setdefault(name, {})[version] = None
    mixed = [f"{name} {' and '.join(sorted(versions))}" for name, versions in seen.items() if len(versions) > 1]
    return f"measured with several versions: {', '.join(mixed)}" if mixed else ""
