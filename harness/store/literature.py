"""Published numbers of other sources than the paper whose tables are followed, each with what it compares with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from harness.files.bundled import published_dir
from harness.store.published import Published, read_published
from harness.store.quantities import ACCURACY, PRINTED_ONLY

__all__ = ["SOURCES", "Source", "read_literature", "with_comparable"]


@dataclass(frozen=True, slots=True)
class Source:
    """Where numbers were published.

    Parameters
    ----------
    id
        As in the files.
    citation
        Authors, venue, year.
    note
        Why its numbers can't be set against measured ones, or what a reader must know to do so: a footnote.
    comparable
        Whether its numbers stand beside measured ones: it evaluates by the code of the paper that is followed, and no
        setting of its own is known that is not that of the method here.
    """

    id: str
    citation: str
    note: str
    comparable: bool = False


_HUNDRED = "AUPRO from 100 thresholds where the official columns here have 99"
_MEANS = "means alone were published"
_SECONDARY = "secondary: someone else's transcription, not read in the original"
_BY_EYE = "read by eye from pictures, so that a digit of a category may be wrong"

SOURCES: Mapping[str, Source] = {
    source.id: source
    for source in (
        Source(
            "bergmann2022",
            "Bergmann et al., VISAPP 2022",
            "judged at the images' own resolution, on clouds with their background; rgb=off is without the photograph; "
            "read from repositories that print the tables",
        ),
        Source(
            "chu2023",
            "Chu et al., ICML 2023",
            f"{_HUNDRED}; shape-guided was trained before on all ten categories; other methods are as its authors "
            f"print them; {_BY_EYE}",
        ),
        Source(
            "cao2023",
            "Cao et al., Pattern Recognition 2024",
            f"{_HUNDRED}; cpmf sees clouds alone, drawn from 27 views",
        ),
        Source(
            "cpmf-issue6",
            "author of CPMF, issue 6 of its repository",
            f"{_HUNDRED}; an answer to a question, in no paper",
        ),
        Source(
            "liu2024",
            "Liu et al., arXiv 2412.08949",
            f"{_HUNDRED}; the size of a filter of trd was chosen for each category, it reads the validation samples, "
            "and on Eyecandies its code takes the normals that come with the dataset; other methods are as its authors "
            f"print them; {_BY_EYE}",
        ),
        Source(
            "long2025",
            "Long et al., AAAI 2025",
            "no code of 3d-adnas is public, so that the formula of its AUPRO and its samples are not known; easynet "
            "takes a threshold for each category from a file whose origin is not said, and its AUPRO is printed with "
            "another value elsewhere",
        ),
        Source(
            "tao2025",
            "Tao et al., ICCV 2025",
            f"{_HUNDRED}, which for AUPRO@1% is another formula; training uses clouds of other categories; "
            f"g2sf-retrained is what its authors got when they trained it anew; {_MEANS}",
        ),
        Source(
            "ali2025",
            "Ali et al., DICTA 2025",
            f"evaluated as CFM is, with 99 thresholds; from the abstract; {_MEANS}",
            comparable=True,
        ),
        Source(
            "guo2026",
            "Guo et al., ICML 2026",
            f"99 thresholds as CFM; its few samples were drawn at random, by none of the lists here; its "
            f"smoothing was searched for, and theta is 0.2 on Eyecandies and 0.4 on MVTec 3D-AD; {_MEANS}",
        ),
        Source(
            "daci2026",
            "Daci et al., 2026",
            f"from the abstract, before checkpoints were public; {_MEANS}, and the formula of AUPRO is not known",
        ),
        Source(
            "li2026",
            "Li et al., TPAMI 2026",
            "transductive: all test images are scored together, and nothing is trained; AUPRO from 200 equidistant "
            "values of the maps, rescaled, is another formula",
        ),
        Source(
            "zhao2026-secondary",
            "Zhao et al., CVPR 2026",
            f"{_SECONDARY}; {_MEANS}, and the formula of AUPRO is not known",
        ),
        Source(
            "sensors2026-secondary",
            "DCRDF-Net, Sensors 2026",
            f"{_SECONDARY}; {_MEANS}, and the formula of PRO is not known",
        ),
        Source(
            "pirn-review-secondary",
            "FIND (ICCV 2025) and PIRN, in a review of the latter",
            f"{_SECONDARY}; {_MEANS}",
        ),
    )
}
"""Every source by id, in the order of tables."""


@cache
def read_literature() -> Published:
    """Return the numbers of all sources, in the order of :data:`SOURCES`; raise DataError where a file is damaged."""
    printed = {metric.id: metric for metric in (*ACCURACY, *PRINTED_ONLY)}
    published = read_published(published_dir() / "literature", printed)
    order = list(SOURCES)
    return Published(tuple(sorted(published.rows, key=lambda row: order.index(row.source))))


def with_comparable(published: Published) -> Published:
    """Return published numbers, and after them those of other sources that stand beside measured ones, too."""
    return Published((*published.rows, *(row for row in read_literature().rows if SOURCES[row.source].comparable)))
