import sys

import pytest

from evalsuite.errors import BadInput, UnknownName
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


def test_two_packages_that_register_one_name_are_both_named(install, registry):
    install("good-things", "good_things", GOOD, ("one", "thing"))
    install("other-things", "other_things", GOOD, ("one", "thing"))
    for look in (registry.names, lambda: registry["one"], lambda: list(registry.listing())):
        with pytest.raises(BadInput, match="two packages register the thing 'one'") as caught:
            look()
        assert "good-things (good_things:thing)" in str(caught.value)
        assert "other-things (other_things:thing)" in str(caught.value)


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
