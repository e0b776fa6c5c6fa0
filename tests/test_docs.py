"""What README and the pages of docs/ point to is there, README is short, and every list in them is whole."""

import re

import pytest
import yaml

from hardsample import notebooks, paths

ROOT = paths.project_root()
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
WRITTEN = [*(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")), *PAGES]
FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")


def anchors(text: str) -> set[str]:
    """The headings of a page as a git host names them."""
    headings = re.findall(r"^#+ (.+)$", FENCED.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_readme_is_short():
    assert len((ROOT / "README.md").read_text().split()) < 1000


def test_readme_begins_with_a_command_and_a_figure():
    first = (ROOT / "README.md").read_text().split("\n## ")[0]
    assert "```sh\nmake " in first and "](figures/base-values/sd19-letters/figure-1.png)" in first


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_of_a_page_resolves(page):
    broken = []
    for link in LINK.findall(FENCED.sub("", page.read_text())):
        if re.match(r"\w+:", link):
            continue
        place, _, anchor = link.partition("#")
        target = (page.parent / place).resolve() if place else page
        if not target.is_file() or anchor and anchor not in anchors(target.read_text()):
            broken.append(link)
    assert broken == []


def test_pages_point_somewhere():
    assert sum(len(LINK.findall(page.read_text())) for page in WRITTEN) > 80


def test_the_site_s_navigation_names_every_page():
    def files(entry):
        if isinstance(entry, str):
            return [entry]
        return [file for part in (entry.values() if isinstance(entry, dict) else entry) for file in files(part)]

    named = files(yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"])
    assert sorted(named) == sorted(page.relative_to(DOCS).as_posix() for page in PAGES)


def test_the_first_page_leads_to_every_other():
    linked = {(DOCS / link).resolve() for link in LINK.findall((DOCS / "index.md").read_text())}
    assert {page for page in PAGES if page.name != "index.md"} <= linked


def test_the_list_of_outputs_has_every_notebook():
    listed = re.findall(r"^\|.*\[`notebooks/(.+?)\.ipynb`\]", (DOCS / "outputs.md").read_text(), re.MULTILINE)
    assert sorted(listed) == sorted(notebooks.names())


def test_running_it_tells_of_every_knob():
    makefile = (ROOT / "Makefile").read_text()
    knobs = set(re.findall(r"^([A-Z]+) *\?= ##", makefile, re.MULTILINE))
    text = (DOCS / "running.md").read_text()
    assert "PROFILE" in knobs
    assert [knob for knob in sorted(knobs) if not re.search(rf"\b{knob}\b", text)] == []
