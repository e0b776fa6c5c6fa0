"""The report's page holds all that it shows, and every claim with its verdict; of equal contents it is the same."""

import base64
import gzip
import html.parser
import json
import re
from pathlib import Path

import made_up_verdicts
import pandas as pd
import pytest
from PIL import Image

from hardsample import paths
from hardsample.errors import InputError
from hardsample.methods.registry import ENTRIES, LOOKS, METHODS
from hardsample.verdicts import curves, embedded, gallery, page, prose, swatches
from hardsample.verdicts.claim import MEANING

EMPTY = {"br", "img", "input", "link", "meta", "path"}  # elements that hold nothing
LOADING = ("src", "srcset", "poster", "data", "action")


class Parts(html.parser.HTMLParser):
    """The elements of a page in order, as (name, attributes, the attributes of what they stand in)."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements, self.open, self.words = [], [], []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in EMPTY:
            assert self.open.pop() == tag, self.getpos()

    def handle_data(self, data):
        if not {"script", "style"} & set(self.open):
            self.words.append(data)

    def named(self, *names):
        return [attributes for tag, attributes in self.elements if tag in names]

    def all_of(self, attribute):
        return [attributes[attribute] for _, attributes in self.elements if attribute in attributes]


def points() -> pd.DataFrame:
    """Two methods at three epochs, as a figure of paper A has them."""
    rows = [
        (
            "default hyper-parameters",
            method,
            epoch,
            100 * epoch,
            metric,
            value,
            0.01,
            2,
            value - 0.01,
            value + 0.01,
            "key",
        )
        for method, end in (("MB", 0.8), ("PEB", 0.9))
        for metric, last in (("acc/val", end), ("loss/val", 1 - end))
        for epoch, value in enumerate((0.1, 0.5, last))
    ]
    columns = ["panel", "method", "epoch", "step", "metric", "mean", "sd", "n", "seed 1", "seed 2", "runs"]
    return pd.DataFrame(rows, columns=columns)


def draw(place: str, kinds=("csv", "png", "md")) -> None:
    """Put the files of a figure or table where it would be drawn."""
    stem = paths.figures_dir() / place
    stem.parent.mkdir(parents=True, exist_ok=True)
    for kind in kinds:
        path = stem.with_name(f"{stem.name}.{kind}")
        if kind == "csv":
            points().to_csv(path, index=False)
        elif kind == "md":
            path.write_text("**PEB & PLB < 2.**\n\n| network | more |\n| --- | --- |\n| a < b | `c` |\n")
        else:
            Image.new("RGB", (1600, 400), "white").save(path)


def use(patch: pytest.MonkeyPatch, folder: Path) -> None:
    patch.setenv("HARDSAMPLE_FIGURES", str(folder / "figures"))
    patch.setenv("HARDSAMPLE_REPORT", str(folder / "report"))


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """The page with a few figures and tables."""
    with pytest.MonkeyPatch.context() as patch:
        use(patch, tmp_path_factory.mktemp("page"))
        draw(made_up_verdicts.FIGURE)
        draw("base-values/ocr-letters/figure-1")
        draw("base-values/figure-2")  # of generated letters
        draw("base-values/changed/lr0.1/figure-4")
        draw("hard-samples/table-2", ("csv", "md"))
        draw("leaderboard/all", ("md",))
        draw("base-values/sd19-letters/claims", ("md",))  # which the table of verdicts has
        draw("hours", ("md",))
        text = page.html(made_up_verdicts.contents())
        written = page.save(made_up_verdicts.contents())
        yield text, Parts(text), written


def test_every_claim_is_a_row_with_its_verdict(drawn):
    rows = {row["id"]: row for row in drawn[1].named("tr") if "data-verdict" in row}
    claims = made_up_verdicts.claims()
    assert list(rows) == [claim.name for claim in claims]
    for claim in claims:
        row = rows[claim.name]
        assert (row["data-verdict"], row["data-paper"], row["data-kind"]) == (claim.verdict, claim.paper, claim.kind)
        assert row["data-data"].split() == list(claim.data)
    assert rows["claim-a1"]["data-data"] == "sd19-letters ocr-letters"


def test_the_page_asks_for_nothing_and_runs_nothing_of_others(drawn):
    text, parts, _ = drawn
    loaded = [value for name in LOADING for value in parts.all_of(name)]
    assert loaded and all(value.startswith("data:image/webp;base64,") for value in loaded)
    assert not parts.named("link", "iframe", "object", "base") and not re.search(r"@import|url\(", text)
    [policy] = [meta["content"] for meta in parts.named("meta") if "http-equiv" in meta]
    assert policy.startswith("default-src 'none';") and "http" not in policy
    assert [link for link in parts.all_of("href") if re.match(r"\w+:|//", link)] == []


def test_every_link_leads_somewhere(drawn):
    _, parts, written = drawn
    ids = parts.all_of("id")
    assert len(ids) == len(set(ids))
    named = [value for name in ("aria-controls", "aria-labelledby", "data-picture") for value in parts.all_of(name)]
    links = parts.all_of("href")
    views = [link for link in links if link.startswith("#") and "=" in link]
    inside = [link[1:] for link in links if link.startswith("#") and link not in views]
    assert views and inside and set(inside) | set(named) <= set(ids)
    assert {re.match(r"#paper=[AB](&verdict=[\w%]+)?$", link) is not None for link in views} == {True}
    outside = [link for link in links if not link.startswith("#")]
    assert outside and all((written.parent / link).is_file() for link in outside)


def test_pictures_have_words_and_headings_no_gap(drawn):
    _, parts, _ = drawn
    pictures = parts.named("img")
    assert len(pictures) == 4 and all(len(picture["alt"]) > 20 and picture["width"] for picture in pictures)
    [first] = [picture["alt"] for picture in pictures if "NIST SD19" in picture["alt"]]
    assert first.startswith("Figure 1: Persistent methods (NIST SD19 letters, in EMNIST's shape).")
    assert "Methods: MB, PEB" in first and first.endswith("PEB & PLB < 2.")
    levels = [int(tag[1]) for tag, _ in parts.elements if re.fullmatch(r"h\d", tag)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after - before <= 1 for before, after in zip(levels, levels[1:], strict=False))
    assert [element["lang"] for element in parts.named("html")] == ["en"]


def test_what_is_said_is_text_and_no_markup(drawn):
    text, parts, _ = drawn
    words = " ".join(parts.words)
    assert "letters <of> the OCR set" in words and "18 <stored>" in words and "a < b" in words
    assert "PEB & PLB differ by < 1 point" in words and "<strong>PEB ends above MB</strong>" in text
    assert words.count("(decides)") == sum(len(claim.evidence) for claim in made_up_verdicts.claims()) - 1
    for shown in ("+1.29 [+1.11, +1.47] points", "printed 1.19, recomputed 1.184", "Which letters is not said."):
        assert shown in words
    for run in made_up_verdicts.judged().runs.values():
        assert " ".join(run.keys) in words
    assert all(METHODS[method.name] and method.words in words for method in swatches.methods())


def test_only_verdicts_that_some_claim_has_are_explained(drawn):
    words = " ".join(drawn[1].words)
    assert all(meaning in words for meaning in MEANING.values())
    few = made_up_verdicts.contents()
    counts = {"A": {"supported": 1}, "B": {}}
    words = " ".join(Parts(page.html(page.Contents(few.judged, few.findings, counts, few.facts))).words)
    assert [verdict for verdict, meaning in MEANING.items() if meaning in words] == ["supported"]


def test_the_gallery_has_what_is_drawn_and_trials_apart(drawn):
    text, parts, _ = drawn
    before, after = text.split('id="trials"')
    assert 'id="base-values-figure-2"' in after and 'id="base-values-changed-lr0.1-figure-4"' in after
    assert before.index('id="base-values-sd19-letters-figure-1"') < before.index(
        'id="base-values-ocr-letters-figure-1"'
    )
    assert 'id="hard-samples-table-2"' in before and 'id="leaderboard-all"' in before
    assert 'id="base-values-sd19-letters-claims"' not in text and "Hours that the shipped runs took" in text
    copied = parts.all_of("data-copy")
    assert "make shipped FIGURE=base-values/figure-1 DATA=sd19-letters" in copied
    assert "make reproduce FIGURE=hard-samples/table-2" in copied and "make report" in copied
    widths = {picture["alt"][:8]: int(picture["width"]) for picture in parts.named("img")}
    assert widths["Figure 1"] == embedded.WIDTH and widths["Figure 2"] == widths["Figure 4"] == embedded.SMALL


def test_equal_contents_give_equal_bytes(drawn, monkeypatch):
    text, _, written = drawn
    use(monkeypatch, written.parent.parent)
    assert page.html(made_up_verdicts.contents()) == text == written.read_text()
    assert written == paths.report_dir() / "index.html"


def test_curves_are_those_of_the_figure(drawn, monkeypatch):
    use(monkeypatch, drawn[2].parent.parent)
    [it] = curves.interactive()  # of the letters of its full size alone
    assert it.title == "Paper A, Figure 1: Persistent methods" and [name for name, _ in it.curves] == ["MB", "PEB"]
    assert [title.split(",")[0] for _, title in it.plots] == ["test accuracy", "test loss"]
    document = json.loads(gzip.decompress(base64.b64decode(it.document)))
    assert len(document["roots"]) == len(it.plots)
    text = json.dumps(document)
    assert "[0.1, 0.5, 0.9]" in text and "[0.09, 0.49, 0.89]" in text and "#0072b2" in text
    code = gzip.decompress(base64.b64decode(curves.library())).decode()
    assert "Bokeh" in code and "</script" not in code


def test_without_a_figure_the_page_says_what_to_do():
    parts = Parts(page.html(made_up_verdicts.contents()))
    words = " ".join(parts.words)
    assert "Nothing has been drawn yet" in words and "None of the main figures has been drawn" in words
    assert "It has not been made yet" in words and not parts.named("img")
    assert gallery.outputs() == gallery.trials() == curves.interactive() == []


def test_the_audit_s_numbers_are_all_there(monkeypatch):
    folder = paths.project_root() / "figures"
    monkeypatch.setenv("HARDSAMPLE_FIGURES", str(folder))
    told = page._audit()
    assert told["not"] == prose.html((folder / "hard-samples" / "audit.md").read_text())
    assert told["rows"] == len(pd.read_csv(folder / "hard-samples" / "audit.csv"))
    assert told["all"].count("<tr>") == told["rows"] + 1 > told["not"].count("<tr>")


def test_every_look_is_drawn():
    drawn = {name: drawing for method in swatches.methods() for name, drawing in method.curves}
    assert set(drawn) == {*LOOKS, *ENTRIES} and LOOKS["PEB"].color in drawn["PEB"]
    assert drawn["δ = 1"] == drawn["MB"] and len(set(drawn.values())) > len(LOOKS) - 1
    assert all(drawing.count("<path") == 2 and "NaN" not in drawing for drawing in drawn.values())


def test_a_folder_that_cannot_be_written_is_an_input_error():
    paths.report_dir().write_text("a file stands here")
    with pytest.raises(InputError, match="cannot write index.html"):
        page.save(made_up_verdicts.contents())
