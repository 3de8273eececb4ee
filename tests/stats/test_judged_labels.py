import pytest

from evalsuite.stats.judged_labels import JudgedLabels


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([], [], [1], [1, 2]), "no outputs"),
        (([1], [1], [], [1, 2]), "no outputs"),
        (([1], [1, 2], [1], [1, 2]), "1 labels, 2 judged"),
        (([1], [3], [1], [1, 2]), "3 is not among"),
        (([1], [1], [1], [1]), "at least two"),
        (([1], [1], [1], [1, 1, 2]), "each once"),
        (([1], [1], [1], [1, 2], [1]), "or of neither"),
    ],
)
def test_labels_that_make_no_sense_are_an_error(arguments, message):
    with pytest.raises(ValueError, match=message):
        JudgedLabels(*arguments)
