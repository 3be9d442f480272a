from itertools import combinations

import numpy as np
import pytest

from harness.report.figures.colours import colour_of, looks_of, readable

METHODS = ("cfm", "cfm-m", "cfm-s", "cfm-t", "btf", "m3dm", "ast")

# Machado, Oliveira and Fernandes 2009, severity 1.
VISION = {
    "full": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "tritanopia": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}


def linear(colour):
    channels = np.array([int(colour[start : start + 2], 16) for start in (1, 3, 5)]) / 255
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)


def lab(rgb):
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    relative = to_xyz @ rgb.clip(0, 1) / np.array([0.9505, 1.0, 1.089])
    f = np.where(relative > 0.008856, np.cbrt(relative), 7.787 * relative + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def contrast_on_white(colour):
    return 1.05 / (linear(colour) @ [0.2126, 0.7152, 0.0722] + 0.05)


@pytest.mark.parametrize("vision", VISION)
def test_methods_look_different_with_any_colour_vision(vision):
    seen = {name: lab(VISION[vision] @ linear(colour_of(name))) for name in METHODS}
    nearest = min(float(np.linalg.norm(seen[a] - seen[b])) for a, b in combinations(METHODS, 2))
    assert nearest > 15


def test_a_method_has_one_colour_whatever_its_parameters_and_company():
    assert colour_of("cfm[epochs=50]") == colour_of("cfm (released weights)") == colour_of("cfm (7 of 10)") == "#08306b"
    assert colour_of("their-method") == looks_of(["a", "their-method", "z"])["their-method"].colour


def test_methods_of_one_colour_differ_in_dashes_and_marker():
    looks = looks_of(["cfm", "cfm[epochs=50]", "cfm[aggregate=2d]", "btf"])
    variants = [look for label, look in looks.items() if label != "btf"]
    assert len({look.colour for look in variants}) == 1
    assert len({str(look.line) for look in variants}) == len({look.marker for look in variants}) == 3


@pytest.mark.parametrize("name", [*METHODS, "their-method", "x", "yy"])
def test_text_in_a_colour_can_be_read(name):
    assert contrast_on_white(readable(colour_of(name))) >= 4.4
    assert contrast_on_white(colour_of(name)) > 2
