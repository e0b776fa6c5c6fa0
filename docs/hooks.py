"""What the site has and the pages as files do not: the files that pages point to, and the public names' docstrings."""

import posixpath
import re
from pathlib import Path

from mkdocs.structure.files import File

import hardsample

ROOT = Path(__file__).parent.parent
LINK = re.compile(r"\]\(([^)#:\s]+)(?=[)#])")


def outside(text: str, folder: str) -> dict[str, str]:
    """The links of a page that leave docs/, each with the place in the repository that it names."""
    places = {link: posixpath.normpath(posixpath.join("docs", folder, link)) for link in LINK.findall(text)}
    return {link: place for link, place in places.items() if not place.startswith("docs/")}


def on_files(files, config):
    """Every file that a page points to becomes a file of the site, at the same place less docs/."""
    for page in list(files.documentation_pages()):
        for place in outside(page.content_string, posixpath.dirname(page.src_uri)).values():
            if (ROOT / place).is_file() and files.get_file_from_path(place) is None:
                files.append(File.generated(config, place, abs_src_path=str(ROOT / place)))
    return files


def on_page_markdown(markdown, page, config, files):
    """Links that leave docs/ lead to the copies, and the table of public names is followed by their docstrings."""
    folder = posixpath.dirname(page.file.src_uri)
    for link, place in outside(markdown, folder).items():
        if page.file.generated_by is None:
            markdown = markdown.replace(f"]({link}", f"]({posixpath.relpath(place, folder or '.')}")
    if page.file.src_uri == "api.md":
        names = (f"::: hardsample.{hardsample._PUBLIC[name]}.{name}" for name in hardsample.__all__)
        markdown += "\n" + "\n\n".join(names) + "\n"
    return markdown
