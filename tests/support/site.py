"""A built documentation site: links lead somewhere, nothing loads from the network, names have pages.

``python tests/support/site.py build/docs`` prints what is wrong and leaves with 1.
"""

from __future__ import annotations

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.public_api import MODULES, names_of

LOADS = {"script": "src", "img": "src", "link": "href", "iframe": "src"}
"""Tags by which a page loads something, and where they say what."""
PASSIVE = {"canonical", "prev", "next", "search", "index", "genindex"}
"""Relations of a ``link`` that load nothing."""


class Page(HTMLParser):
    """The links, anchors and loads of a page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.loads: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if name := given.get("id"):
            self.anchors.add(name)
        if tag == "a" and (href := given.get("href")):
            self.links.append(href)
        loads = given.get(LOADS.get(tag, ""))
        if loads and not PASSIVE & set((given.get("rel") or "").split()):
            self.loads.append(loads)


def problems(site: Path) -> list[str]:
    """A sentence for each thing that is wrong with a site."""
    pages = {path.resolve(): Page(path) for path in sorted(site.rglob("*.html"))}
    found = []
    for path, page in pages.items():
        here = path.relative_to(site.resolve())
        found += [f"{here} loads {url} from the network" for url in page.loads if "//" in url]
        for link in page.links:
            if "://" in link or link.startswith(("mailto:", "data:")):
                continue
            target, _, anchor = unquote(link).partition("#")
            goal = (path.parent / target).resolve() if target else path
            if not goal.exists():
                found.append(f"{here}: {link} leads nowhere")
            elif anchor and goal in pages and anchor not in pages[goal].anchors:
                found.append(f"{here}: {link} names no heading")
    for module in MODULES:
        for name in names_of(module):
            page_of_name = site / "reference" / "names" / f"{module}.{name}.html"
            if not page_of_name.exists():
                found.append(f"{module}.{name} has no page")
    return found


def main() -> int:
    """Print what is wrong."""
    site = Path(sys.argv[1])
    found = problems(site)
    print(
        "\n".join(found) or f"{len(list(site.rglob('*.html')))} pages, every link leads somewhere"
    )
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
