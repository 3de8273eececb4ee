"""What a text model is told at each stage of building a GRADE set; the wording is our own.

The four stages are those of Rassin et al. 2024 (GRADE section 3): captions, questions, answers to
each question under each caption, and one pass over all answers to a question.
"""

from collections.abc import Sequence

from evalsuite_tasks.grade.concepts import Scene

_SCENES: dict[Scene, tuple[str, str]] = {
    "common": (
        "where anybody would expect it",
        '["a wheelbarrow in a garden.", "a wheelbarrow on a building site.", '
        '"a wheelbarrow in a barn."]',
    ),
    "uncommon": (
        "where nobody would expect it, though it could be there",
        '["a wheelbarrow in a bank.", "a wheelbarrow on a ferry.", "a wheelbarrow in a cinema."]',
    ),
}

_CAPTIONS = """\
Write three captions of pictures. Each shows {concept} in another place, {where}.
A caption is "{concept}", word for word, then the place, then a full stop. It does not say what \
{concept} looks like, nor what it does.
Answer with a list of three texts in square brackets and with nothing else.

Example for "a wheelbarrow":
{example}

Your list for "{concept}":"""

_QUESTIONS = """\
In what can two pictures of {concept} differ? Think of its parts, its material, its shape, its \
colors, its state and what it is doing. Then write one to five short questions, each on one such \
difference.
Each question must be one that a person can answer by looking at a single picture. Ask about what \
is there to be seen, never about size (big, small, tall, short) or taste (beautiful, modern), and \
not about the place around it.
Number the questions 1., 2. and so on, one a line, each ending with a question mark.

Example for "a wheelbarrow":
1. How many wheels does the wheelbarrow have?
2. What is the tray of the wheelbarrow made of?
3. What color is the tray of the wheelbarrow?
4. What is in the wheelbarrow?
5. Is somebody pushing the wheelbarrow?

Your questions for "{concept}":"""

_VALUES = """\
A picture has the caption "{caption}". It is not known what else it shows. Somebody will be asked: \
{question}
List the answers that may well be true. Each is one to three words, says one thing, fits beside \
the others and is not more precise than people are. No answer has brackets in it. If the question \
is so open that no short list covers it, or asks whether something is so, list only "yes" and "no".
Answer with a list of texts in square brackets and with nothing else.

Example for the caption "a lantern in a cellar." and the question What does the lantern burn?
["candle", "oil", "gas", "electric bulb"]

Your list:"""

_FILTER = """\
People will be shown pictures of {concept} and asked: {question}
They choose one of these answers: {values}
Take out of the list
- an answer that says the same as another one; of the two, the more precise one goes
- an answer that nobody can tell from a picture
- an answer that is not of the same kind as the others
- an answer that means that none of the others fits
and keep all others exactly as they are written.
Answer with the list of those that are kept, in square brackets, and with nothing else.

Example for the question What is on the shelf? and the answers \
["books", "novels", "plants", "dust mites", "none of these"]
["books", "plants"]

Example for the question What shape is the mirror? and the answers \
["round", "circular", "oval", "square", "hanging on a wall"]
["round", "oval", "square"]

Your list:"""


def ask_for_captions(concept: str, scene: Scene) -> str:
    """Stage 1: three captions in usual places, or three in unusual ones.

    >>> print(ask_for_captions("a kite", "common").splitlines()[0][:64])
    Write three captions of pictures. Each shows a kite in another p
    """
    where, example = _SCENES[scene]
    return _CAPTIONS.format(concept=concept, where=where, example=example)


def ask_for_questions(concept: str) -> str:
    """Stage 2: questions about what differs between pictures of a concept."""
    return _QUESTIONS.format(concept=concept)


def ask_for_values(caption: str, question: str) -> str:
    """Stage 3: answers to a question about a picture with that caption."""
    return _VALUES.format(caption=caption, question=question)


def ask_for_kept(concept: str, question: str, values: Sequence[str]) -> str:
    """Stage 4: which of all answers to a question stay."""
    listed = "[" + ", ".join(quoted(value) for value in values) + "]"
    return _FILTER.format(concept=concept, question=question, values=listed)


def quoted(value: str) -> str:
    r"""A value as a list literal has it.

    >>> print(quoted('2" nails'))
    "2\" nails"
    """
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
