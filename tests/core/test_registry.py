import sys

import pytest

from evalsuite.errors import UnknownName
from evalsuite.registry import BrokenPlugin, Registry

GROUP = "evalsuite.test_things"
GOOD = "class Thing:\n    card = 'the card'\n    modes = ()\nthing = Thing()\n"


@pytest.fixture
def registry():
    return Registry("thing", group=GROUP, attributes=("card", "modes"))


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Put a package with entry points on the path, as an installer would."""
    monkeypatch.syspath_prepend(str(tmp_path))
    made = []

    def make(distribution, module, code, *entries):
        (tmp_path / f"{module}.py").write_text(code)
        info = tmp_path / f"{distribution}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n"
        )
        lines = [f"{name} = {module}:{attribute}" for name, attribute in entries]
        (info / "entry_points.txt").write_text("\n".join([f"[{GROUP}]", *lines]) + "\n")
        made.append(module)

    yield make
    for module in made:
        sys.modules.pop(module, None)


def test_a_plug_in_is_found_by_the_name_it_registers(install, registry):
    install("good-things", "good_things", GOOD, ("one", "thing"), ("two", "thing"))
    assert registry.names() == ["one", "two"]
    assert registry["two"].card == "the card"


def test_nothing_is_imported_before_it_is_asked_for(install, registry):
    install("good-things", "good_things", GOOD, ("one", "thing"))
    install("other-things", "other_things", GOOD, ("two", "thing"))
    assert registry.names() == ["one", "two"]
    assert "good_things" not in sys.modules
    assert registry["one"]
    assert "good_things" in sys.modules
    assert "other_things" not in sys.modules


@pytest.mark.parametrize(
    ("code", "attribute", "problem"),
    [
        ("raise RuntimeError('no licence')", "thing", "RuntimeError: no licence"),
        ("import a_package_that_nobody_has", "thing", "ModuleNotFoundError"),
        ("def broken(:", "thing", "SyntaxError"),
        ("raise SystemExit(0)", "thing", "SystemExit"),
        ("raise KeyboardInterrupt", "thing", "cannot be loaded: KeyboardInterrupt"),
        (GOOD, "thingy", "AttributeError"),
        ("thing = 3", "thing", "has no card, modes: it is a int"),
        ("class thing:\n    card = 1", "thing", "has no modes: it is a type"),
    ],
)
def test_a_broken_plug_in_is_listed_with_its_error_and_others_still_work(
    install, registry, code, attribute, problem
):
    install("broken-things", "broken_things", code, ("bad", attribute))
    install("good-things", "good_things", GOOD, ("one", "thing"))
    bad, one = registry.listing()
    assert (bad.name, bad.value) == ("bad", None)
    assert problem in bad.problem
    assert "broken-things (broken_things:" in bad.problem
    assert (one.name, one.value.card, one.problem) == ("one", "the card", None)
    assert one.source == "good-things (good_things:thing)"
    assert registry["one"] is one.value
    with pytest.raises(BrokenPlugin, match="'bad' from broken-things"):
        registry["bad"]


def test_the_error_of_a_broken_plug_in_keeps_its_cause(install, registry):
    install("broken-things", "broken_things", "1 / 0", ("bad", "thing"))
    with pytest.raises(BrokenPlugin) as caught:
        registry["bad"]
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert caught.value.exit_code == 2


def test_a_name_of_two_packages_is_broken_names_both_and_harms_no_other(install, registry):
    install("good-things", "good_things", GOOD, ("one", "thing"), ("two", "thing"))
    install("other-things", "other_things", GOOD, ("one", "thing"))
    assert registry.names() == ["one", "two"]
    assert registry["two"].card == "the card"
    one, two = registry.listing()
    assert one.value is None and two.problem is None
    with pytest.raises(BrokenPlugin, match="2 packages register the thing 'one'") as caught:
        registry["one"]
    assert caught.value.exit_code == 2
    for text in (one.problem, one.source, str(caught.value)):
        assert "good-things (good_things:thing)" in text
        assert "other-things (other_things:thing)" in text


def test_the_check_sees_the_object_and_its_name_and_its_problem_is_the_error(install):
    install("good-things", "good_things", GOOD, ("one", "thing"), ("two", "thing"))
    checked = Registry(
        "thing", group=GROUP, check=lambda value, name: f"is {value.card}" * (name == "two")
    )
    assert checked["one"].card == "the card"
    with pytest.raises(BrokenPlugin, match=r"^thing 'two' from good-things .* is the card$"):
        checked["two"]


def test_a_check_that_fails_is_the_plug_ins_fault_and_no_crash(install):
    install("good-things", "good_things", GOOD, ("one", "thing"))
    (one,) = Registry("thing", group=GROUP, check=lambda value, name: value.absent).listing()
    assert "cannot be loaded: AttributeError" in one.problem


def test_what_a_plug_in_prints_goes_to_standard_error(install, registry, capsys):
    install("loud-things", "loud_things", "print('hello')\n" + GOOD, ("one", "thing"))
    assert registry["one"].card == "the card"
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "hello\n")


@pytest.mark.parametrize(
    ("code", "end"),
    [
        ("raise ValueError('first\\nsecond')", "ValueError: first"),
        (
            "from pydantic import BaseModel\nclass Card(BaseModel):\n    n: int\nCard(n='x')",
            "ValidationError: Card.n: Input should be a valid integer, unable to parse string as "
            "an integer",
        ),
        (
            "from evalsuite.tasks import DataFile\nDataFile(file='a', licence='b')",
            "ValidationError: DataFile.sha256: Field required",
        ),
    ],
)
def test_the_problem_of_a_broken_plug_in_is_one_line(install, registry, code, end):
    install("broken-things", "broken_things", code, ("bad", "thing"))
    (bad,) = registry.listing()
    assert bad.problem.endswith(f"cannot be loaded: {end}")
    assert "\n" not in bad.problem


def test_one_entry_that_is_listed_twice_is_no_conflict(install, registry):
    install("good-things", "good_things", GOOD, ("one", "thing"))
    install("good-things-editable", "good_things", GOOD, ("one", "thing"))
    assert registry["one"].card == "the card"


def test_an_unknown_name_suggests_the_nearest(install, registry):
    install("good-things", "good_things", GOOD, ("diversity", "thing"))
    with pytest.raises(
        UnknownName, match=r"no thing 'divresity'\. Did you mean 'diversity'"
    ) as caught:
        registry["divresity"]
    assert caught.value.exit_code == 2


def test_a_registry_without_entries_is_empty_and_not_an_error(registry):
    assert registry.names() == []
    assert list(registry.listing()) == []
    with pytest.raises(UnknownName):
        registry["any"]


def test_entries_of_other_groups_are_not_taken(install):
    install("good-things", "good_things", GOOD, ("one", "thing"))
    assert "one" not in Registry("task", group="evalsuite.tasks", attributes=()).names()
