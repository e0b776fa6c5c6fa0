"""`make lab` in a browser: notebooks open with their picture, run without an error or a red box, and git stays clean.

Needs Debian's chromium and playwright (``pip install -e '.[browser]'``); skipped without them.
"""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import nbformat
import pytest
from committed import changed, checkout_of

from hardsample import paths

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
NOTEBOOKS = ("00-tutorial", "base-values/figure-1")
SMALL = 'profile = "smoke"\nseeds = 2'
MINUTES = 15  # that one notebook may take on a busy machine
PICTURES = ".jp-RenderedMarkdown img"
RUN = "window.jupyterapp.commands.execute('notebook:run-all-cells')"
SAVE = "window.jupyterapp.commands.execute('docmanager:save')"

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="needs chromium"),
    pytest.mark.skipif(shutil.which("git") is None, reason="needs git"),
]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    return checkout_of(paths.project_root(), tmp_path_factory.mktemp("lab") / "checkout")


@pytest.fixture
def lab(checkout, tmp_path):
    """The address of JupyterLab as `make lab` starts it, whose notebooks are those of the smallest profile."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ["--no-browser", "--allow-root", f"--port={port}", "--IdentityProvider.token=test"]
    options += ["--LabApp.expose_app_in_browser=True"]
    own = {f"JUPYTER_{kind}_DIR": str(tmp_path / kind) for kind in ("CONFIG", "DATA", "RUNTIME")}
    own |= {f"JUPYTERLAB_{kind}_DIR": str(tmp_path / kind) for kind in ("SETTINGS", "WORKSPACES")}
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("HARDSAMPLE_")}
    with open(tmp_path / "log", "w") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "hardsample", "lab", "--", *options],
            cwd=checkout,
            env=inherited | own | {"PYTHONPATH": str(checkout)},
            stdout=log,
            stderr=log,
        )
    try:
        address = f"http://127.0.0.1:{port}"
        wait_for(f"{address}/api?token=test", server, tmp_path / "log")
        for name in NOTEBOOKS:
            make_small(checkout / "lab" / f"{name}.ipynb")
        yield address
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(60)


def wait_for(address: str, server: subprocess.Popen, log: Path) -> None:
    began = time.monotonic()
    while True:
        try:
            urllib.request.urlopen(address, timeout=5).close()
            return
        except (urllib.error.URLError, TimeoutError):
            assert server.poll() is None and time.monotonic() - began < 120, log.read_text()
            time.sleep(0.5)


def make_small(path: Path) -> None:
    book = nbformat.read(path, as_version=4)
    [knobs] = [cell for cell in book.cells if "parameters" in cell.metadata.get("tags", ())]
    knobs.source += f"\n{SMALL}"
    path.write_text(nbformat.writes(book))


def outputs(path: Path) -> list[dict]:
    return [output for cell in json.loads(path.read_text())["cells"] for output in cell.get("outputs", ())]


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_opens_and_runs_in_jupyterlab(name, lab, checkout, tmp_path):
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install -e '.[browser]'")
    with playwright.sync_playwright() as browsers:
        browser = browsers.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1400, "height": 1800})
        page.set_default_timeout(60_000 * MINUTES)
        page.goto(f"{lab}/lab/tree/lab/{name}.ipynb?token=test")
        page.wait_for_selector(PICTURES)
        page.wait_for_function(f"document.querySelector('{PICTURES}').naturalWidth > 0", timeout=60_000)
        assert "/files/figures/" in page.locator(PICTURES).first.get_attribute("src")
        assert "What was found" in page.locator(".jp-Notebook").first.inner_text()
        page.screenshot(path=tmp_path / "opened.png")
        page.wait_for_function(
            "window.jupyterapp.shell.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'"
        )
        page.evaluate(RUN)
        page.wait_for_function("window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.status === 'idle'")
        page.evaluate(SAVE)
        page.screenshot(path=tmp_path / "run.png")
        red = page.locator('.jp-OutputArea-output[data-mime-type="application/vnd.jupyter.stderr"]').count()
        browser.close()
    made = outputs(checkout / "lab" / f"{name}.ipynb")
    assert [output for output in made if output["output_type"] == "error" or output.get("name") == "stderr"] == []
    assert red == 0 and any("image/png" in output.get("data", {}) for output in made)
    last = made[-1]["text"] if "text" in made[-1] else made[-1]["data"]["text/markdown"]
    assert re.search(r"figure-1-pairs\.csv|points of test accuracy", "".join(last))
    assert changed(checkout) == ""
