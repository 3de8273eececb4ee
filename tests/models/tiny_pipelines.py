"""Text-to-image pipelines of random weights, made from their configurations in a blink."""

from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers
from diffusers.pipelines.stable_diffusion import StableDiffusionSafetyChecker
from tokenizers import Tokenizer, models, pre_tokenizers, processors

WORDS = ("a", "photo", "of", "red", "blue", "green", "circle", "star", "square", "doctor", "on")
POSITIONS = 16


def word_tokenizer(positions: int = POSITIONS) -> Any:
    """A token a word; texts are cut or padded to ``positions`` by the pipelines."""
    special = ["<pad>", "<start>", "<end>", "<unknown>"]
    vocabulary = {word: i for i, word in enumerate([*special, *WORDS])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unknown>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<start> $A <end>", special_tokens=[("<start>", 1), ("<end>", 2)]
    )
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", bos_token="<start>", eos_token="<end>",
        unk_token="<unknown>", model_max_length=positions,
    )  # fmt: skip


def text_encoder() -> Any:
    """A CLIP text encoder whose states hang on every word."""
    config = transformers.CLIPTextConfig(
        vocab_size=4 + len(WORDS), hidden_size=32, intermediate_size=64, num_hidden_layers=2,
        num_attention_heads=2, max_position_embeddings=POSITIONS, pad_token_id=0, bos_token_id=1,
        eos_token_id=2, initializer_factor=8.0,
    )  # fmt: skip
    return transformers.CLIPTextModel(config).eval()


def unet(**more: Any) -> Any:
    config = {
        "sample_size": 8, "in_channels": 4, "out_channels": 4, "block_out_channels": (16, 32),
        "layers_per_block": 1, "norm_num_groups": 8, "cross_attention_dim": 32,
        "attention_head_dim": 2, "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"), **more,
    }  # fmt: skip
    return diffusers.UNet2DConditionModel(**config).eval()


def autoencoder() -> Any:
    """Eight latents a side become 32 pixels."""
    return diffusers.AutoencoderKL(
        in_channels=3, out_channels=3, latent_channels=4, block_out_channels=(8, 16, 16),
        down_block_types=("DownEncoderBlock2D",) * 3, up_block_types=("UpDecoderBlock2D",) * 3,
        layers_per_block=1, norm_num_groups=4, sample_size=32,
    ).eval()  # fmt: skip


def tiny_autoencoder() -> Any:
    return diffusers.AutoencoderTiny(
        encoder_block_out_channels=(8, 8, 8), decoder_block_out_channels=(8, 8, 8),
        num_encoder_blocks=(1, 1, 1), num_decoder_blocks=(1, 1, 1), latent_channels=4,
        scaling_factor=1.0,
    ).eval()  # fmt: skip


def ddim(**more: Any) -> Any:
    return diffusers.DDIMScheduler(clip_sample=False, steps_offset=1, **more)


def safety_checker(*, flags: bool) -> Any:
    """A checker that takes every image, or none: its thresholds decide, not the image."""
    size: dict[str, Any] = {
        "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1,
        "num_attention_heads": 2,
    }  # fmt: skip
    config = transformers.CLIPConfig(
        vision_config={**size, "image_size": 32, "patch_size": 16}, text_config=size,
        projection_dim=8,
    )  # fmt: skip
    checker = StableDiffusionSafetyChecker(config).eval()
    threshold = -2.0 if flags else 2.0  # of a cosine
    for weights in (checker.concept_embeds_weights, checker.special_care_embeds_weights):
        weights.data.fill_(threshold)
    torch.nn.init.normal_(checker.concept_embeds)
    torch.nn.init.normal_(checker.special_care_embeds)
    return checker


def image_processor() -> Any:
    size = {"height": 32, "width": 32}
    return transformers.CLIPImageProcessor(size={"shortest_edge": 32}, crop_size=size)


def save_stable_diffusion(
    folder: Path,
    *,
    tiny_vae: bool = False,
    checker: bool | None = None,
    scheduler: Any = None,
) -> Path:
    """Save a StableDiffusionPipeline of 32 x 32 pixels.

    Parameters
    ----------
    checker : bool or None
        Whether its safety checker flags everything or nothing; None for a pipeline without one.
    scheduler : scheduler or None
        By default DDIM.
    """
    torch.manual_seed(7)
    pipeline = diffusers.StableDiffusionPipeline(
        vae=tiny_autoencoder() if tiny_vae else autoencoder(),
        text_encoder=text_encoder(),
        tokenizer=word_tokenizer(),
        unet=unet(),
        scheduler=scheduler or ddim(),
        safety_checker=None if checker is None else safety_checker(flags=checker),
        feature_extractor=None if checker is None else image_processor(),
        requires_safety_checker=False,
    )
    pipeline.save_pretrained(folder)
    return folder


def save_latent_consistency(folder: Path) -> Path:
    """Save a LatentConsistencyModelPipeline: few steps, and no negative prompt."""
    torch.manual_seed(8)
    pipeline = diffusers.LatentConsistencyModelPipeline(
        vae=tiny_autoencoder(),
        text_encoder=text_encoder(),
        tokenizer=word_tokenizer(),
        unet=unet(time_cond_proj_dim=16),
        scheduler=diffusers.LCMScheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.save_pretrained(folder)
    return folder


def save_flux(folder: Path) -> Path:
    """Save a FluxPipeline: a transformer, flow matching, two text encoders, guidance as an input.

    Its own size is 256 x 256 pixels, which is slow: give a smaller one.
    """
    torch.manual_seed(10)
    t5 = transformers.T5Config(
        vocab_size=4 + len(WORDS), d_model=32, d_kv=8, d_ff=64, num_layers=1, num_heads=4,
        pad_token_id=0, eos_token_id=2,
    )  # fmt: skip
    pipeline = diffusers.FluxPipeline(
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(),
        vae=diffusers.AutoencoderKL(
            in_channels=3, out_channels=3, latent_channels=4, block_out_channels=(8, 16),
            down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2,
            layers_per_block=1, norm_num_groups=4, sample_size=32, shift_factor=0.0,
            scaling_factor=1.0, use_quant_conv=False, use_post_quant_conv=False,
        ).eval(),
        text_encoder=text_encoder(),
        tokenizer=word_tokenizer(),
        text_encoder_2=transformers.T5EncoderModel(t5).eval(),
        tokenizer_2=word_tokenizer(),
        transformer=diffusers.FluxTransformer2DModel(
            patch_size=1, in_channels=16, num_layers=1, num_single_layers=1,
            attention_head_dim=16, num_attention_heads=2, joint_attention_dim=32,
            pooled_projection_dim=32, axes_dims_rope=(4, 4, 8), guidance_embeds=True,
        ).eval(),
    )  # fmt: skip
    pipeline.save_pretrained(folder)
    return folder
