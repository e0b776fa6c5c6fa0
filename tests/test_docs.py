"""What README and the pages of docs/ point to is there, README is short, and every list in them is whole."""

import importlib
import json
import os
import re
import subprocess
import sys

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
    knobs = set(re.findall(r"^([A-Z_]+) *\?= ##", makefile, re.MULTILINE))
    text = (DOCS / "running.md").read_text()
    assert "PROFILE" in knobs
    assert [knob for knob in sorted(knobs) if not re.search(rf"\b{knob}\b", text)] == []


def test_what_pages_and_notebooks_name_of_the_package_is_there():
    """Files as `hardsample/...`, and dotted names of modules or of what is in them."""
    prose = {page: page.read_text() for page in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *PAGES)}
    for name in notebooks.names():
        cells = json.loads((ROOT / "notebooks" / f"{name}.ipynb").read_text())["cells"]
        prose[name] = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    files, dotted = set(), set()
    for where, text in prose.items():
        files |= {(str(where), name) for name in re.findall(r"`((?:hardsample|tests|benchmarks)/[\w./-]*)`", text)}
        dotted |= {(str(where), name) for name in re.findall(r"`(hardsample(?:\.\w+)+)", text)}
    assert len(files) > 10 and dotted
    assert [entry for entry in sorted(files) if not (ROOT / entry[1]).exists()] == []
    assert [entry for entry in sorted(dotted) if not resolves(entry[1])] == []


def resolves(name: str) -> bool:
    value = importlib.import_module("hardsample")
    for part in name.split(".")[1:]:
        try:
            value = getattr(value, part)
        except AttributeError:
            try:
                value = importlib.import_module(f"{value.__name__}.{part}")
            except ImportError:
                return False
    return True


@pytest.mark.slow
def test_the_recipe_s_file_registers_a_method_a_network_and_a_data_set_that_train(tmp_path):
    [recipe] = re.findall(r"^```python\n(.*?)^```", (DOCS / "contributing.md").read_text(), re.MULTILINE | re.DOTALL)
    (tmp_path / "my_module.py").write_text(recipe)
    train = (
        "import hardsample; from hardsample import plugins; plugins.load('my_module.py');"
        "run = hardsample.Run('noise', 'InOrder', 1, network='linear', batch_size=10, epochs=1.0, pretrain_epochs=0.0);"
        "print(len(hardsample.train([run], hardsample.load('noise'))[0].rows))"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", train], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0 and int(done.stdout) > 1, done.stderr
