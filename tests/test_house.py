"""A stranger finds the room: files and classes that can be read at once, and nothing written twice."""

import ast
import collections
from pathlib import Path

import hardsample

PACKAGE = Path(hardsample.__file__).parent
FILES = {path.relative_to(PACKAGE).as_posix(): path.read_text().splitlines() for path in PACKAGE.rglob("*.py")}
LONGEST_FILE, LONGEST_CLASS, LONGEST_REPEAT = 400, 200, 10  # lines


def test_no_file_is_longer_than_a_reader_holds_in_mind():
    assert {name: len(lines) for name, lines in FILES.items() if len(lines) > LONGEST_FILE} == {}


def test_no_class_is_longer_without_a_reason_beside_it():
    long = {}
    for name, lines in FILES.items():
        for node in ast.walk(ast.parse("\n".join(lines))):
            if isinstance(node, ast.ClassDef) and node.end_lineno - node.lineno >= LONGEST_CLASS:
                first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
                if not lines[first - 2].startswith("# Long, since "):
                    long[f"{name}: {node.name}"] = node.end_lineno - node.lineno + 1
    assert long == {}


def test_no_block_stands_twice():
    """Blank lines, imports and comments aside, no run of over ten lines is written in two places."""
    places = collections.defaultdict(list)
    for name, lines in FILES.items():
        code = [(number, line.strip()) for number, line in enumerate(lines, 1)]
        code = [(number, line) for number, line in code if line and not line.startswith(("#", "import ", "from "))]
        for start in range(len(code) - LONGEST_REPEAT):
            block = code[start : start + LONGEST_REPEAT + 1]
            places["\n".join(line for _, line in block)].append(f"{name}:{block[0][0]}")
    assert [where for where in places.values() if len(where) > 1] == []
