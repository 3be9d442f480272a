from html.parser import HTMLParser

from report_records import make_record

from harness.report.grid import Column, Grid, Row, Value, missing
from harness.report.legend import legend
from harness.report.render.page import as_html
from harness.report.tables import TableRequest, measured_grids
from harness.store.published import read_published

EVIL = "<script>alert('&\"')</script>"
GRID = Grid(
    title=EVIL,
    label_headings=("method", ""),
    columns=(Column(f"AUPRO@1%\n{EVIL}", {"metric": "aupro_1"}),),
    rows=(
        Row((Value(EVIL, note=EVIL), Value("measured")), (missing(EVIL),), {"method": EVIL, "source": "measured"}),
        Row((Value(""), Value("published")), (Value("0.6", 0.6, place=1),), {"method": EVIL, "source": "published"}),
    ),
    caption=EVIL,
    warning=EVIL,
)
VOID = {"meta", "br", "link", "img"}


class Tree(HTMLParser):
    """Checks that every element is closed, and collects tags, attributes and text."""

    def __init__(self, page):
        super().__init__()
        self.open, self.tags, self.text = [], [], ""
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


def page_of():
    records = [make_record(method, shift=s) for method, s in (("cfm", 0), ("btf", -0.1))]
    grids = measured_grids(records, read_published(), TableRequest(tables=("1", "5", "timing", "memory", "accuracy")))
    return grids, as_html(grids, legend(grids))


def test_the_page_is_whole_and_needs_nothing_else():
    grids, page = page_of()
    tree = Tree(page)
    assert len(tree.all("table")) == len(tree.all("caption")) == len(grids)
    assert tree.all("html") == [{"lang": "en"}]
    assert not {"script", "link", "img"} & {tag for tag, _ in tree.tags}
    assert "http" not in page


def test_headers_say_what_they_head_and_ids_are_unique():
    _, page = page_of()
    tree = Tree(page)
    assert {attributes["scope"] for attributes in tree.all("th")} == {"col", "row"}
    names = [attributes["id"] for _, attributes in tree.tags if "id" in attributes]
    assert len(names) == len(set(names))
    links = {attributes["href"].removeprefix("#") for attributes in tree.all("a")}
    labels = {attributes["aria-labelledby"] for attributes in tree.all("div")}
    assert links
    assert links | labels <= set(names)


def test_every_number_stands_in_the_page():
    grids, page = page_of()
    text = Tree(page).text
    for grid in grids:
        assert grid.title in text
        assert all(value.text in text for row in grid.rows for value in row.values)
        assert all(note in text for note in grid.notes)


def test_whatever_a_label_holds_is_text():
    tree = Tree(as_html([GRID]))
    assert not tree.all("script")
    assert tree.text.count(EVIL) == 7, "title, caption, warning, heading, label, hidden label, one footnote"


def test_a_row_without_a_label_names_its_method_for_screen_readers():
    assert '<th scope="row"><span class="unseen">' in as_html([GRID])
