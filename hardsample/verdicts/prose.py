"""Markdown as HTML: its tables can be scrolled by the keyboard on a narrow screen, and nothing in it runs."""

import re

import mistune
from markupsafe import Markup

_BOLD = re.compile(r"\*\*|`")
_LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")


class _Renderer(mistune.HTMLRenderer):
    def table(self, text: str) -> str:
        return scrolled(f"<table>\n{text}</table>")

    def table_cell(self, text: str, align: str | None = None, head: bool = False) -> str:
        return f'<th scope="col">{text}</th>\n' if head else f"<td>{text}</td>\n"

    def link(self, text: str, url: str, title: str | None = None) -> str:
        """The text alone: a link in a file leads to its neighbours, which the page does not have beside it."""
        return text


_whole = mistune.create_markdown(renderer=_Renderer(escape=True), plugins=["table"])


def scrolled(table: str) -> str:
    """A table in a container of its own, which scrolls where the page is too narrow."""
    return f'<div class="wide" role="region" aria-label="Table" tabindex="0">{table}</div>\n'


def html(markdown: str) -> Markup:
    """Paragraphs, lists and tables."""
    return Markup(_whole(markdown))


def inline(markdown: str) -> Markup:
    """One sentence or some, without a paragraph around them."""
    return Markup(_whole(markdown).strip().removeprefix("<p>").removesuffix("</p>"))


def plain(markdown: str) -> str:
    """The words alone."""
    return _BOLD.sub("", _LINK.sub(r"\1", markdown))


def bold_beginning(markdown: str) -> str:
    """The bold sentences with which a table's text begins, as plain words; "" where there are none."""
    found = []
    for line in filter(None, markdown.splitlines()):
        if not line.startswith("**"):
            break
        found.append(plain(line))
    return " ".join(found)
