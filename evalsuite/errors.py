"""What can go wrong, said so that a user can act on it: what, where, and what to do next."""


class EvalsuiteError(Exception):
    """Base of every error whose message is fit to show a user, without a traceback.

    Attributes
    ----------
    exit_code : int
        The process exit code that the CLI ends with.
    """

    exit_code = 1


class BadInput(EvalsuiteError):
    """The user's input cannot be used as it stands."""

    exit_code = 2


class UnknownName(BadInput):
    """A task, model, option or set that does not exist."""


class MissingPackage(BadInput):
    """An optional package that this job needs is not installed."""


class TooLittleInCommon(BadInput):
    """Records share too few units for a comparison."""


class StoreError(BadInput):
    """The response store cannot be read or written."""


class Refused(EvalsuiteError):
    """The input asks for something that the suite does not do, for safety's sake."""

    exit_code = 3


class Incomplete(EvalsuiteError):
    """Some answers could not be had; the same command goes on where this one stopped."""

    exit_code = 4


class VerificationFailed(EvalsuiteError):
    """A record does not follow from its responses."""

    exit_code = 5


class GenerationError(Exception):
    """A model could not answer; that becomes a response of status ``error``."""


class OutOfMemory(Exception):
    """The device has too little memory for a pack; the engine halves the pack and tries again."""
