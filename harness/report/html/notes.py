"""How to read the numbers: what they mean, and why some can't be compared."""

from __future__ import annotations

from harness.report.html.markup import Element, element
from harness.report.html.parts import section

__all__ = ["reading_notes"]

_NOTES: tuple[tuple[str, tuple[str, ...]], ...] = (
    (
        "Exact and official AUPRO",
        (
            "Exact AUPRO is the integral of the PRO curve. Official AUPRO follows the code with 99 thresholds whose "
            "numbers papers print. They have columns of their own and are never comparable with each other.",
            "The official code has no threshold inside the first 1% of false positives, so its AUPRO@1% is close to "
            "0.51 PRO(0) + 0.49 PRO(1.02%) by construction, and lies well below the integral.",
            "Papers print official values. Those are what a published number may be compared with.",
        ),
    ),
    (
        "Settings",
        (
            "Rows of one setting share dataset, training samples, protocol and weights. Best numbers are marked among "
            "these rows only, and only among rows that cover the same categories.",
            "Published rows compete among themselves. They stand in a measured setting where the protocol is the "
            "published one: pretrained weights, preset paper, the first training samples.",
            "Random weights, other presets and other splits give numbers that show whether a method works, "
            "never how good it is.",
            "Numbers with \u2248 can't be told from the best of their column by a paired bootstrap over the test "
            "images; no number of such a column is bold.",
            "Bold is untested where cells left no counts: it marks the best printed number. The same 'harness run' "
            "with --rerun METHOD makes the counts.",
            "Such intervals cover the choice of test images, not training: another seed or other training samples move "
            "numbers further. Bars over random splits, in the plot of few training samples, cover the choice of "
            "training samples.",
        ),
    ),
    (
        "Latency",
        (
            "Times are medians at batch 1 on real samples after warm-up, with the device idle before and after each "
            "call. 'device' is inference alone; 'end to end' adds padding, resizing and transfer; 'CUDA events' is the "
            "device window by the device's own clock. Decoding files and cleaning clouds have windows of their own.",
            "fps is 1000 divided by the median of the device window.",
            "Times taken while something else kept the machine busy are left out here and stay in the record, marked.",
            "Speeds of different devices are never ranked together. A column of times is sorted device by device. "
            "Published speeds are those of the authors' machine.",
        ),
    ),
    (
        "Memory",
        (
            "'memory (state)' is what papers print: bytes of parameters and bank, whatever the process needs besides.",
            "'static' is held after fit, 'peak fit' and 'peak infer' are the most that was held, all above the level "
            "before the method was made: by the CUDA allocator's counters, or the kernel's high-water mark.",
            "'reserved' is what the CUDA allocator took from the device, 'device lost' what the whole device lost.",
            "A number that can't be had is a dash; the row's details and the record give the reason.",
        ),
    ),
    (
        "Means",
        (
            "A number is the mean over the categories of its dataset. Where some are missing, the row says over how "
            "many it is, its details say which are missing and why, and it competes with no complete row.",
            "Every row unfolds into its categories. Each category leads to its record: parameters, digests, "
            "environment, raw times, and the command that measures it again.",
        ),
    ),
)


def reading_notes() -> Element:
    """Return the notes as a section."""
    parts = []
    for heading, sentences in _NOTES:
        parts.append(element("h3", heading))
        parts.append(element("ul", (element("li", sentence) for sentence in sentences)))
    return section("reading", "How to read this", element("div", *parts, class_="prose"))
