"""A tokenizer of whole words: tinyworld's models know some sixty of them."""

from collections.abc import Sequence

from tokenizers import Tokenizer, normalizers, pre_tokenizers
from tokenizers.models import WordLevel
from tokenizers.processors import TemplateProcessing
from transformers import PreTrainedTokenizerFast

PAD, UNKNOWN, BEGIN, END = "<pad>", "<unk>", "<s>", "</s>"


def word_tokenizer(words: Sequence[str], *, max_words: int) -> PreTrainedTokenizerFast:
    """Build a tokenizer: lower case, split at blanks, one token a word, full stops dropped.

    Parameters
    ----------
    words : sequence of str
        The vocabulary; any other word is unknown.
    max_words : int
        Longest text in tokens, its begin and end among them.
    """
    # The end has the largest id: open_clip takes a text's features at its largest token.
    tokens = [PAD, UNKNOWN, BEGIN, *words, END]
    ids = {token: i for i, token in enumerate(tokens)}
    tokenizer = Tokenizer(WordLevel(ids, unk_token=UNKNOWN))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Lowercase(), normalizers.Replace(".", " ")]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = TemplateProcessing(
        single=f"{BEGIN} $A {END}", special_tokens=[(BEGIN, ids[BEGIN]), (END, ids[END])]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token=UNKNOWN,
        pad_token=PAD,
        bos_token=BEGIN,
        eos_token=END,
        model_max_length=max_words,
    )
