"""The documentation site: `make docs` builds it without network, and every warning is an error."""

from __future__ import annotations

import re
import sys
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from docutils import nodes  # noqa: E402
from sphinx import addnodes  # noqa: E402
from support.public_api import MODULES, names_of  # noqa: E402

from amorsize.version import __version__  # noqa: E402

project = "amorsize"
author = "The amorsize developers"
project_copyright = "2026, the amorsize developers"
release = version = __version__
REPOSITORY = "https://github.com/amorsize/amorsize"

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "gallery/*.ipynb", "gallery/*.py", "**sg_execution_times.rst"]
nitpicky = False
suppress_warnings = ["config.cache"]

myst_heading_anchors = 3
myst_enable_extensions = ["deflist"]

autodoc_typehints = "none"  # four overloads would stand before the first sentence
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True, "show-inheritance": True}
python_use_unqualified_type_names = True
napoleon_use_rtype = False

sphinx_gallery_conf = {
    "examples_dirs": [str(ROOT / "examples" / "gallery")],
    "gallery_dirs": ["gallery"],
    "filename_pattern": r"/\w+\.py$",
    "abort_on_example_error": True,
    "download_all_examples": False,
    "show_memory": False,
    "min_reported_time": 60,
    "remove_config_comments": True,
}

html_theme = "pydata_sphinx_theme"
html_title = "amorsize"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_extra_path = ["llms.txt"]
html_show_sourcelink = False
html_context = {"default_mode": "auto"}  # the theme warns in the console where it is not told
html_theme_options = {
    "github_url": REPOSITORY,
    "use_edit_page_button": False,
    "show_prev_next": True,
    "navigation_with_keys": False,
    "header_links_before_dropdown": 6,
    "footer_start": ["copyright"],
    "footer_end": [],
    "secondary_sidebar_items": ["page-toc"],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}


def outside_links(app: object, name: str, source: list[str]) -> None:
    """Links to files outside of docs/ lead to the repository."""
    page = ROOT / "docs" / f"{name}.md"
    if not page.exists():
        return

    def to_repository(found: re.Match[str]) -> str:
        target, anchor = found[1], found[2] or ""
        path = (page.parent / target).resolve()
        if "://" in target or path.is_relative_to(ROOT / "docs") or not path.exists():
            return found[0]
        return f"]({REPOSITORY}/blob/main/{path.relative_to(ROOT).as_posix()}{anchor})"

    source[0] = re.sub(r"\]\(([^)#\s]+)(#[^)\s]*)?\)", to_repository, source[0])


def write_names() -> None:
    """A page for each public name, made of its docstring."""
    folder = ROOT / "docs" / "reference" / "names"
    folder.mkdir(exist_ok=True)
    wanted = {}
    for module in MODULES:
        for name in names_of(module):
            value = getattr(import_module(module), name)
            kind = "function" if callable(value) else "data"
            if isinstance(value, type):
                kind = "exception" if issubclass(value, BaseException) else "class"
            title = f"{module}.{name}"
            shown = f".. auto{kind}:: {title}\n"
            if kind == "data":
                shown = f".. py:data:: {title}\n   :value: {value!r}\n"
            wanted[f"{title}.rst"] = f"{title}\n{'=' * len(title)}\n\n{shown}"
    for path in folder.iterdir():
        if path.name not in wanted:
            path.unlink()
    for file, text in wanted.items():
        path = folder / file
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def words_are_no_links(app: object, doctree: nodes.document) -> None:
    """The types of parameters are said in words ("seconds or None"): these are no names to link to."""
    for link in list(doctree.findall(addnodes.pending_xref)):
        target = link.get("reftarget") or ""
        if link.get("reftype") == "class" and target.islower() and "." not in target:
            link.replace_self(nodes.emphasis("", target))


COLON = "\N{MODIFIER LETTER COLON}"
"""What stands for a colon while napoleon reads an attribute: it takes what is before one for a type."""


def hide_colons(
    app: object, what: str, name: str, obj: object, options: object, lines: list[str]
) -> None:
    """Before napoleon: "Threads in each worker: more than 1 only if ..." is one sentence."""
    if what in ("attribute", "property"):
        lines[:] = [line.replace(":", COLON) for line in lines]


def show_colons(
    app: object, what: str, name: str, obj: object, options: object, lines: list[str]
) -> None:
    """After napoleon."""
    lines[:] = [line.replace(COLON, ":") for line in lines]


def private_bases(
    app: object, name: str, obj: object, options: object, bases: list[object]
) -> None:
    """A private base class tells readers nothing."""
    bases[:] = [base for base in bases if not getattr(base, "__name__", "").startswith("_")] or [
        object
    ]


def private_parameters(
    app: object,
    what: str,
    name: str,
    obj: object,
    options: object,
    signature: str | None,
    returned: str | None,
) -> tuple[str | None, str | None]:
    """Nor does a private parameter."""
    return (None if signature is None else re.sub(r",\s*_\w+=\w+", "", signature)), returned


def setup(app: object) -> None:
    """Called by Sphinx."""
    write_names()
    app.connect("autodoc-process-docstring", hide_colons, priority=400)  # type: ignore[attr-defined]
    app.connect("autodoc-process-docstring", show_colons, priority=600)  # type: ignore[attr-defined]
    app.connect("autodoc-process-bases", private_bases)  # type: ignore[attr-defined]
    app.connect("autodoc-process-signature", private_parameters)  # type: ignore[attr-defined]
    app.connect("doctree-read", words_are_no_links)  # type: ignore[attr-defined]
    app.connect("source-read", outside_links)  # type: ignore[attr-defined]
