"""The real model, killed in the middle and resumed, ends with the undisturbed record."""

import signal
import time
from pathlib import Path
from typing import Any

import pytest

from tests.spine.runs import JUDGE, record_of, start
from tests.spine.runs import evalsuite as cli

MODEL = "embedded:smollm2-135m?batch_tokens=160"
ARGUMENTS = ("run", "rlhf_diversity", *JUDGE, "--limit", "6", "--samples", "4", "--option",
             "max_new_tokens=12", "--json")  # fmt: skip


def home_with_model(folder: Path, conversion_home: Path) -> str:
    """A home of its own that shares the unpacked model."""
    folder.mkdir()
    (folder / "models").symlink_to(conversion_home / "models", target_is_directory=True)
    return str(folder)


@pytest.mark.slow
def test_the_real_model_killed_and_resumed_gives_the_undisturbed_record(
    tmp_path: Path, conversion_home: Path, smollm2: Any
) -> None:
    assert smollm2 is not None, "the model is unpacked by now"
    whole = home_with_model(tmp_path / "whole", conversion_home)
    killed = home_with_model(tmp_path / "killed", conversion_home)
    process = start(*ARGUMENTS, "--model", MODEL, "--out", "killed-out", cwd=tmp_path,
                    EVALSUITE_HOME=killed)  # fmt: skip
    shards = tmp_path / "killed" / "store"
    for _ in range(1200):
        if len(list(shards.rglob("*.parquet"))) >= 2 or process.poll() is not None:
            break
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    n_kept = len(list(shards.rglob("*.parquet")))
    resumed = record_of(cli(*ARGUMENTS, "--model", MODEL, "--out", "killed-out", cwd=tmp_path,
                            EVALSUITE_HOME=killed))  # fmt: skip
    assert n_kept >= 2 and 0 < resumed["provenance"]["cached"]["model"] < 24
    # Other packs too: the undisturbed run takes the default ones.
    default = "embedded:smollm2-135m"
    undisturbed = record_of(cli(*ARGUMENTS, "--model", default, "--out", "whole-out", cwd=tmp_path,
                                EVALSUITE_HOME=whole))  # fmt: skip
    assert resumed["hash"] == undisturbed["hash"]
