"""Records of every kind, what each reading verb says of them, and a comparison of two such sets of outputs.

python tests/snapshot_outputs.py records RESULTS
python tests/snapshot_outputs.py outputs RESULTS BEFORE
python tests/snapshot_outputs.py compare BEFORE AFTER --rename old=new
"""

from __future__ import annotations

import argparse
import difflib
import math
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
from PIL import Image

TOP = Path(__file__).resolve().parents[1]
Rename = Callable[[str], str]


# Outputs

TABLES = (*"1234567", "accuracy", "defects", "timing", "memory", "rank", "seeds", "categories", "costs", "differences")
FORMATS = ("rich", "markdown", "latex", "csv", "json", "html")
FRAME = "import harness; print(harness.results('records').to_pandas().to_csv(index=False))"
UPDATE = "leaderboard update --leaderboard {}/board"
_TOY = "--dataset toy --preset quick"
_PLOTS = (
    *("speed", "speed --dataset eyecandies --source measured", "speed --source published --width page"),
    *("shots", "shots --dataset mvtec3d --metric i_auroc", "shots --dataset toy --no-title", "pro", "roc", "latency"),
    *(f"{kind} --dataset mvtec3d --preset paper --shots 10" for kind in ("speed", "pro", "roc", "latency")),
    *(f"{kind} --dataset toy --preset quick --shots 10" for kind in ("speed", "pro", "roc", "latency")),
    "pro --dataset eyecandies --categories CandyCane,Confetto --methods cfm*",
)
_SHOWN = (
    "--methods cfm,cfm-t --shots 10",
    "--worst 2 --scale image",
    "--methods cfm,cfm-t --figure 6 --categories bump",
    "--dataset mvtec3d",
)
_STATUS = ("", "--json", "--failed", "--failed --json", "--dataset mvtec3d --methods cfm* --shots 10")
_SCOPES = ("", "--json", _TOY, "--methods cfm* --shots 10 --json", "--dataset mvtec3d --categories bagel")
FIRST = ("run --dataset toy --methods cfm* --shots 10 --results records --dry-run",)
"""Makes the toy dataset, which others need."""
MACHINE = ("env", "env --json", "cache", "cache --json")
"""Before others fill the cache."""
READING = (
    *(f"tables --format {form}" for form in FORMATS),
    *(f"tables --table {','.join(TABLES)} --format {form}" for form in FORMATS),
    *(f"tables --table {table} --format {form}" for table in TABLES for form in ("rich", "json")),
    *(f"tables --source {source} --format {form}" for source in ("measured", "published") for form in ("rich", "json")),
    *(f"tables --dataset {name} --format csv" for name in ("mvtec3d", "eyecandies", "toy")),
    *(f"tables --metric {metric} --format json" for metric in ("i_auroc", "i_auroc,aupro_1", "aupro_1_official")),
    *(
        f"tables --table {name} --metric p_auroc,aupro_30 --format markdown"
        for name in ("defects", "differences,seeds")
    ),
    "tables --methods cfm*,m3dm[uff=train] --format latex",
    *(f"status {options}" for options in _STATUS),
    *(f"plot {options} --to {{}}/figure.svg" for options in _PLOTS),
    "plot speed --to {}/figure.png",
    *(f"show {options} --to {{}}/figure.{kind}" for options in _SHOWN for kind in ("svg", "png")),
    *(f"report --open no --to {{}}/report{options}" for options in ("", " --dataset toy")),
    *("run --suite table1,table6 --dataset toy --dry-run", "run --suite all --dry-run --json"),
    UPDATE,
    f"{UPDATE} --json",
    *(f"leaderboard --leaderboard board {options}" for options in _SCOPES),
    *(f"check --leaderboard board {options}" for options in _SCOPES),
    *(f"check --leaderboard board --results records/worse {options}" for options in ("", "--json")),
    *("methods", "methods --json", "methods cfm* --json", "methods m3dm"),
    *("datasets", "datasets --json", "weights", "weights --json"),
    *(
        "splits",
        "splits --json",
        "splits --dataset mvtec3d",
        "splits --dataset toy --category bump --shots 5 --split 0",
    ),
)
LAST = (
    *(f"leaderboard --leaderboard made {options}" for options in _SCOPES),
    *(f"check --leaderboard made {options}" for options in _SCOPES),
    *(f"check --leaderboard made --results records/worse {options}" for options in ("", "--json", _TOY)),
)
"""About the leaderboard that UPDATE makes of the records."""


def write_outputs(results: Path, to: Path, rename: Rename, only: str) -> None:
    """Run every command in a folder where all names are relative, and write what each says and makes below TO."""
    to.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        here = Path(name).resolve()
        made = to.resolve() / _name(rename(UPDATE)) / "board"
        places = {"records": results, "board": TOP / "results" / "leaderboard", "to": to, "made": made}
        for link, place in places.items():
            (here / link).symlink_to(place.resolve())
        for texts in (FIRST, MACHINE, READING, LAST):
            commands = [["-m", "harness", *text.split()] for text in map(rename, texts)]
            if texts is READING:
                commands.append(["-c", FRAME, "frame"])
            chosen = [one for one in commands if texts is FIRST or fnmatch(_name(" ".join(one[2:])), only)]
            with ThreadPoolExecutor(2) as pool:
                list(pool.map(lambda one: _run(here, to, one), chosen))


def _name(text: str) -> str:
    words = text.replace("{}/", "").replace(",".join(TABLES), "all")
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", words.replace("*", "+")).strip("-")


def _run(here: Path, to: Path, command: Sequence[str]) -> None:
    name = _name(" ".join(command[2:]))
    folder = to / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    words = [word.replace("{}", f"to/{name}") for word in command]
    if words[2] in ("tables", "status", "plot", "show", "report", "check") or words[2:4] == ["leaderboard", "update"]:
        words += [] if "--results" in words else ["--results", "records"]
    settings = {key: value for key, value in os.environ.items() if not key.startswith("HARNESS_")}
    settings |= {"COLUMNS": "140", "NO_COLOR": "1", "TERM": "dumb", "TZ": "UTC", "LC_ALL": "C.UTF-8"}
    settings |= {"HARNESS_CACHE": "cache", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(TOP), "PYTHONHASHSEED": "0"}
    done = subprocess.run([sys.executable, *words], cwd=here, env=settings, capture_output=True, check=False)
    for stream, content in (("stdout", done.stdout), ("stderr", done.stderr)):
        text = content.replace(str(here).encode(), b"HERE").replace(str(TOP).encode(), b"TOP")
        (folder / f"{stream}.txt").write_bytes(text)
    (folder / "exit.txt").write_text(f"{done.returncode}\n")


# Comparison

NUMBER = re.compile(r"(?<![\w.])[-+−]?(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][-+]?\d+)?")
HASH = re.compile(r"(?<![0-9A-Za-z])(?=[0-9a-f]*\d)(?=\d*[a-f])[0-9a-f]{12,64}(?![0-9A-Za-z])")


def compare(before: Path, after: Path, rename: Rename, lines: int) -> int:
    """Print which files differ, those with other numbers first; return 1 where numbers or the set of files do."""
    old, new = _files(before, rename), _files(after, str)
    found: list[tuple[str, str, list[str]]] = []
    found += [("missing", name, []) for name in sorted(old.keys() - new.keys())]
    found += [("new", name, []) for name in sorted(new.keys() - old.keys())]
    for name in sorted(old.keys() & new.keys()):
        if old[name].suffix == ".png":
            same = np.array_equal(np.asarray(Image.open(old[name])), np.asarray(Image.open(new[name])))
            found += [] if same else [("numbers", name, ["other pixels"])]
            continue
        first, second = _text(old[name], rename), _text(new[name], str)
        if first != second and (kind := _difference(first, second)):
            found.append((kind, name, _excerpt(first, second, lines)))
    for kind in ("missing", "new", "numbers", "order", "words"):
        for _, name, excerpt in (one for one in found if one[0] == kind):
            print(f"{kind}: {name}", *(f"    {line}" for line in excerpt), sep="\n")
    counts = Counter(kind for kind, _, _ in found)
    if counts:
        print(", ".join(f"{count} {kind}" for kind, count in counts.items()), f"of {len(old)} files")
    return int(any(kind != "words" for kind in counts))


def _files(folder: Path, rename: Rename) -> dict[str, Path]:
    """Return files by their name without ids; those that are alike then are numbered."""
    seen: Counter[str] = Counter()
    files = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = HASH.sub("ID", rename(str(path.relative_to(folder))))
        seen[name] += 1
        files[name if seen[name] == 1 else f"{name}#{seen[name]}"] = path
    return files


def _text(path: Path, rename: Rename) -> str:
    return HASH.sub("ID", rename(path.read_bytes().decode("utf-8", "replace")))


def _difference(first: str, second: str) -> str:
    old, new = ([float(text.replace("−", "-")) for text in NUMBER.findall(one)] for one in (first, second))
    if not _alike(old, new):
        return "order" if _alike(sorted(old), sorted(new)) else "numbers"
    words = [" ".join(NUMBER.sub("0", one).split()) for one in (first, second)]
    return "words" if words[0] != words[1] else ""


def _alike(old: Sequence[float], new: Sequence[float]) -> bool:
    return len(old) == len(new) and all(
        math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-12) for a, b in zip(old, new, strict=True)
    )


def _excerpt(first: str, second: str, lines: int) -> list[str]:
    """Return the first lines of a unified diff; long lines are broken where values end."""
    old, new = _broken(first), _broken(second)
    skip = next((at for at, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new)))
    begin = max(0, skip - 2)
    part = slice(begin, begin + 1000)
    diff = list(difflib.unified_diff(old[part], new[part], n=1, lineterm=""))[3:]
    return [line[:160] for line in diff[:lines]]


def _broken(text: str) -> list[str]:
    lines = text.splitlines()
    return [part for line in lines for part in (re.split(r"(?<=[,;>])", line) if len(line) > 160 else [line])]


def renamer(pairs: Sequence[str]) -> Rename:
    """Return what replaces whole words: ``old=new`` each."""
    names = dict(pair.split("=", 1) for pair in pairs)
    if not names:
        return str
    pattern = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, sorted(names, key=len, reverse=True)))})(?!\w)")
    return lambda text: pattern.sub(lambda match: names[match[0]], text)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    records = verbs.add_parser("records", help="write a results folder")
    records.add_argument("results", type=Path)
    outputs = verbs.add_parser("outputs", help="run every reading verb on it")
    outputs.add_argument("results", type=Path)
    outputs.add_argument("to", type=Path)
    outputs.add_argument("--only", default="*", help="glob of names of commands")
    comparing = verbs.add_parser("compare", help="compare two folders of outputs")
    comparing.add_argument("before", type=Path)
    comparing.add_argument("after", type=Path)
    comparing.add_argument("--lines", type=int, default=12, help="of a diff")
    for verb in (outputs, comparing):
        verb.add_argument("--rename", nargs="+", default=[], metavar="OLD=NEW", help="ids: in commands, or in BEFORE")
    asked = parser.parse_args()
    if asked.verb == "records":
        from snapshot_records import write_records

        write_records(asked.results)
    elif asked.verb == "outputs":
        write_outputs(asked.results, asked.to, renamer(asked.rename), asked.only)
    else:
        return compare(asked.before, asked.after, renamer(asked.rename), asked.lines)
    return 0


if __name__ == "__main__":
    sys.exit(main())
