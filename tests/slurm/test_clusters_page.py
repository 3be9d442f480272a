"""What docs/how-to/clusters.md shows can be pasted."""

from __future__ import annotations

import re
import shlex
import subprocess
import tomllib
from pathlib import Path

import yaml

from harness.cli.main import cli
from harness.slurm.settings import read_slurm_settings

TOP = Path(__file__).parents[2]
PAGE = (TOP / "docs" / "how-to" / "clusters.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_the_page_is_found() -> None:
    assert "docs/how-to/clusters.md" in (TOP / "README.md").read_text(encoding="utf-8")


def test_every_command_has_the_options_that_the_page_gives_it() -> None:
    text = PAGE.replace("\\\n", " ")
    commands = [*re.findall(r"^ {4}(harness .*)$", text, re.MULTILINE), *re.findall(r"`(harness [^`]*)`", text)]
    commands += [f"harness {line}" for line in re.findall(r"bin/harness (.*?)(?: > .*)?$", text, re.MULTILINE)]
    assert len(commands) >= 12
    for line in commands:
        _, verb, *words = shlex.split(line)
        command = cli.get_command(None, verb)
        assert command is not None, line
        options = {option for param in command.params for option in param.opts}
        assert {word for word in words if word.startswith("--")} <= options, line


def test_settings_are_settings() -> None:
    (content,) = [content for kind, content in BLOCKS if kind == "toml"]
    settings = read_slurm_settings(tomllib.loads(content)["tool"]["harness"]["slurm"])
    assert (settings.options["time"], settings.pullers) == ("480", 8)
    assert settings.cpu_options == {"partition": "cpu", "constraint": "no"}
    command = next(line for line in PAGE.replace("\\\n", " ").splitlines() if "--slurm" in line)
    words = shlex.split(command)
    typed = read_slurm_settings({}, [words[words.index("--slurm") + 1]])
    assert typed.options == {"partition": "gpu", "gres": "gpu:1", "time": "480"}


def test_scripts_and_manifests_are_well_formed() -> None:
    scripts = [content for kind, content in BLOCKS if kind == "sh"]
    for script in scripts:
        subprocess.run(["bash", "-n"], input=script, text=True, check=True)
    assert {script.split()[0] for script in scripts} == {"#PBS", "#BSUB", "for"}
    (manifest,) = [yaml.safe_load(content) for kind, content in BLOCKS if kind == "yaml"]
    assert manifest["spec"]["completionMode"] == "Indexed"
    (container,) = manifest["spec"]["template"]["spec"]["containers"]
    assert container["command"][:3] == ["harness", "run", "--plan"]
