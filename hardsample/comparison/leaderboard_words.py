"""What the leaderboard says: who is first and who is not, its tables, and how each row is trained again."""

import shlex
from collections.abc import Mapping, Sequence

from hardsample.comparison import leaderboard_passes
from hardsample.comparison.leaderboard import BASELINE, BATCH_SIZE, EPOCHS, SEEDS, TASKS
from hardsample.comparison.leaderboard_rows import ALL, METRIC, Entrant, Leaderboard
from hardsample.comparison.result import BETTER, WORSE
from hardsample.numerals import count, number, p_value, short
from hardsample.report import markup
from hardsample.report.wording import with_interval
from hardsample.statistics import LEVEL

PAGE = "docs/leaderboard.md"


def finding(board: Leaderboard) -> str:
    """Who is first, whether that is significant, and what happened in each setting: a list in Markdown."""
    first, rows = board.order[0], board.of(board.order[0])
    row = rows.loc[ALL]
    lines = [f"`{first}` is highest over all settings, {_points(row)} points from `{BASELINE}`: {_tested(row)}."]
    if rows.verdict[ALL] != BETTER:
        lines[0] = f"No method is significantly better than `{BASELINE}` over all settings. {lines[0]}"
    elif near := board.beside_the_first():
        lines.append(f"That it is above {_named(near)} is inconclusive (by Holm over the other rows).")
    else:
        lines.append("It is significantly above every other row (by Holm over these).")
    for title in board.comparisons:
        if title != ALL:
            lines.append(_setting(board, title))
    harmless = [name for name in board.order if board.counted(name)[0] and not board.counted(name)[1]]
    lines.append(f"Better somewhere and worse nowhere: {_named(harmless) or 'no method'}.")
    return "\n".join(f"- {line}" for line in lines)


def _setting(board: Leaderboard, title: str) -> str:
    rows = board.table[(board.table.setting == title) & (board.table.metric == METRIC)]
    better, worse = rows[rows.verdict == BETTER], rows[rows.verdict == WORSE]
    told = f"**{title}**: {len(better)} of {count(len(rows), 'method')} significantly better, {len(worse)} worse"
    if len(better):
        best = better.loc[better.difference.idxmax()]
        told += f"; the highest is `{best.method}`, {_points(best)} points"
    return f"{told}."


def standing(board: Leaderboard, asked: str) -> list[str]:
    """Where the rows of a method stand that the command line calls so, a sentence each."""
    found = []
    for entrant in board.entrants:
        if entrant.asked == asked and entrant.name != BASELINE:
            row, (better, worse) = board.of(entrant.name).loc[ALL], board.counted(entrant.name)
            place = f"{board.ranked.index(entrant.name) + 1} of {len(board.ranked)}"
            each = f"significantly better in {count(better, 'setting')}, worse in {worse}"
            found.append(f"`{entrant.name}` is {place}: {_difference(row)} over all settings; {each}.")
    return found


def plain(text: str) -> str:
    """Markdown as a terminal shows it best."""
    return text.replace("`", "").replace("**", "")


def main_table(board: Leaderboard) -> str:
    """A row for each method, the highest first: all settings, each of them, significant ones, and passes."""
    header = ["", "method", *board.comparisons, "better, worse", *leaderboard_passes.METRICS]
    entrants = {entrant.name: entrant for entrant in board.entrants}
    lines = []
    for place, name in enumerate(board.ranked, 1):
        own = ", ".join(entrants[name].plugins)
        start = [str(place), f"`{name}`" + f" ({own})" * bool(own)]
        passes = [short(entrants[name].passes.get(way), digits=3) for way in leaderboard_passes.METRICS]
        if name == BASELINE:
            means = board.of(board.order[0]).baseline_mean
            lines.append([*start, *(f"{number(100 * mean, 1)} %" for mean in means), "the baseline", *passes])
            continue
        rows = board.of(name)
        cells = [_difference(rows.loc[ALL]), *(_short(rows.loc[task.title]) for task in TASKS.values())]
        better, worse = board.counted(name)
        lines.append([*start, *cells, f"{better}, {worse}", *passes])
    return markup.markdown_table(header, lines)


def setting_table(board: Leaderboard, title: str) -> str:
    """One setting: each method's accuracy, its difference to the baseline's, and that of balanced accuracy."""
    header = ["method", "accuracy, %", f"minus {BASELINE}", "p (Holm)", "seeds won", "balanced accuracy, minus"]
    lines = []
    for name in board.order:
        row, balanced = board.of(name).loc[title], board.of(name, "balanced accuracy").loc[title]
        told = ", ".join(filter(None, (p_value(row.p_holm), _bold(row.verdict))))
        won = f"{row.won} of {row.seeds}" + f" ({row.diverged} diverged)" * bool(row.diverged)
        lines.append([f"`{name}`", number(100 * row["mean"], 1), _points(row), told, won, _points(balanced)])
    return markup.markdown_table(header, lines)


def command(entrant: Entrant) -> str:
    """What trains a row, for a shell."""
    plugins = "".join(f" --plugin {shlex.quote(name)}" for name in entrant.plugins)
    return f"hardsample leaderboard{plugins} --methods {shlex.quote(entrant.asked)}"


def origin_table(board: Leaderboard) -> str:
    """Each row with the command that trains it, and what it was made with where that is not as the baseline's."""
    usual = made(board.entrants[0])
    lines = []
    for entrant in board.entrants[1:]:
        own = made(entrant)
        other = f"{entrant.other_code} of {count(len(entrant.trainings), 'training')}" if entrant.other_code else ""
        lines.append([f"`{entrant.name}`", f"`{command(entrant)}`", own if own != usual else "", other])
    return markup.markdown_table(["row", "command", "made with", "of other code than today's"], lines)


def made(entrant: Entrant) -> str:
    """What a row's trainings were made with: commit, versions and processor."""
    return "; ".join(dict.fromkeys(_made(provenance) for provenance in entrant.made))


def note() -> str:
    """What the numbers are, and how they are to be read."""
    return (
        f"Every row: seeds {SEEDS[0]} to {SEEDS[-1]}, {count(EPOCHS, 'epoch')} of equal updates, {BATCH_SIZE} examples"
        " an update, Adam, the same start for a seed. Differences are of test accuracy at the end, in points, method"
        f" minus `{BASELINE}`, paired by seed, with their 95 % t interval. p: exact sign-flip test over seeds, adjusted"
        f" by Holm over all methods of a setting; significant below {LEVEL:g}, else inconclusive. Rows are in the order"
        " of the mean difference over all settings, which is no test: neighbours may differ by chance, and the first is"
        " more likely lucky than unlucky. Intervals cover seeds, not the choice of test images."
        " Forward, backward: the examples passed so for each example of an update, counted in one training with clean"
        " labels."
    )


def unfinished(board: Leaderboard) -> str:
    """The rows that are not whole, in a sentence; "" for none."""
    told = (f"`{one.name}` ({len(one.trainings)} of {len(TASKS) * len(SEEDS)} trainings)" for one in board.unfinished)
    listed = ", ".join(told)
    return f"Not whole, and left out: {listed}." if listed else ""


def markdown(board: Leaderboard) -> str:
    """All of it."""
    parts = ["# Leaderboard of methods", finding(board), main_table(board), note()]
    for title in board.comparisons:
        parts += [f"## {title[0].upper()}{title[1:]}", setting_table(board, title)]
    seeds = f"seeds {SEEDS[0]} to {SEEDS[-1]}, in every setting; the baseline, `{BASELINE}`, with any of them."
    parts += [
        "## How each row was made",
        f"Each command trains what is not stored of {seeds} With `HARDSAMPLE_RUNS=again` before it, it trains all of it"
        f" once more, in a folder of its own. Where nothing else is said, a row was made with"
        f" {made(board.entrants[0])}.",
        origin_table(board),
    ]
    return "\n\n".join(parts) + "\n"


def page(text: str, board: Leaderboard) -> str:
    """The page with the blocks between ``<!-- leaderboard: NAME -->`` and ``<!-- end -->`` anew."""
    blocks = {"finding": finding, "table": main_table}
    return markup.with_blocks(text, "leaderboard", lambda name: blocks[name](board))


def lines(board: Leaderboard) -> list[Sequence[str]]:
    """The main table for a terminal, its header first: differences in points, a star where significant."""
    header = ["", "method", *board.comparisons]
    told = []
    for place, name in enumerate(board.ranked, 1):
        if name == BASELINE:
            cells = [f"{number(100 * mean, 1)} % " for mean in board.of(board.order[0]).baseline_mean]
        else:
            cells = [
                number(100 * row.difference, 1, "+") + (" *" if row.verdict in (BETTER, WORSE) else "  ")
                for _, row in board.of(name).iterrows()
            ]
        told.append([str(place), name, *cells])
    return [header, *told]


def _made(provenance: Mapping) -> str:
    versions = provenance["versions"]
    own = f"hardsample {versions['hardsample']} ({provenance['commit'][:7]})"
    return f"{own}, Python {versions['python']}, torch {versions['torch']}, {provenance['device']}"


def _points(row) -> str:
    return with_interval(*(100 * value for value in (row.difference, row.low, row.high)), "+", 1)


def _difference(row) -> str:
    return f"{_points(row)}, {_tested(row)}"


def _tested(row) -> str:
    p = p_value(row.p_holm)
    return _bold(row.verdict) + f" (p = {p})" * bool(p)


def _short(row) -> str:
    return f"{number(100 * row.difference, 1, '+')}, {_bold(row.verdict)}"


def _bold(verdict: str) -> str:
    return f"**{verdict}**" if verdict in (BETTER, WORSE) else verdict


def _named(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
