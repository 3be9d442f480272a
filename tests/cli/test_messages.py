"""Every message about bad input, in one golden file: a change of wording is a change of one file, which a person reads.

``GOLDEN=write pytest tests/cli/test_messages.py`` writes the file again.
"""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path

import pytest
from count_records import counted_record
from report_records import make_record

from harness.store.store import Store

GOLDEN = Path(__file__).parents[1] / "golden" / "messages.txt"

COMMANDS = """
nix
run
run --methods nix
run --methods cfmm
run --methods cfm[epochs=x]
run --methods cfm[epoch=3]
run --methods cfm[epochs=0]
run --methods cfm[
run --methods ./nowhere.py:Method
run --methods file:Method
run --methods no/module:Method
run --methods json:dumps
run --methods json:JSONDecoder
run --methods cfm --shots 0
run --methods cfm --split 9
run --methods cfm --preset slow
run --methods cfm --dataset nix
run --methods cfm --dataset mvtec3d
run --methods cfm --dataset mvtec3d --data nowhere
run --methods cfm --dataset mvtec3d --data empty
run --methods cfm --categories nix --weights random
run --methods cfm --devices nix
run --methods cfm --timeout soon
run --methods cfm --checkpoint nowhere --shots full
run --methods cfm --json
run --suite table9
run --methods cfm --results file
tables --table 9
tables --metric nix
tables --table 1 --metric p_auroc
tables --dataset nix
tables --methods nix
tables --categories nix
tables --preset nix
tables --status nix
tables --shots ten
tables --split 9
tables --results nowhere --source measured
tables --results broken
compare nix
compare cfmm
compare m3dm
compare btf
compare --metric nix
compare --dataset nix
compare --shots 7
compare --format nix
compare --percent --json
compare --results nowhere
compare --results broken
plot nix
plot --to figure.txt
plot pro --results nowhere
plot shots --shots 5
plot --source published --dataset toy
plot latency --source published
show --results nowhere
show --methods cfm
show --figure 6 --methods nix
show --worst 1 --best 1
merge
merge results
merge results --to results
merge results nowhere --to new
merge results file --to new
merge results broken --to new
merge empty --to new
merge broken --to new
merge results --to file
merge results --to results/cells
report --dataset nix
report --to file
status --results nowhere
status --methods nix
leaderboard --leaderboard nowhere
leaderboard update --results nowhere
leaderboard submit lab --results nowhere
check --results nowhere
check --leaderboard nowhere
cache show nix
cache clear nix
cache clear --older-than soon
data verify nowhere
data verify empty
data fetch nix --to there
weights fetch nix
methods nix
splits --dataset nix
predict nowhere --rgb file --xyz file
predict nowhere --rgb file
predict nowhere --in empty --out map.npy
export nowhere --onnx there
verify nix
run --plan nowhere
run --plan file
run --plan file --methods cfm
run --methods cfm --until 2h
run --plan file --until soon
run --methods cfm --write-plan empty
run --methods cfm --workers 2
run --methods cfm --launcher slurm --workers 0
run --methods cfm --launcher slurm --slurm array=1
run --methods cfm --launcher slurm --slurm poll=soon
run --methods cfm --launcher slurm --plan file
run --methods cfm --collect
run --collect
"""


@pytest.fixture
def here(tmp_path):
    """A folder with some records, an empty folder, a file, and a results folder with a broken record."""
    store = Store(tmp_path / "results")
    store.write(counted_record(store, "cfm", "bump", 0, dataset="toy", shots=10))
    store.write(make_record("btf", "bump", dataset="toy", shots=10, status="failed", reason="no open3d"))
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("text\n")
    path = Store(tmp_path / "broken").write(make_record())
    path.write_text(path.read_text()[:100])
    return tmp_path


def test_messages_are_those_of_the_golden_file(here, call):
    parts = []
    for line in COMMANDS.strip().splitlines():
        outcome = call(*shlex.split(line))
        text = outcome.err.replace(str(here), "HERE")
        text = re.sub(r"[0-9a-f]{12,64}", "DIGEST", text)
        assert "Traceback" not in text, line
        parts.append(f"$ harness {line}\n{text.rstrip()}\n[{outcome.code}]\n")
    written = "\n".join(parts)
    if os.environ.get("GOLDEN") == "write":
        GOLDEN.write_text(written, encoding="utf-8")
    assert written == GOLDEN.read_text(encoding="utf-8")
