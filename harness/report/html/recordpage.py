"""The page of one record: every number with what it was measured on, and how to measure it again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from msgspec import to_builtins

from harness.data.base import DATASETS
from harness.report.html.markup import Child, Element, element, write_document
from harness.report.html.parts import facts, headed_table, plain_text, section, theme_switch
from harness.report.html.recordtables import defect_table, images_table, latency_tables, memory_table, metrics_table
from harness.report.html.reproduce import reproduce
from harness.store.details import Details
from harness.store.record import Environment, Latency, Memory, Record

__all__ = ["POLICY", "record_page"]

POLICY = "default-src 'none'; style-src 'self' file:; script-src 'self' file:; img-src 'self' file:"
"""Content security policy of pages whose style and script lie beside them."""


def record_page(record: Record, label: str, siblings: Mapping[str, str], details: Details | None = None) -> bytes:
    """Return the page of a record.

    Parameters
    ----------
    record
        Of any status.
    label
        Of its row in the leaderboard.
    siblings
        The same row's other records: category to the address of its page.
    details
        Scores of its images and raw times.
    """
    cell = record.cell
    name = f"{label} on {cell.category}"
    head = (
        element("meta", http_equiv="Content-Security-Policy", content=POLICY),
        element("title", f"{name}: record"),
        element("link", rel="stylesheet", href="../report.css"),
        element("script", src="../record.js", defer=True),
    )
    links = (element("a", category, href=address) for category, address in siblings.items())
    top = element(
        "header",
        element("a", "Skip to the record", href="#record", class_="skip"),
        element("div", element("a", "All results", href="../index.html"), theme_switch(), class_="bar"),
        element("h1", name),
        element("p", *_subtitle(record)),
        element("nav", "Other categories: ", _joined(links), aria_label="Other categories") if siblings else None,
    )
    main = element("main", *_sections(record, details or Details()), id="record", tabindex="-1")
    return write_document(head, element("body", top, main, class_="record"))


def _joined(links: Iterator[Element]) -> Iterator[Child]:
    for index, link in enumerate(links):
        yield ", " if index else None
        yield link


def _subtitle(record: Record) -> tuple[Child, ...]:
    cell = record.cell
    dataset = DATASETS[cell.dataset].title if cell.dataset in DATASETS else cell.dataset
    shots = "all training samples" if cell.shots == "full" else f"{cell.shots} training samples, split {cell.split}"
    state = element("span", record.status, class_=f"status {'good' if record.status == 'ok' else 'bad'}")
    told = f" {dataset}, {shots}, preset {cell.protocol.preset}, {cell.protocol.weights} weights"
    when = f", measured {record.created}" if record.created else ""
    return state, told + when


def _sections(record: Record, details: Details) -> Iterator[Element]:
    if record.status != "ok":
        yield section("why", "Why there are no numbers", element("p", record.reason or "The record gives no reason."))
    if record.log:
        text = element("pre", "\n".join(record.log), tabindex="0")
        yield section("log", "Last lines of its log", text)
    notes: list[str] = list(record.notes)
    if record.environment.contended:
        notes.append(f"contended: {record.environment.busy_reason}")
    if notes:
        yield section("notes", "Notes", element("ul", (element("li", one) for one in notes)))
    if record.metrics:
        yield section("metrics", "Accuracy", metrics_table(record), defect_table(record))
    if record.latency != Latency():
        yield section("latency", "Latency", *latency_tables(record.latency, details.raw_ms))
    if record.memory != Memory():
        yield section("memory", "Memory", *memory_table(record.memory))
    yield section("again", "Measure it again", *_again(record))
    yield section("cell", "What was measured", *_cell(record))
    if record.environment != Environment():
        found = {"machine": record.environment.hardware or "unknown", **to_builtins(record.environment)}
        yield section("environment", "Environment", facts(found))
    if details.images:
        yield section("images", "Scores of images", images_table(details.images))


def _again(record: Record) -> Iterator[Child]:
    command, remark = reproduce(record)
    yield element("pre", element("code", command, id="command"), tabindex="0", class_="command")
    yield element("button", "Copy", type="button", data_copy="command", class_="quiet", hidden=True)
    yield element("p", remark) if remark else None
    yield element("p", "The seed of every random choice comes from the cell. Speeds need a machine like the one below.")


def _cell(record: Record) -> Iterator[Child]:
    cell = record.cell
    yield facts(
        {
            "cell": cell.id,
            "method": cell.method,
            "dataset": cell.dataset,
            "category": cell.category,
            "data digest": cell.data_digest,
            "training samples": cell.shots,
            "split": cell.split,
            "split digest": cell.split_digest,
            "seed": cell.seed,
            "released checkpoint": cell.checkpoint or None,
            **{f"{name} samples": count for name, count in to_builtins(record.samples).items()},
        }
    )
    yield _details("Parameters", cell.parameters, given=tuple(cell.given))
    yield _details("Protocol", cell.protocol.to_json() | {"digest": cell.protocol.digest})
    yield _details("Pretrained files", to_builtins(record.weights))
    yield _details("Seconds of each stage", {name: f"{value:.2f}" for name, value in record.seconds.items()})


def _details(heading: str, values: Mapping[str, object], given: Sequence[str] = ()) -> Element | None:
    if not values:
        return None
    rows = ((name, plain_text(value) + (" (given)" if name in given else "")) for name, value in values.items())
    table = headed_table(heading, ("name", "value"), rows)
    return element("details", element("summary", heading), table, open=heading == "Parameters")
