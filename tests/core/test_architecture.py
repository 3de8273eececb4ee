"""Arrows between modules point one way, imports cost nothing, and nothing can run a file's code."""

import ast
import os
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# A module may import what stands in a row above its own, and modules of its own entry.
# An entry is a module or a package with all its modules, but for those that have a row themselves.
LEVELS = (
    ("errors", "settings", "redaction", "provenance", "metrics", "tinyworld", "built_sets"),
    ("stats", "embedded"),
    ("requests", "measures", "progress", "atomic", "key_index", "feature_files", "published_rows"),
    (
        "batching",
        "images",
        "shard_rows",
        "models.capabilities",
        "models.decoding_options",
        "models.spec",
    ),
    ("models.listing", "shards", "stopwatch"),
    ("shard_folder",),
    ("compaction",),
    ("response_folder",),
    ("prompts", "store", "registry", "engine", "models"),
    ("tables", "models.backends", "published_sets"),
    ("questions", "stored_images"),
    ("planned_rows",),
    ("tasks", "asking", "response_cells"),
    ("responses_file", "comparing.trimming"),
    ("fingerprint", "scores_file", "building"),
    ("record",),
    ("execution", "replay", "row_claims", "score_claims", "comparing.scored_record"),
    ("verification", "comparing.pairing", "comparing.moved_units"),
    (
        "comparing.answer_vectors",
        "comparing.entrant_ranks",
        "comparing.lineage",
        "comparing.opening",
        "contact_sheets",
        "remedy_plans",
    ),
    ("comparing.pair_tests", "comparing.planning", "comparing.judge_agreement"),
    ("comparing.release_gate", "comparing.standings"),
    ("comparing.homogeneity", "comparing.stages"),
    ("comparing.comparison", "leaderboard"),
    ("leaderboard_csv",),
    ("api", "selftest"),
    ("remedies",),
    ("report", "cli_values"),
    ("cli_statistics", "cli_views", "cli_build"),
    ("cli",),
    ("__main__",),
)
LEVEL_OF = {entry: level for level, entries in enumerate(LEVELS) for entry in entries}

# What a task may see of the suite.
FOR_TASKS = {
    "asking",
    "built_sets",
    "errors",
    "measures",
    "metrics",
    "models.capabilities",
    "prompts",
    "published_sets",
    "questions",
    "requests",
    "tables",
    "tasks",
    "tinyworld",
}
HEAVY = ("torch", "transformers", "pandas", "pyarrow", "scipy", "statsmodels", "matplotlib")


@cache
def modules() -> dict[str, Path]:
    """Files of the suite and of its tasks by module name."""
    found = {}
    for folder, package in (("evalsuite", "evalsuite"), ("tasks", "evalsuite_tasks")):
        for file in sorted((ROOT / folder).rglob("*.py")):
            parts = file.relative_to(ROOT / folder).with_suffix("").parts
            found[".".join((package, *(p for p in parts if p != "__init__")))] = file
    return found


def running_nodes(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes below one, but for what only a type checker sees."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING"):
            yield from (n for part in child.orelse for n in (part, *running_nodes(part)))
        else:
            yield child
            yield from running_nodes(child)


@cache
def imports(module: str) -> frozenset[str]:
    """Modules of ours that a module imports, at its top or inside a function."""
    found = set()
    for node in running_nodes(ast.parse(modules()[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: a relative import"
            full = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in modules() else f"{node.module}" for name in full}
    return frozenset(m for m in found if m.split(".")[0] in {"evalsuite", "evalsuite_tasks"})


def suite() -> list[str]:
    """Modules of the suite, without packages' own files that hold nothing."""
    return [m for m in modules() if m.startswith("evalsuite.") and modules()[m].stat().st_size]


def task_modules() -> list[str]:
    return [m for m in modules() if m.startswith("evalsuite_tasks.")]


def entry_of(module: str) -> str:
    """The entry of the table that a module falls under."""
    name = module.removeprefix("evalsuite.")
    while name not in LEVEL_OF:
        assert "." in name, f"{module} has no row in the table of levels"
        name = name.rpartition(".")[0]
    return name


def test_the_table_names_every_module_once_and_nothing_else():
    named = [entry for entries in LEVELS for entry in entries]
    assert len(set(named)) == len(named)
    assert set(named) == {entry_of(module) for module in suite()}


@pytest.mark.parametrize("module", suite())
def test_a_module_imports_only_from_the_rows_above_its_own(module):
    own = entry_of(module)
    wrong = [
        target
        for target in imports(module)
        if target == "evalsuite"
        or target.startswith("evalsuite_tasks")
        or (entry_of(target) != own and LEVEL_OF[entry_of(target)] >= LEVEL_OF[own])
    ]
    assert not wrong, f"{module} imports {sorted(wrong)}"


def test_the_walk_sees_imports_inside_functions_and_not_those_for_types():
    assert "evalsuite.api" in imports("evalsuite.cli")  # inside its commands
    assert "evalsuite.execution" not in imports("evalsuite.tasks")  # for types only
    assert "evalsuite.shards" in imports("evalsuite.store")  # from a package, a module


def test_no_modules_import_each_other_in_a_circle():
    order = TopologicalSorter({m: imports(m) - {m} for m in modules()}).static_order()
    assert set(order) >= set(modules())


@pytest.mark.parametrize(
    ("package", "sees"), [("metrics", ("metrics",)), ("stats", ("metrics", "stats"))]
)
def test_the_maths_imports_nothing_else_of_the_suite(package, sees):
    inside = [m for m in modules() if f"{m}.".startswith(f"evalsuite.{package}.")]
    assert len(inside) > 2
    for module in inside:
        for target in imports(module):
            assert target.split(".")[1] in sees, f"{module} imports {target}"


def test_only_the_command_line_imports_the_command_line_and_the_report():
    for module in {*suite(), *task_modules()}:
        if module.startswith(("evalsuite.cli", "evalsuite.report.", "evalsuite.__main__")):
            continue
        for target in imports(module):
            assert not target.startswith(("evalsuite.cli", "evalsuite.report")), module


@pytest.mark.parametrize("module", task_modules())
def test_a_task_sees_what_tasks_may_see_and_its_own_folder(module):
    own = ".".join(module.split(".")[:2])
    for target in imports(module):
        if target.startswith("evalsuite_tasks"):
            assert f"{target}.".startswith(f"{own}."), f"{module} imports another task: {target}"
        else:
            assert entry_of(target) in FOR_TASKS, f"{module} imports {target}"


def python(*arguments: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
    )


@pytest.mark.parametrize("module", ["evalsuite", "evalsuite.cli", "evalsuite.tasks"])
def test_importing_loads_no_heavy_package(module):
    code = f"import sys, {module}; print(*(m for m in {HEAVY!r} if m in sys.modules))"
    assert python("-c", code).stdout.split() == []


def test_listing_the_public_names_imports_nothing():
    code = (
        "import sys, evalsuite; names = dir(evalsuite)\n"
        "print('run' in names, sum(m.startswith('evalsuite.') for m in sys.modules))"
    )
    assert python("-c", code).stdout.split() == ["True", "0"]


def test_help_takes_less_than_half_a_second_of_work():
    def user_seconds() -> float:
        before = os.times().children_user
        assert "Usage" in python("-m", "evalsuite", "--help").stdout
        return os.times().children_user - before

    assert min(user_seconds() for _ in range(3)) < 0.5


@cache
def dotted_names(file: Path) -> frozenset[str]:
    """What the code of a file names: variables, attributes, arguments, imports; no texts."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute | ast.Name):
            found.add(ast.unparse(node))
        elif isinstance(node, ast.keyword) and node.arg:
            found.add(node.arg)
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(found)


@pytest.mark.parametrize("module", [m for m in modules() if modules()[m].stat().st_size])
def test_no_code_can_unpickle_evaluate_or_unpack_blindly(module):
    names = dotted_names(modules()[module])
    bare = {"eval", "exec", "compile", "__import__", "allow_pickle"}
    assert not names & bare, names & bare
    for name in names:
        assert not f"{name}.".startswith(("torch.load.", "torch.hub.")), name
        assert not {"pickle", "cPickle", "dill", "joblib", "marshal", "shelve"} & set(
            name.split(".")
        ), name
        assert name.rpartition(".")[2] not in {"extractall", "unpack_archive", "read_pickle"}, name


@pytest.mark.parametrize(
    "word", ["torch.load", "allow_pickle", "torch.hub", "joblib", "extractall"]
)
def test_no_line_of_code_holds_what_loads_code(word):
    # The plain search beside the parsed one above: it also sees texts that name an attribute.
    for module, file in modules().items():
        with file.open("rb") as opened:
            kinds = {tokenize.COMMENT}
            line = "".join(
                t.string for t in tokenize.tokenize(opened.readline) if t.type not in kinds
            )
        assert word not in line, module


def test_environment_variables_are_read_in_few_places():
    # settings() reads them, redaction hides their values; anything else must be argued for here.
    readers = {
        module
        for module, file in modules().items()
        if {"os.environ", "os.getenv"} & dotted_names(file)
    }
    assert readers == {"evalsuite.settings", "evalsuite.redaction"}
