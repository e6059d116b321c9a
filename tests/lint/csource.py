# SPDX-License-Identifier: BSD-2-Clause
"""Just enough understanding of C, in the form our files have, for the lint checks."""

import dataclasses
import re

TOKEN = re.compile(
    r"""(?P<comment>/\*.*?\*/|//[^\n]*)|(?P<string>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')""",
    re.DOTALL | re.VERBOSE)
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"\n]+)[>"]', re.MULTILINE)
# a function's head begins in the first column and its name is what stands before the first (
HEAD = re.compile(r"^(?P<before>[A-Za-z_][\w \t*]*?[ \t*])(?P<name>\w+)\((?P<rest>[^;{}=]*?)\)"
                  r"(?P<attrs>[^;{}=()]*(?:\([^;{}]*\))?)\n?(?P<end>[;{])", re.MULTILINE)


def blank(match):
    """Spaces in place of a comment or string, so that offsets and lines stay."""
    text = match.group(0)
    if match.lastgroup == "string":
        return text[0] + " " * (len(text) - 2) + text[-1]
    return re.sub(r"[^\n]", " ", text)


def strip(text):
    """The text without its comments and without the content of its strings."""
    return TOKEN.sub(blank, text)


def strip_comments(text):
    return TOKEN.sub(lambda m: m[0] if m.lastgroup == "string" else blank(m), text)


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1


def includes(text):
    """(line, kind, name) of every include; kind is < or "."""
    code = strip_comments(text)
    for m in INCLUDE.finditer(code):
        yield line_of(code, m.start()), m[1], m[2]


@dataclasses.dataclass
class Function:
    name: str
    line: int
    static: bool
    defined: bool
    lines: int  # from the opening brace to the closing one, both not counted


def functions(code):
    """Functions declared or defined at the top level of stripped code."""
    for m in HEAD.finditer(code):
        words = m["before"].split()
        if words[0] in ("return", "else", "typedef", "case", "goto"):
            continue
        defined = m["end"] == "{"
        lines = 0
        if defined:
            end = code.find("\n}", m.end())
            lines = code.count("\n", m.end(), end if end >= 0 else len(code))
        yield Function(m["name"], line_of(code, m.start()), "static" in words, defined, lines)


def arguments(code, name):
    """(offset, text between the parentheses) of every call of a function."""
    for m in re.finditer(rf"(?<![\w.])(?<!->){re.escape(name)}\s*\(", code):
        depth, i = 1, m.end()
        while i < len(code) and depth:
            depth += {"(": 1, ")": -1}.get(code[i], 0)
            i += 1
        yield m.start(), code[m.end():i - 1]
