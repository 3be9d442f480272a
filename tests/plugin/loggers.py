"""Loggers of another package: one that writes lines, one that can't start, one that fails at its first step."""

import json


class _Lines:
    def __init__(self, folder, name, settings):
        self._file = (folder / "lines.jsonl").open("w", encoding="utf-8")
        self._line({"name": name, "method": settings["method"], "device": settings["device"]})

    def _line(self, value):
        self._file.write(json.dumps(value) + "\n")
        self._file.flush()

    def write(self, stage, step, values):
        self._line({"stage": stage, "step": step, **values})

    def close(self):
        self._line("closed")
        self._file.close()


class _Failing(_Lines):
    def write(self, stage, step, values):
        raise RuntimeError("no network")


def start_lines(folder, name, settings):
    return _Lines(folder, name, settings)


def start_broken(folder, name, settings):
    raise ImportError("its library is not installed")


def start_failing(folder, name, settings):
    return _Failing(folder / "..", name, settings)
