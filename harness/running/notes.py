"""What a reader of a record should see beside its numbers."""

from __future__ import annotations

from collections.abc import Mapping

from harness import registry
from harness.implementations import Implementation, fallbacks
from harness.plan.job import Job
from harness.store.measurements import Memory

__all__ = ["record_notes"]


def record_notes(
    job: Job, memory: Memory, implementations: Mapping[str, Implementation], lost_masks: str = ""
) -> tuple[str, ...]:
    """Return sentences on released and random weights, other files, memory that can't be trusted, and fallbacks.

    Parameters
    ----------
    job
        What was measured.
    memory
        As measured.
    implementations
        Of the method.
    lost_masks
        Which masks vanish at the size of evaluation, in words; empty where none does.
    """
    notes = [f"evaluated with the checkpoint in {job.checkpoint}"] if job.checkpoint else []
    if job.cell.protocol.weights == "random" and registry.load(job.cell.method).meta.weights:
        notes.append("random weights: not comparable with published numbers")
    notes += [f"{name} is not the published file" for name, file in job.weights.items() if not file.verified]
    check = memory.state_check
    if check is not None and check.agrees is False:
        notes.append(f"the memory it reports can't be trusted: {check.reason}")
    return (*notes, *fallbacks(implementations), *filter(None, (lost_masks,)))
