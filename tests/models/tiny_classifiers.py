"""Small text classifiers that learn a known rule in the test: what they say is known beforehand."""

from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers, processors

WORDS = ["yes", "no", "good", "sun", "rain", "tree", "river", "stone", "bird", "night"]
LABELS = ("ENTAILMENT", "NEUTRAL", "CONTRADICTION")
_SPECIAL = ["<pad>", "<unk>", "<cls>", "<sep>"]


def word_tokenizer() -> Any:
    """A token for each of ten words and each sign; pairs are set apart as BERT does."""
    vocabulary = [*_SPECIAL, ".", ",", *WORDS]
    tokenizer = Tokenizer(
        models.WordLevel({w: i for i, w in enumerate(vocabulary)}, unk_token="<unk>")
    )
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<cls> $A <sep>",
        pair="<cls> $A <sep> $B:1 <sep>:1",
        special_tokens=[("<cls>", 2), ("<sep>", 3)],
    )
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", unk_token="<unk>", model_max_length=40,
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
    )  # fmt: skip


def relation(hypothesis: str) -> int:
    """The rule of the NLI model: "yes" entails, "no" contradicts, neither is neutral."""
    words = hypothesis.replace(".", " ").split()
    return 0 if "yes" in words else 2 if "no" in words else 1


def reward(answer: str) -> float:
    """The rule of the reward model: how often "good" stands in the answer."""
    return float(answer.replace(".", " ").split().count("good"))


def _sentence(rng: torch.Generator, extra: str = "") -> str:
    picked = [WORDS[3 + int(torch.randint(7, (1,), generator=rng))] for _ in range(4)]
    if extra:
        picked.insert(int(torch.randint(5, (1,), generator=rng)), extra)
    return " ".join(picked) + "."


def _learn(model: Any, tokenizer: Any, batches: Any, loss_of: Any) -> None:
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    model.train()
    for first, second, target in batches:
        read = tokenizer(first, second, padding=True, return_tensors="pt")
        loss = loss_of(model(**read).logits, torch.tensor(target))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()


def _model(n_labels: int, **more: Any) -> Any:
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=len(_SPECIAL) + 2 + len(WORDS), hidden_size=32, intermediate_size=32,
        num_hidden_layers=1, num_attention_heads=2, max_position_embeddings=40, pad_token_id=0,
        num_labels=n_labels, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, **more,
    )  # fmt: skip
    return transformers.BertForSequenceClassification(config)


def save_nli_classifier(folder: Path, labels: tuple[str, ...] | None = LABELS) -> Path:
    """Learn `relation` and save; without labels the config does not say what the outputs mean."""
    rng = torch.Generator().manual_seed(1)
    names = {} if labels is None else {"id2label": dict(enumerate(labels))}
    model, tokenizer = _model(3, **names), word_tokenizer()

    def batches() -> Any:
        for _ in range(300):
            extras = ["yes", "no", ""] * 8
            hypotheses = [_sentence(rng, extra) for extra in extras]
            # Words of the premise say nothing: the model must look at the hypothesis.
            premises = [_sentence(rng, extra) for extra in reversed(extras)]
            yield premises, hypotheses, [relation(text) for text in hypotheses]

    _learn(model, tokenizer, batches(), torch.nn.functional.cross_entropy)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def save_reward_model(folder: Path) -> Path:
    """Learn `reward` and save a model with one output."""
    rng = torch.Generator().manual_seed(2)
    model, tokenizer = _model(1), word_tokenizer()

    def batches() -> Any:
        for _ in range(300):
            answers = [_sentence(rng, " ".join(["good"] * (i % 4))) for i in range(24)]
            yield [_sentence(rng) for _ in answers], answers, [[reward(text)] for text in answers]

    _learn(model, tokenizer, batches(), torch.nn.functional.mse_loss)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
