# SPDX-License-Identifier: BSD-2-Clause
"""Named checks of the source. What they know about this project is in rules.toml.

A check is a function of the tree that yields findings (path, line, message). `main()` runs them all
and prints TAP: one case a check, findings as comments.
"""

import argparse
import concurrent.futures
import fnmatch
import functools
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tomllib

import csource

HERE = pathlib.Path(__file__).resolve().parent
SPDX = "SPDX-License-Identifier: BSD-2-Clause"
MAX_WARNINGS = 10
PRODUCT = ("common", "config", "host", "target")


class Tree:
    """The files of a tree by their path, without what a build or a version control system left."""

    def __init__(self, root, rules):
        self.root = pathlib.Path(root)
        self.rules = rules
        self.files = {}
        self.broken = []
        self.scripts = set()
        for folder, folders, names in os.walk(self.root):
            here = pathlib.Path(folder)
            folders[:] = sorted(
                d for d in folders if d not in (".git", "__pycache__") and not d.startswith("build")
                and not (here / d / ".flags").exists())
            for name in sorted(names):
                self.read(here / name)
        self.c_files = [p for p in self.files if p.endswith((".c", ".h"))]

    def read(self, path):
        relative = str(path.relative_to(self.root))
        if path.is_symlink() or relative == ".git":
            return
        try:
            self.files[relative] = path.read_bytes().decode()
        except UnicodeDecodeError:
            self.broken.append(relative)
            return
        if self.files[relative].startswith("#!"):
            self.scripts.add(relative)

    @functools.cache
    def code(self, path):
        return csource.strip(self.files[path])

    def product(self):
        return [p for p in self.c_files if folder_of(p) in PRODUCT]


def folder_of(path):
    return path.split("/", 1)[0] if "/" in path else ""


def match_any(path, patterns):
    return any(fnmatch.fnmatch(path, p) for p in patterns)


def module_of(path):
    """common/pdu_rx.c and common/pdu_rx.h are one module."""
    return path.rsplit(".", 1)[0]


# ---------------------------------------------------------------- structure


def check_top_level(tree):
    for name in sorted({path.split("/", 1)[0] for path in tree.files}):
        if name not in tree.rules["top"]:
            yield name, 1, "does not belong at the top of the tree"


def check_layers(tree):
    layers, without = tree.rules["layers"], tree.rules["without"]
    for path in tree.c_files:
        folder = folder_of(path)
        if folder not in layers:
            yield path, 1, "stands in no layer"
            continue
        for line, kind, name in csource.includes(tree.files[path]):
            if kind == "<":
                continue
            if folder_of(name) not in [folder, *layers[folder]]:
                yield path, line, f"{folder}/ must not include {name}"
            elif name in without.get(folder, []):
                yield path, line, f"{folder}/ does without {name}"


def module_graph(tree):
    """module -> {module it includes: (path, line)}, our own folders only."""
    graph = {}
    for path in tree.product():
        edges = graph.setdefault(module_of(path), {})
        for line, kind, name in csource.includes(tree.files[path]):
            if kind == '"' and module_of(name) != module_of(path):
                edges.setdefault(module_of(name), (path, line))
    return graph


def check_order(tree):
    ranks = {f"{folder}/{name}": (folder, rank)
             for folder, names in tree.rules["order"].items() for rank, name in enumerate(names)}
    for module, edges in module_graph(tree).items():
        for other, (path, line) in edges.items():
            if module in ranks and other in ranks:
                (folder, rank), (other_folder, other_rank) = ranks[module], ranks[other]
                if folder == other_folder and other_rank > rank:
                    yield path, line, f"{other} stands above {module}"


def cycles(graph):
    state = {}  # 1: on the current path, 2: finished
    found = []

    def visit(node, trail):
        state[node] = 1
        for other, (path, line) in sorted(graph[node].items()):
            if other not in graph:
                continue
            if state.get(other) == 1:
                loop = [*trail[trail.index(other):], other]
                found.append((path, line, "cycle: " + " > ".join(loop)))
            elif other not in state:
                visit(other, [*trail, other])
        state[node] = 2

    for node in sorted(graph):
        if node not in state:
            visit(node, [node])
    return found


def check_header_cycles(tree):
    graph = {}
    for path in tree.product():
        if path.endswith(".h"):
            graph[path] = {name: (path, line) for line, kind, name in
                           csource.includes(tree.files[path]) if kind == '"'}
    return cycles(graph)


def check_module_cycles(tree):
    return cycles(module_graph(tree))


def check_includes(tree):
    for path in tree.c_files:
        for line, kind, name in csource.includes(tree.files[path]):
            if kind == "<" and folder_of(name) in PRODUCT:
                yield path, line, f"{name} is ours: write it in quotes"
            elif kind == '"' and "/" not in name:
                yield path, line, f"{name}: an include carries its folder"
            elif kind == '"' and name not in tree.files:
                yield path, line, f"{name} does not exist"


def check_confinement(tree):
    for library, rule in tree.rules["confine"].items():
        for path in tree.c_files:
            # the unit tests may check a module against the library it hides
            if match_any(path, rule["files"]) or path.startswith("tests/unit/"):
                continue
            for line, _, name in csource.includes(tree.files[path]):
                if any(name == h or h[-1] == "/" and name.startswith(h) for h in rule["headers"]):
                    yield path, line, f"{library} is confined to {', '.join(rule['files'])}"


def check_guards(tree):
    for path in tree.c_files:
        if not path.endswith(".h"):
            continue
        name = re.sub(r"\W", "_", path.rsplit("/", 1)[-1]).upper()
        code = tree.code(path)
        if not re.match(rf"\s*#ifndef (\w*{name})\n#define \1\n", code):
            yield path, 1, f"does not begin with a guard that ends in {name}"
        elif not re.search(r"#endif\s*$", code):
            yield path, 1, "the guard does not close at the end"


def check_self_contained(tree):
    compiler = shutil.which(os.environ.get("CC", "gcc")) or shutil.which("gcc")
    if not compiler:
        raise Skip("no compiler")

    def compile_alone(path):
        done = subprocess.run(
            [compiler, "-std=gnu11", "-D_GNU_SOURCE", "-I.", "-fsyntax-only", "-include", path,
             "-x", "c", "/dev/null"], cwd=tree.root, capture_output=True, text=True)
        return path, done.returncode, done.stderr

    headers = [p for p in tree.product() if p.endswith(".h")]
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for path, status, errors in pool.map(compile_alone, headers):
            if status:
                first = next((e for e in errors.splitlines() if "error" in e), "does not compile")
                yield path, 1, f"does not compile on its own: {first}"


# ---------------------------------------------------------------- code


def check_forbidden(tree):
    for rule in tree.rules["forbidden"]:
        calls = r"(?<![\w.])(?<!->)(?:" + "|".join(rule["calls"]) + r")(?=[ \t]*\()"
        words = "".join(rf"|\b{word}\b" for word in rule.get("words", []))
        pattern = re.compile(calls + words)
        for path in tree.c_files:
            included = match_any(path, rule.get("files", ["*"]))
            if not included or match_any(path, rule.get("except", [])):
                continue
            code = tree.code(path)
            for m in pattern.finditer(code):
                yield path, csource.line_of(code, m.start()), f"{m[0]}: {rule['why']}"


SIDE_EFFECT = re.compile(r"\+\+|--|(?<![=!<>])=(?!=)")


def check_assert(tree):
    for path in tree.c_files:
        code = tree.code(path)
        for offset, argument in csource.arguments(code, "assert"):
            if SIDE_EFFECT.search(argument):
                yield path, csource.line_of(code, offset), "assert() with a side effect"


def check_names(tree):
    refused = re.compile(tree.rules["names"]["refused"])
    prefixes = tree.rules["prefixes"]
    for path in tree.c_files:
        wanted = prefixes.get(folder_of(path), "")
        for f in csource.functions(tree.code(path)):
            if refused.match(f.name):
                yield path, f.line, f"{f.name}(): such a name replaces libnvme's own"
            elif not f.static and f.defined and f.name != "main" and not f.name.startswith(wanted):
                yield path, f.line, f"{f.name}(): functions in {folder_of(path)}/ are {wanted}*"


def check_file_length(tree):
    limit = tree.rules["file_lines"]
    for path in tree.c_files:
        nr = tree.files[path].count("\n")
        if nr > limit:
            yield path, nr, f"{nr} lines, more than {limit}"


def check_function_length(tree):
    limit = tree.rules["function_lines"]
    for path in tree.c_files:
        for f in csource.functions(tree.code(path)):
            if f.lines > limit:
                yield path, f.line, f"{f.name}() has {f.lines} lines, more than {limit}"


# ---------------------------------------------------------------- form


def check_spdx(tree):
    forms = {".c": f"// {SPDX}\n", ".h": f"/* {SPDX} */\n"}
    hash_files = (".py", ".sh", ".toml", ".rules", ".conf", ".in", "Makefile", ".clang-format")
    for path, text in tree.files.items():
        form = forms.get(pathlib.Path(path).suffix)
        if form and not text.startswith(form):
            yield path, 1, f"does not begin with {form.strip()}"
        elif not form and (path in tree.scripts or path.endswith(hash_files)):
            head = text.splitlines()[:2]
            if text.strip() and f"# {SPDX}" not in head:
                yield path, 1, f"lacks # {SPDX} at its top"


def check_opening_comment(tree):
    for path in tree.c_files:
        lines = tree.files[path].splitlines()[1:3]
        if not any(line.startswith(("/*", "//")) for line in lines):
            yield path, 2, "does not say at its top what it is"


def check_blanks(tree):
    for path in tree.broken:
        yield path, 1, "is not text"
    for path, text in tree.files.items():
        if text and not text.endswith("\n"):
            yield path, text.count("\n") + 1, "does not end in a newline"
        if text.endswith("\n\n"):
            yield path, text.count("\n"), "ends in empty lines"
        for nr, line in enumerate(text.split("\n"), 1):
            if line != line.rstrip():
                yield path, nr, "blanks at the end of the line"


def check_tabs(tree):
    for path in tree.c_files:
        for nr, line in enumerate(tree.files[path].splitlines(), 1):
            if re.match(r"\t* {8}", line) or re.match(r"\t* +\t", line):
                yield path, nr, "indented with spaces: tabs are 8 columns"


def long_lines(tree, comments):
    """Lines that are too long, in comments or elsewhere. A string is not broken for its length."""
    limit = tree.rules["columns"]
    for path, text in tree.files.items():
        is_c = path in tree.c_files
        if not is_c and not (path in tree.scripts or path.endswith((".py", ".sh"))):
            continue
        code = tree.code(path).splitlines() if is_c else None
        for nr, line in enumerate(text.splitlines(), 1):
            width = len(line.expandtabs(8))
            if width <= limit:
                continue
            in_comment = is_c and len(code[nr - 1].rstrip().expandtabs(8)) <= limit
            is_string = is_c and not in_comment and '"' in line[limit // 2:]
            if in_comment == comments and not is_string:
                yield path, nr, f"{width} columns, more than {limit}"


def check_columns(tree):
    return long_lines(tree, comments=False)


def check_comment_columns(tree):
    return long_lines(tree, comments=True)


def check_clang_format(tree):
    if not shutil.which("clang-format"):
        raise Skip("clang-format is not installed")
    if not tree.c_files:
        return
    done = subprocess.run(["clang-format", "--dry-run", "--style=file", *tree.c_files],
                          cwd=tree.root, capture_output=True, text=True)
    lines = {}
    warning = re.compile(r"^(\S+?):(\d+):\d+: warning: code should be clang-format", re.MULTILINE)
    for m in warning.finditer(done.stderr):
        lines.setdefault(m[1], set()).add(int(m[2]))
    if done.returncode and not lines:
        yield ".clang-format", 1, done.stderr.strip().splitlines()[0]
    for path, numbers in lines.items():
        yield path, min(numbers), f"{len(numbers)} lines differ from clang-format's form"


def check_text(tree, name):
    for rule in tree.rules["text"]:
        if rule["check"] != name:
            continue
        pattern = re.compile(rule["pattern"])
        for path, text in tree.files.items():
            for nr, line in enumerate(text.splitlines(), 1):
                if pattern.search(line):
                    yield path, nr, f"{rule['why']}: {line.strip()[:60]}"


CHECKS = {
    "top-level": check_top_level,
    "layers": check_layers,
    "order": check_order,
    "header-cycles": check_header_cycles,
    "module-cycles": check_module_cycles,
    "includes": check_includes,
    "confinement": check_confinement,
    "guards": check_guards,
    "self-contained": check_self_contained,
    "forbidden-calls": check_forbidden,
    "assert": check_assert,
    "names": check_names,
    "file-length": check_file_length,
    "function-length": check_function_length,
    "spdx": check_spdx,
    "opening-comment": check_opening_comment,
    "blanks": check_blanks,
    "tabs": check_tabs,
    "columns": check_columns,
    "comment-columns": check_comment_columns,
    "clang-format": check_clang_format,
    "unfinished": functools.partial(check_text, name="unfinished"),
    "machine-paths": functools.partial(check_text, name="machine-paths"),
}


class Skip(Exception):
    """A check cannot run here."""


def load_rules(path=HERE / "rules.toml"):
    with open(path, "rb") as f:
        return tomllib.load(f)


def run_check(tree, name):
    """The findings of one check, in order."""
    return sorted(set(CHECKS[name](tree)))


def main():
    parser = argparse.ArgumentParser(description="Check the form and the structure of the source.")
    parser.add_argument("--root", default=HERE.parent.parent, help="tree to check")
    parser.add_argument("check", nargs="*", help=f"only these: {', '.join(CHECKS)}")
    args = parser.parse_args()
    for name in args.check:
        if name not in CHECKS:
            parser.error(f"no such check: {name}")
    rules = load_rules()
    tree = Tree(args.root, rules)
    names = args.check or CHECKS
    failed = False
    print(f"1..{len(names)}")
    for nr, name in enumerate(names, 1):
        try:
            found = run_check(tree, name)
        except Skip as e:
            print(f"ok {nr} - {name} # SKIP {e}")
            continue
        fails = bool(found) and name not in rules["warn"]
        failed |= fails
        print(f"{'not ok' if fails else 'ok'} {nr} - {name}")
        shown = found if fails or args.check else found[:MAX_WARNINGS]
        for path, line, message in shown:
            print(f"#   {path}:{line}: {message}")
        if found and not fails:
            print(f"# note: {name}: {len(found)} warnings (all: tests/lint/test_source {name})")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
