"""The report's page in a browser that has no network: it opens, filters, unfolds, draws its curves and prints.

Needs Debian's chromium and playwright (``pip install -e '.[browser]'``); skipped without them.
"""

import re
import shutil

import made_up_verdicts
import pytest
from committed import tracked

from hardsample import paths
from hardsample.verdicts import page as report

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
SHOWN = ("base-values/sd19-letters/figure-1", "hard-samples/cifar10-rebuilt/figure-3", "hard-samples/audit", "hours")
CURVES = "#curves-base-values-sd19-letters-figure-1"
DESK, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
LEAST_CONTRAST = 4.5  # of text, as WCAG's level AA has it

# The contrast of every element's own text with the nearest background that is not see-through
CONTRASTS = """() => {
  const numbers = color => color.match(/[\\d.]+/g).map(Number);
  const light = color => numbers(color).slice(0, 3).map(part => part / 255)
    .map(part => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
    .reduce((sum, part, place) => sum + part * [0.2126, 0.7152, 0.0722][place], 0);
  const behind = element => {
    for (let one = element; one; one = one.parentElement) {
      const color = getComputedStyle(one).backgroundColor;
      if ((numbers(color)[3] ?? 1) > 0) return color;
    }
    return "rgb(255, 255, 255)";
  };
  const told = [...document.querySelectorAll("body *:not(script, style, svg *, .plot *)")].filter(
    one => [...one.childNodes].some(node => node.nodeType === 3 && node.data.trim()));
  return told.map(one => {
    const [high, low] = [light(getComputedStyle(one).color), light(behind(one))].sort((a, b) => b - a);
    return [(high + 0.05) / (low + 0.05), one.outerHTML.slice(0, 80)];
  });
}"""

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="needs chromium"),
]


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """The page of made-up claims and of some of the committed figures."""
    root, folder = paths.project_root(), tmp_path_factory.mktemp("report")
    names = tracked(root, "figures") or [path.relative_to(root).as_posix() for path in root.glob("figures/**/*.*")]
    for name in names:
        if name.startswith(tuple(f"figures/{place}" for place in SHOWN)):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(root / name, folder / name)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HARDSAMPLE_FIGURES", str(folder / "figures"))
        patch.setenv("HARDSAMPLE_REPORT", str(folder / "report"))
        return report.save(made_up_verdicts.contents()).as_uri()


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install -e '.[browser]'")
    with playwright.sync_playwright() as browsers:
        started = browsers.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def opened(browser, address):
    """Opens the page without a network, and afterwards asserts that nothing was asked for and nothing went wrong."""
    asked, wrong, contexts = [], [], []

    def open_page(place="", viewport=DESK, **options):
        context = browser.new_context(viewport=viewport, **options)
        contexts.append(context)
        context.set_offline(True)
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda said: wrong.append(said.text) if said.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.goto(address + place)
        return page

    yield open_page
    for context in contexts:
        context.close()
    own = [url for url in asked if not url.startswith(("data:", "blob:")) and url.split("#")[0] != address]
    assert asked and own == [] and wrong == []


def shown(page) -> list[str]:
    return page.evaluate("[...document.querySelectorAll('tr.claim')].filter(row => !row.hidden).map(row => row.id)")


def choose(page, **values: str) -> list[str]:
    for name, value in values.items():
        page.locator(f"#filters [name={name}]").select_option(value)
    return shown(page)


def test_results_of_both_papers_are_shown_first(opened, tmp_path):
    page = opened()
    assert page.title().startswith("Do the claims of the two papers hold?")
    assert shown(page) == ["claim-a1", "claim-a2", "claim-a3", "claim-b1", "claim-b2"]
    assert page.locator("#shown").inner_text() == "5 of 8 claims shown"
    assert page.locator("tr.evidence:visible").count() == 0
    page.screenshot(path=tmp_path / "desk.png")


def test_filters_narrow_the_table_and_the_address_keeps_them(opened):
    page = opened()
    assert choose(page, paper="B") == ["claim-b1", "claim-b2"]
    assert choose(page, kind="") == ["claim-b1", "claim-b2", "claim-b3"]
    assert choose(page, verdict="follows") == ["claim-b3"]
    assert page.locator(".shown").inner_text() == "1 of 8 claims shown: paper B, verdict follows"
    kept = page.evaluate("location.hash")
    assert shown(opened(kept)) == ["claim-b3"]
    page.get_by_role("button", name="Show all claims").click()
    assert len(shown(page)) == 8 and page.evaluate("location.hash") == "#all"
    assert choose(page, data="ocr-letters") == ["claim-a1", "claim-b1"]
    page.get_by_role("button", name="Show all claims").click()
    page.get_by_role("searchbox").fill("gflops RESNET")  # which stands in the evidence
    assert shown(page) == ["claim-b2"]
    page.get_by_role("searchbox").fill("nothing has this")
    assert shown(page) == [] and page.locator("#none").is_visible()
    page.get_by_role("link", name="1 of Paper A contradicted: show them").click()
    page.wait_for_url(re.compile("#paper=A&verdict=contradicted$"))
    assert shown(page) == ["claim-a2"] and page.locator("#none").is_hidden()


def test_a_row_opens_its_evidence_by_the_keyboard(opened, tmp_path):
    page = opened()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    button = page.locator("#claim-a1 button")
    button.focus()
    page.keyboard.press("Enter")
    assert button.get_attribute("aria-expanded") == "true"
    evidence = page.locator("#claim-a1-evidence")
    assert "+0.10 [-0.20, +0.40] points" in evidence.inner_text() and "contradicted" in evidence.inner_text()
    picture = evidence.locator("a[href='#base-values-sd19-letters-figure-1'] img").first
    assert picture.evaluate("image => image.decode().then(() => image.naturalWidth)") > 1000
    assert picture.get_attribute("alt").startswith("Figure 1: Persistent methods")
    page.screenshot(path=tmp_path / "opened.png", full_page=True)
    evidence.locator("summary").first.click()
    evidence.get_by_role("link", name="12 keys").first.click()
    page.wait_for_url(re.compile("#runs-peb$"))
    assert page.locator("#runs-peb").is_visible()  # in what was folded away
    button.focus()
    page.keyboard.press("Space")
    assert button.get_attribute("aria-expanded") == "false" and evidence.is_hidden()
    page.get_by_role("button", name="Open all shown").click()
    assert page.locator("tr.evidence:visible").count() == 5


def test_a_link_leads_to_a_claim_that_the_first_view_leaves_out(opened):
    page = opened("#claim-a5")
    assert page.locator("#claim-a5-evidence").is_visible() and len(shown(page)) == 8
    assert "Which letters is not said." in page.locator("#claim-a5-evidence").inner_text()
    assert 0 <= page.locator("#claim-a5").bounding_box()["y"] < DESK["height"]


def test_a_command_is_copied(opened):
    page = opened(permissions=["clipboard-read", "clipboard-write"])
    command = "make shipped FIGURE=base-values/figure-1 DATA=sd19-letters"
    page.locator(f"#gallery button[data-copy='{command}']").click()
    page.locator("#gallery button.copy", has_text="Copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == command


def test_curves_are_drawn_when_they_are_opened(opened, tmp_path):
    page = opened()
    assert page.evaluate("typeof Bokeh") == "undefined"
    section = page.locator(CURVES)
    section.locator("summary").click()
    section.locator(".waiting").wait_for(state="hidden")
    assert page.evaluate("Bokeh.documents.length") == 1 and section.locator(".plot canvas").count() >= 2

    def visible(tag):
        return page.evaluate(
            "tag => Bokeh.documents[0].roots().flatMap(plot => plot.renderers)"
            ".filter(curve => curve.visible && curve.tags.includes(tag)).length",
            tag,
        )

    assert (visible("seeds"), visible("band"), visible("PLB")) == (0, 6, 6)  # two plots of three methods
    section.get_by_label("single seeds").check()
    section.get_by_label("bands").uncheck()
    assert (visible("seeds"), visible("band"), visible("PLB")) == (6, 0, 6)
    section.get_by_label("PLB").uncheck()
    assert (visible("seeds"), visible("PLB"), visible("PEB")) == (4, 0, 6)
    plot = section.locator(".plot").first
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    page.mouse.move(box["x"] + 0.6 * box["width"], box["y"] + 0.5 * box["height"])
    page.get_by_text(re.compile(r"^0\.\d{4} ± 0\.\d{4}$")).first.wait_for()
    page.screenshot(path=tmp_path / "curves.png")


def test_a_phone_scrolls_only_down(opened, tmp_path):
    page = opened(viewport=PHONE, is_mobile=True, has_touch=True, device_scale_factor=2)
    page.get_by_role("button", name="Show all claims").tap()
    page.get_by_role("button", name="Open all shown").tap()
    page.screenshot(path=tmp_path / "phone.png")
    page.evaluate("document.querySelectorAll('details').forEach(fold => { fold.open = true; })")
    for waiting in page.locator(".waiting").all():
        waiting.wait_for(state="hidden")
    page.screenshot(path=tmp_path / "whole.png", full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]


@pytest.mark.parametrize("width", [820, 1024, 1040, 1200])
def test_no_window_scrolls_sideways(width, opened):
    page = opened("#all", viewport={"width": width, "height": 900})
    page.get_by_role("button", name="Open all shown").click()
    assert page.evaluate("document.documentElement.scrollWidth") == width


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_can_be_read_in_both_schemes(scheme, opened, tmp_path):
    page = opened("#all", color_scheme=scheme)
    page.get_by_role("button", name="Open all shown").click()
    page.screenshot(path=tmp_path / "scheme.png")
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (background == "rgb(255, 255, 255)") == (scheme == "light")
    contrasts = page.evaluate(CONTRASTS)
    assert len(contrasts) > 100 and [words for value, words in contrasts if value < LEAST_CONTRAST] == []


def test_everything_has_a_name(opened):
    page = opened("#all")
    pictures = page.evaluate("[...document.images].map(image => image.alt)")
    assert len(pictures) == 2 and all(len(words) > 20 for words in pictures)
    for what in ("button", "input, select"):
        names = page.evaluate(
            "what => [...document.querySelectorAll(what)]"
            ".map(one => one.ariaLabel || one.labels[0]?.textContent.trim() || one.textContent.trim())",
            what,
        )
        assert names and all(names)


def test_without_scripts_all_of_it_can_be_read(opened):
    page = opened(java_script_enabled=False)
    assert page.locator("tr.claim:visible").count() == page.locator("tr.evidence:visible").count() == 8
    assert page.locator("#filters").is_hidden() and page.locator("button.copy:visible").count() == 0
    assert page.get_by_text("This needs scripts, which are off").is_visible()


def test_it_prints(opened, tmp_path):
    page = opened()
    page.locator("#claim-a1 button").click()
    page.emulate_media(media="print")
    assert page.locator("#filters").is_hidden() and page.locator("#claim-a1-evidence").is_visible()
    printed = page.pdf(path=tmp_path / "report.pdf", format="A4", print_background=True)
    assert printed.startswith(b"%PDF") and len(re.findall(rb"/Type\s*/Page\b", printed)) > 4
