"""Events of MkDocs: pages that are made from the code or lie elsewhere in the repository, and links between them."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from notebooks import page_of_notebook
from reference import PARTS, record_schema

TOP = Path(__file__).parents[2]
PAGES = {"README.md": "index.md", "CHANGELOG.md": "changelog.md", "CONTRIBUTING.md": "contributing.md"}
"""Pages of the site by files of the repository that lie outside docs/."""

_PART = re.compile(r"<!-- built: (\w+) -->\n.*?<!-- end -->", re.DOTALL)
_LINK = re.compile(r"(!?)\[((?:[^][]|\[[^]]*\])*)\]\((?!\w+:|#)([^)#\s]+)(#[^)\s]*)?\)")
_PICTURE = re.compile(r'(?<=<img src=")([^":]+)(?=")')


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that lie outside docs/, the schema of records, and notebooks as they look when they have run."""
    for origin, name in PAGES.items():
        files.append(File.generated(config, name, content=(TOP / origin).read_text(encoding="utf-8")))
    files.append(File.generated(config, "reference/record.schema.json", content=record_schema()))
    for file in [file for file in files if file.src_uri.endswith(".ipynb")]:
        files.remove(file)
        name = posixpath.splitext(file.src_uri)[0]
        text, pictures = page_of_notebook(Path(str(file.abs_src_path)))
        files.append(File.generated(config, f"{name}.md", content=text))
        for index, picture in enumerate(pictures):
            files.append(File.generated(config, f"{name}-{index}.png", content=picture))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Fill in what the code says, and turn links within the repository into links within the site."""
    text = _PART.sub(lambda part: PARTS[part[1]](), markdown)
    outside = {name: origin for origin, name in PAGES.items()}
    origin = outside.get(page.file.src_uri, f"docs/{page.file.src_uri}")
    return links_of_site(text, origin, page.file.src_uri)


def links_of_site(text: str, origin: str, place: str) -> str:
    """Return the text of a page with links as the site needs them; one to a file without a page is text alone.

    Parameters
    ----------
    text
        Markdown.
    origin
        Where it lies in the repository.
    place
        Where its page lies in the docs.
    """

    def moved(target: str) -> str | None:
        path = posixpath.normpath(posixpath.join(posixpath.dirname(origin), target))
        name = PAGES.get(path) or (path.removeprefix("docs/") if path.startswith("docs/") else None)
        if name is None:
            return None
        name = f"{name.removesuffix('.ipynb')}.md" if name.endswith(".ipynb") else name
        return posixpath.relpath(name, posixpath.dirname(place) or ".")

    def link(match: re.Match[str]) -> str:
        picture, words, target, anchor = match.groups()
        there = moved(target)
        return words if there is None else f"{picture}[{words}]({there}{anchor or ''})"

    return _PICTURE.sub(lambda match: moved(match[1]) or match[1], _LINK.sub(link, text))
