"""Paper B's tables for readers: every format says the same, and what was run; Tables 1 and 2."""

import dataclasses
import re

import numpy as np
import pandas as pd
import pytest
from made_up_tables import ALL, SCHEMAS, curves, lines, loops, timings
from synthetic import UNSAID

from hardsample.data import catalogue
from hardsample.errors import InputError
from hardsample.experiments import published
from hardsample.report import paper_accuracies, paper_best, paper_networks, paper_tables, paper_timings
from hardsample.training import networks as models


@pytest.fixture(scope="module", params=ALL)
def named(request):
    return request.param, ALL[request.param]()


@pytest.mark.slow
def test_the_csv_has_these_columns_and_the_papers_rows(named, tmp_path):
    name, table = named
    _, file, _ = paper_tables.save(table, tmp_path / name)
    read = pd.read_csv(file)
    assert list(read) == SCHEMAS.get(name, SCHEMAS["table-3"])
    assert len(read) == {"table-1": 4, "table-2": 5, "table-6": 15}.get(name, 20)
    if name in ("table-3", "table-4", "table-5"):
        paper = published.read(f"hard-samples-{name}")
        assert list(zip(read.network, read.delta, strict=True)) == list(zip(paper.network, paper.delta, strict=True))
        assert list(read.test_paper) == list(paper.test) and list(read.e_paper) == list(paper.epoch)


@pytest.mark.slow
def test_files_are_equal_bytes_and_hold_what_was_read(named, tmp_path):
    name, table = named
    files = paper_tables.save(table, tmp_path / "figures" / name)
    assert [file.name for file in files] == [f"{name}.md", f"{name}.csv", f"{name}.tex"]
    before = [file.read_bytes() for file in files]
    again = paper_tables.save(ALL[name](), tmp_path / "figures" / name)
    assert [file.read_bytes() for file in again] == before
    pd.testing.assert_frame_equal(
        pd.read_csv(files[1], keep_default_na=True), table.replace("", np.nan), check_dtype=False, rtol=1e-8
    )
    with pytest.raises(InputError):
        paper_tables.save(table, files[0] / name)


def test_markdown_and_latex_say_the_same(named):
    _, table = named
    marks = {"$\\delta$": "δ", "$\\Delta$": "Δ", "$\\pm$": "±", "$\\dagger$": "†", "$-$": "-", "\\%": "%"}
    assert not any(word in paper_tables.markdown(table) for word in UNSAID)
    text = paper_tables.latex(table)
    for spelled, character in marks.items():
        text = text.replace(spelled, character)
    from_latex = [line.removesuffix(" \\\\").split(" & ") for line in text.splitlines() if line.endswith(" \\\\")]
    rows = [line for line in paper_tables.markdown(table).splitlines() if line.startswith("|")]
    from_markdown = [line.removeprefix("| ").removesuffix(" |").split(" | ") for line in rows]
    assert from_latex == [from_markdown[0], *from_markdown[2:]]
    assert len({len(line) for line in from_markdown}) == 1


def test_latex_is_ascii_and_balanced(named):
    text = paper_tables.latex(named[1])
    assert text.isascii() and "?" not in text
    assert re.findall(r"\\begin\{(.*?)\}", text) == re.findall(r"\\end\{(.*?)\}", text)[::-1]
    assert text.count("{") == text.count("}") and text.count("$") % 2 == 0
    for rule in ("\\toprule", "\\midrule", "\\bottomrule"):
        assert text.count(rule) == 1


def test_the_head_says_what_was_run(named):
    name, table = named
    text, tex = paper_tables.markdown(table), paper_tables.latex(table)
    head = text.split("\n|")[0]
    comment = "\n".join(line for line in tex.splitlines() if line.startswith("%"))
    if name == "table-2":
        assert "no data and no training" in head and "no data and no training" in comment
        return
    for words in ("Stand-in data: glyphs10-32", "cifar10", "rofile quick", "640 training images"):
        assert words in head and words in comment
    assert "published protocol" in head if name == "table-5" else "sound protocol" in head
    if name in ("table-3", "table-4", "table-5"):
        assert "e: the first evaluation" in text and "within 5 \\%" in tex
        assert "no difference of test accuracy can" in comment


@pytest.mark.slow
def test_data_of_the_paper_and_substitutes_are_told_apart():
    for substitute, words in ((False, "Cifar10."), (True, f"{catalogue.label('cifar10-jpeg')}.")):
        said = {"data": "cifar10-jpeg" if substitute else "cifar10", "stand_in": False, "substitute": substitute}
        text = paper_tables.markdown(paper_accuracies.table_3(curves(**said)))
        assert words in text and "tand-in" not in text


def test_a_strange_name_of_data_stays_ascii():
    made = curves(data="größe_1 & 50 %", stand_in=False)
    text = paper_tables.latex(paper_accuracies.table_3(made))
    assert text.isascii() and "gr??e\\_1 \\& 50 \\%" in text.lower()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["table-3", "table-6"])
def test_what_the_runs_were_made_on_and_what_pairs_mix_is_said(name):
    unlike = {"AMD EPYC, torch 2.1": ("δ = 1",), "NVIDIA H200, torch 2.2": ("δ = 0.5", "δ = 0.2")}
    made = curves(name, hardware={"AMD EPYC": 6, "NVIDIA H200": 3}, unlike=unlike)
    table = paper_accuracies.table_3(made) if name == "table-3" else paper_best.table_6(made)
    said = "Hardware: AMD EPYC (6 runs), NVIDIA H200 (3 runs). Some pairs differ in more than the method: δ = 1 from"
    assert f"{said} AMD EPYC, torch 2.1; δ = 0.5, δ = 0.2 from NVIDIA H200, torch 2.2." in paper_tables.markdown(table)


def test_timings_by_hand():
    table = paper_timings.table_1(timings())
    found = table[table.delta == 0.5].iloc[0]
    assert found.rounds == 4 and found.ratio == pytest.approx(1.02)
    assert found.seconds == pytest.approx(1.02 * 0.0115) and found.seconds_low == pytest.approx(1.02 * 0.01075)
    assert (found.seconds_paper, found.ratio_paper) == (0.0991, pytest.approx(0.0991 / 0.0310))
    assert found.ratio_difference == pytest.approx(1.02 - 0.0991 / 0.0310)
    assert table.ratio[0] == 1.0
    text = paper_tables.markdown(table)
    assert "Device: A CPU, threads: 1" in text and "4 rounds" in text and "1.020 [1.020, 1.020]" in text


def test_loops_by_hand():
    table = paper_timings.table_1(timings(), loops()).set_index("delta")
    updates = 0.01 + 0.001 * np.arange(4)
    for delta in (0.8, 0.5, 0.2):
        row, share = table.loc[delta], 0.2 / delta  # of the test pass, a fifth of an epoch's mini-batches
        assert row.tests_ratio == pytest.approx((1 + share / 2) / (1 + 0.2 / 2))
        assert row.described_ratio == pytest.approx(1)
        usual, walked = updates + 0.0021, updates + 0.0021 + 0.002 * (1 / delta - 1)
        assert row.walked_ratio == pytest.approx(np.median(walked / usual))
        assert row.walked_tests_ratio == pytest.approx(np.median((walked + share * 0.006) / (usual + 0.2 * 0.006)))
    text = paper_tables.markdown(paper_timings.table_1(timings(), loops()))
    shares = [f"{100 * (table.tests_ratio[d] - 1) / (table.ratio_paper[d] - 1):.0f} %" for d in (0.8, 0.5, 0.2)]
    assert f"at δ = 0.8, 0.5, 0.2: test passes {', '.join(shares)}; walking the loader" in text
    assert text.index("times as long as at δ = 1 here; the paper prints 3.16 to 3.21 times") < text.index("| δ |")
    alone = dataclasses.replace(timings(), frame=timings().frame[:0])
    assert paper_timings.table_1(alone, loops()).seconds[0] == pytest.approx(0.0115), "of the loops, if of nothing else"
    assert "| walked |" not in paper_tables.markdown(paper_timings.table_1(timings()))


def test_parts_by_hand():
    table = paper_timings.parts(loops()).set_index("delta")
    row = table.loc[0.2]
    assert (row.loading, row.skipped, row.reading, row["update"]) == pytest.approx((2, 8, 0.1, 11.5))
    assert row.test == pytest.approx(6) and row.total == pytest.approx(27.6)
    assert table.ratio[1.0] == 1 and row.ratio > 1.5
    assert "| δ | loading | skipped | update |" in paper_tables.markdown(paper_timings.parts(loops()))


def test_what_the_printed_times_leave_for_a_round():
    known = paper_timings.fit({delta: 0.05 + 0.002 / delta for delta in (0.8, 0.5, 0.2)})
    assert (known.each, known.once) == pytest.approx((0.05, 0.002)) and known.low < 0.002 < known.high <= known.most
    text = paper_tables.markdown(paper_timings.table_1(timings()))
    assert "a is 0.0980 s and b 0.33 ms (0.30 to 0.36 by rounding)" in text
    assert "that is 0.1 % at δ = 0.8, 0.5 % at δ = 0.5, 1.9 % at δ = 0.2." in text


def test_the_networks_are_the_papers_to_the_digit():
    table = ALL["table-2"]()
    assert list(table.network) == list(published.read("hard-samples-table-2").network)
    assert (table.parameters_difference == 0).all()
    differing = table[table.flops_difference != 0].set_index("network").flops_difference
    assert differing.to_dict() == {"resnet18": -0.01, "resnet50": -0.03}  # what torch does not count in them
    rows = {name: lines(table, name)[0] for name in table.network}
    assert rows["resnet18"][5:] == ["exact", "1,184,376,832", "1.18", "1.19", "-0.01"]
    assert rows["efficientnet_b4"][2:] == [
        "17,566,546",
        "17.56",
        "17.56",
        "exact",
        "985,079,488",
        *("0.98", "0.98"),
        "exact",
    ]


def test_other_sizes_are_counted_and_say_so(monkeypatch):
    monkeypatch.setattr(models, "parameters", lambda network, classes: classes * 10**6 + 9_999)
    monkeypatch.setattr(models, "flops", lambda network, classes, image_size: image_size * 10**9)
    table = paper_networks.table_2(image_size=64, classes=100)
    assert set(table.parameters_millions) == {100.0} and set(table.flops_giga) == {64.0}
    assert (table.image_size[0], table.classes[0], table.flops_difference[2]) == (64, 100, 62.81)
    assert "The paper's numbers are for 128x128 and 10 classes" in paper_tables.markdown(table)
