"""The wheel holds the tasks with their data, and works where it is installed."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_the_wheel_is_complete(tmp_path: Path) -> None:
    source = tmp_path / "source"
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT,
                            capture_output=True, text=True, check=True)  # fmt: skip
    for name in listed.stdout.splitlines():
        wanted = name.startswith(("evalsuite/", "tasks/")) or "/" not in name
        if wanted and (ROOT / name).is_file():
            target = source / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes((ROOT / name).read_bytes())
    built = subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--no-index",
         "--wheel-dir", str(tmp_path), str(source)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert built.returncode == 0, built.stderr
    wheel = next(tmp_path.glob("*.whl"))
    site = tmp_path / "site"
    zipfile.ZipFile(wheel).extractall(site)
    script = (
        "import evalsuite, evalsuite_tasks\n"
        "from evalsuite.tasks import TASKS\n"
        "task = TASKS['rlhf_diversity']\n"
        "print(evalsuite.__file__, len(task.prompt_set('open')))\n"
    )
    path = f"import sys; sys.path[:0] = {[str(site), *sys.path]!r}\n"
    ran = subprocess.run(
        [sys.executable, "-S", "-c", path + script],  # -S: without the editable install
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert str(site) in ran.stdout and ran.stdout.strip().endswith(" 120")
    shipped = set(zipfile.ZipFile(wheel).namelist())
    for folder, package in (("evalsuite", "evalsuite"), ("tasks", "evalsuite_tasks")):
        for file in (source / folder).rglob("*.py"):
            name = f"{package}/{file.relative_to(source / folder)}"
            assert name in shipped, "pyproject.toml does not list its package"
