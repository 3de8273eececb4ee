"""Answers a second about images: ours against plain loops of one question a call.

    OMP_NUM_THREADS=1 python benchmarks/visual_questions.py --images 40 --questions 10

The full size is ``--images 2000``. One model is built from its configuration and asked the same
closed questions three ways in one process: by the suite, which reads an image once for all its
questions and many images together; by transformers' ``generate`` with image and question each
time, as most scripts do; and by one forward pass for each answer, which gives the suite's scores.
The plain loops are timed on the first ``--plain-images`` images, for their rate does not hang on
how many there are, and ``generate`` writes no more tokens than the longest answer has. Seconds are
of one thread's CPU, so that another process's load does not count.
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np

COLOURS = ("red", "green", "blue", "black", "white", "yellow")
THINGS = ("car", "dress", "house", "door", "hat", "book", "table", "lamp", "cup", "bird", "shoe",
          "coat", "bag", "chair", "roof", "wall")  # fmt: skip
QUESTIONS = [f"What is the colour of the {thing} in this image?" for thing in THINGS]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=40)
    parser.add_argument("--questions", type=int, default=10, choices=range(1, 17), metavar="N")
    parser.add_argument("--plain-images", type=int, default=10, help="images of the plain loops")
    parser.add_argument("--image-size", type=int, default=336, help="pixels; LLaVA 1.5 has 336")
    parser.add_argument("--hidden", type=int, default=128, help="width of both towers")
    parser.add_argument("--layers", type=int, default=4, help="layers of both towers")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    report = measure(options)
    for name, value in report.items():
        print(f"{name:<34} {value:.4g}" if isinstance(value, float) else f"{name:<34} {value}")
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n")


def measure(options: argparse.Namespace) -> dict[str, Any]:
    import torch
    import transformers

    from evalsuite.batching import cut_packs
    from evalsuite.images import image_sha256, png_bytes, read_image
    from evalsuite.models.spec import ModelSpec
    from evalsuite.models.transformers import backend
    from evalsuite.requests import ImagePart, LabelsPart, Prompt, Request, TextPart

    rng = np.random.default_rng(0)
    size = options.image_size
    pixels = rng.integers(0, 256, (options.images, size, size, 3), dtype=np.uint8)
    pngs = {image_sha256(png): png for png in map(png_bytes, pixels)}
    questions = QUESTIONS[: options.questions]
    with tempfile.TemporaryDirectory() as place:
        folder = save_model(Path(place), options)
        handle = backend.open(ModelSpec.parse(f"transformers:{folder}"), offline=True, home=folder)
        model: Any = handle.load("cpu")
    requests = [
        Request(
            "answers_visual_questions",
            handle.entrant,
            Prompt(parts=(ImagePart(sha256=s), TextPart(text=q), LabelsPart(labels=COLOURS))),
        )
        for s in pngs
        for q in questions
    ]

    def ours() -> list[Any]:
        packs = cut_packs(requests, model.sizes(requests), budget=model.pack_budget)
        found = {}
        for pack in packs:
            for response in model.answer_questions(pack.requests, lambda p: pngs[p.sha256]):
                found[response.key] = response.scores
        return [found[request.key] for request in requests]

    few = list(pngs)[: options.plain_images]

    def generating() -> list[Any]:
        processor, network = model._processor, model._model
        turns = [model._writer.turn(question, COLOURS) for question in questions]
        longest = max(len(answer) for turn in turns for answer in turn.answers)
        found = []
        for name in few:
            for turn in turns:
                image = read_image(pngs[name])
                inputs = processor(images=[image], text=[turn.text], return_tensors="pt")
                with torch.inference_mode():
                    found.append(
                        network.generate(**inputs, max_new_tokens=longest, do_sample=False)
                    )
        return found

    def ranking() -> list[Any]:
        return [
            model.plain_scores(read_image(pngs[name]), question, COLOURS)
            for name in few
            for question in questions
        ]

    model.answer_questions(requests[:2], lambda p: pngs[p.sha256])  # warms up
    scores, seconds = timed(ours)
    _, generate_s = timed(generating)
    plain, ranking_s = timed(ranking)
    rate, n_plain = len(requests) / seconds, len(few) * len(questions)
    worst = np.abs(np.log(scores[:n_plain]) - np.log(plain)).max()
    return {
        "images": options.images,
        "questions_per_image": options.questions,
        "answers_per_question": len(COLOURS),
        "parameters": sum(p.numel() for p in model._model.parameters()),
        "ours_answers_per_s": rate,
        "generate_answers_per_s": n_plain / generate_s,
        "ranking_answers_per_s": n_plain / ranking_s,
        "ratio_to_generate": rate * generate_s / n_plain,
        "ratio_to_ranking": rate * ranking_s / n_plain,
        "largest_difference_of_log_scores": float(worst),
        "seconds_ours": seconds,
        "load_average": os.getloadavg()[0],
        "torch": torch.__version__,
        "transformers": transformers.__version__,
    }


def timed(work: Callable[[], list[Any]]) -> tuple[list[Any], float]:
    start = time.process_time()
    found = work()
    return found, time.process_time() - start


def save_model(folder: Path, options: argparse.Namespace) -> Path:
    """A LLaVA of random weights: patches of 14 pixels, about a token for every word."""
    import torch
    import transformers
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    from evalsuite.models.visual_options import worded

    own = Tokenizer(models.BPE())
    own.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    own.decoder = decoders.ByteLevel()
    own.train_from_iterator(
        ["user: assistant: ", *(worded(question, COLOURS) for question in QUESTIONS)] * 10,
        trainers.BpeTrainer(
            vocab_size=4000,
            special_tokens=["<pad>", "<end>", "<start>", "<image>"],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=own, pad_token="<pad>", eos_token="<end>"
    )
    size = {"height": options.image_size, "width": options.image_size}
    processor = transformers.LlavaProcessor(
        transformers.CLIPImageProcessor(size=size, crop_size=size),
        tokenizer,
        patch_size=14,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=(
            "{% for m in messages %}{{ m.role }}: {% for p in m.content %}{% if p.type == 'image' "
            "%}<image>{% else %}{{ p.text }}{% endif %}{% endfor %}{% if m.role == 'assistant' %}"
            "<end>{% endif %} {% endfor %}{% if add_generation_prompt %}assistant: {% endif %}"
        ),
    )
    tower: dict[str, Any] = {
        "hidden_size": options.hidden,
        "intermediate_size": 4 * options.hidden,
        "num_hidden_layers": options.layers,
        "num_attention_heads": 4,
    }
    torch.manual_seed(0)
    config = transformers.LlavaConfig(
        vision_config=transformers.CLIPVisionConfig(
            **tower, image_size=options.image_size, patch_size=14
        ),
        text_config=transformers.LlamaConfig(
            **tower, vocab_size=4000, eos_token_id=1, pad_token_id=0
        ),
        image_token_index=3,
        vision_feature_layer=-1,
    )
    transformers.LlavaForConditionalGeneration(config).save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


if __name__ == "__main__":
    main()
