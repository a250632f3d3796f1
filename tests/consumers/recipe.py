"""Prints a block of man/wsmon-recipes.7.

    recipe.py PAGE TITLE PATH     the file PATH of the recipe TITLE
    recipe.py PAGE TITLE NUMBER   its command, counted from 1
    recipe.py PAGE                every title, a tab, and each of its paths and numbers, a line each
"""

import re
import sys

ESCAPES = {r"\e": "\\", r"\-": "-", r"\&": "", r"\(dq": '"', r"\(aq": "'"}


def blocks(page):
    """A block belongs to the path that stands before it, alone on its line with a colon; else it is a command."""
    title, path, command, lines = None, None, 0, None
    for line in page.splitlines():
        if line == ".Ed":
            if path is None:
                command += 1
            yield title, path or str(command), "\n".join(lines) + "\n"
            path, lines = None, None
        elif lines is not None:
            lines.append(unescaped(line))
        elif line.startswith(".Bd -literal"):
            lines = []
        elif line.startswith((".Ss ", ".Sh ")):
            title, path, command = line[4:], None, 0
        elif match := re.fullmatch(r"\.Pa (\S+) :", line):
            path = match[1]


def unescaped(line):
    text = re.sub(r"\\(?:\(..|.)", lambda match: ESCAPES[match[0]], line)
    return text


def main(path, title=None, name=None):
    with open(path) as file:
        found = list(blocks(file.read()))
    if title is None:
        for each in found:
            print(each[0], each[1], sep="\t")
        return
    texts = [text for *key, text in found if key == [title, name]]
    if len(texts) != 1:
        sys.exit(f"{path}: {len(texts)} blocks {name} of {title}")
    sys.stdout.write(texts[0])


main(*sys.argv[1:])
