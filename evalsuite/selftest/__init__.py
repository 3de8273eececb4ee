"""The self-test: the suite's statistics on data whose truth is known, next to what others do."""

from evalsuite.selftest.results import CellResult, PeerResult, RateResult, SelfTest
from evalsuite.selftest.run import check, run_selftest

__all__ = ["CellResult", "PeerResult", "RateResult", "SelfTest", "check", "run_selftest"]
