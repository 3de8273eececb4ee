"""Trains a tiny latent diffusion model of tinyworld, on a laptop's CPU.

    python -m evalsuite.embedded.train_tinydiffusion --out FOLDER [--captions open|named]

Stages, each with a checkpoint in the folder, so that a killed training goes on: drawings,
autoencoder, denoiser with its text encoder, decoder alone. What is there is not made again, and two
models can share one autoencoder (``--autoencoder FOLDER``).
"""

import argparse
import json
import logging
import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderTiny, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from torch.nn.attention import SDPBackend, sdpa_kernel
from transformers import CLIPTextConfig, CLIPTextModel, PreTrainedTokenizerFast

from evalsuite.embedded.training_loop import Schedule, put, train
from evalsuite.embedded.training_scenes import (
    captions_of,
    draw_scenes,
    training_joint,
    vocabulary,
)
from evalsuite.embedded.word_tokenizer import word_tokenizer
from evalsuite.tinyworld.world import Scene

log = logging.getLogger("evalsuite.training")

N_PEOPLE, N_SHAPES = 36_000, 20_000
BATCH = 128
PEOPLE_SHARE = 0.62
AUTOENCODER = Schedule(steps=1400, peak=2e-3, warm_up=100, flat=0.2, decay=0.998)
DENOISER = Schedule(steps=6400, peak=1.2e-3)
DECODER = Schedule(steps=700, peak=1.5e-3, warm_up=50, flat=0.1, decay=0.998)
MAX_WORDS = 20


def autoencoder() -> AutoencoderTiny:
    """32 x 32 x 3 to 8 x 8 x 8 and back."""
    return AutoencoderTiny(
        encoder_block_out_channels=(48, 48, 48),
        decoder_block_out_channels=(48, 48, 48),
        num_encoder_blocks=(0, 1, 1),
        num_decoder_blocks=(2, 2, 1),
        latent_channels=8,
        upsampling_scaling_factor=2,
    )


def denoiser() -> UNet2DConditionModel:
    """Two resolutions, cross-attention to the caption at the lower one."""
    return UNet2DConditionModel(
        sample_size=8,
        in_channels=8,
        out_channels=8,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        mid_block_type="UNetMidBlock2DCrossAttn",
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        block_out_channels=(64, 112),
        layers_per_block=1,
        attention_head_dim=(2, 4),
        norm_num_groups=16,
        cross_attention_dim=96,
        use_linear_projection=True,
    )


def text_encoder(tokenizer: PreTrainedTokenizerFast) -> CLIPTextModel:
    """Two layers over words."""
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=96,
            intermediate_size=384,
            num_hidden_layers=2,
            num_attention_heads=4,
            max_position_embeddings=MAX_WORDS,
            projection_dim=96,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


def scheduler() -> DDIMScheduler:
    """Cosine noise that ends in nothing but noise; the model predicts velocities."""
    return DDIMScheduler(
        beta_schedule="squaredcos_cap_v2",
        prediction_type="v_prediction",
        rescale_betas_zero_snr=True,
        timestep_spacing="trailing",
        clip_sample=False,
        steps_offset=1,
    )


class Training:
    """One model's training in a folder.

    Parameters
    ----------
    folder : Path
    names_all : bool
        Captions always name every attribute.
    scale : float
        Share of the steps and drawings of a full training; tests take little.
    """

    def __init__(
        self, folder: Path, *, names_all: bool, autoencoder_folder: Path, scale: float = 1.0
    ) -> None:
        self.folder = folder
        self.names_all = names_all
        self.autoencoder_folder = autoencoder_folder
        self.scale = scale
        for path in (folder, autoencoder_folder):
            path.mkdir(parents=True, exist_ok=True)
        self.tokenizer = word_tokenizer(vocabulary(), max_words=MAX_WORDS)

    def run(self) -> None:
        """Everything that is not there yet."""
        self._draw()
        vae = self._autoencoder()
        latents = self._latents(vae)
        unet, text = self._denoiser(latents)
        self._decoder(vae, latents)
        self._save(vae, unet, text)

    def _draw(self) -> None:
        path = self.autoencoder_folder / "drawings.npz"
        sizes = (int(N_PEOPLE * self.scale), int(N_SHAPES * self.scale))
        if not path.exists():
            log.info("drawing %d people and %d shapes", *sizes)
            joint = training_joint()
            people = draw_scenes("person", sizes[0], joint=joint, seed=1)
            shapes = draw_scenes("shape", sizes[1], joint=joint, seed=2)
            values = [s.values for s in (*people.scenes, *shapes.scenes)]
            pixels = np.concatenate([people.pixels, shapes.pixels])
            np.savez(path, pixels=pixels, values=np.array(values), n_people=sizes[0])
        found = np.load(path)
        n = int(found["n_people"])
        self.n_people = n
        self.scenes = [
            Scene("person" if i < n else "shape", tuple(map(str, row)))
            for i, row in enumerate(found["values"])
        ]
        self.pixels = torch.from_numpy(found["pixels"]).permute(0, 3, 1, 2)

    def _batch(self, rng: np.random.Generator, size: int) -> torch.Tensor:
        people = int(PEOPLE_SHARE * size)
        rows = np.concatenate(
            [
                rng.integers(0, self.n_people, people),
                rng.integers(self.n_people, len(self.scenes), size - people),
            ]
        )
        return torch.from_numpy(rows)

    def _images(self, rows: torch.Tensor) -> torch.Tensor:
        return (self.pixels[rows].float() / 127.5 - 1.0).contiguous(
            memory_format=torch.channels_last
        )

    def _steps(self, schedule: Schedule) -> Schedule:
        return Schedule(**(vars(schedule) | {"steps": max(4, int(schedule.steps * self.scale))}))

    def _autoencoder(self) -> AutoencoderTiny:
        torch.manual_seed(0)
        vae = autoencoder().to(memory_format=torch.channels_last)

        def loss_of(step: int) -> torch.Tensor:
            rng = np.random.default_rng((3, step))
            images = self._images(self._batch(rng, 64))
            noise = torch.from_numpy(rng.standard_normal((64, 8, 8, 8), dtype=np.float32))
            with torch.autocast("cpu", torch.bfloat16):
                latents = vae.encode(images).latents
                found = vae.decode(latents + 0.1 * noise).sample.float()
            gaps = found - images
            latents = latents.float()
            means, variances = latents.mean((0, 2, 3)), latents.var((0, 2, 3))
            return (
                gaps.abs().mean()
                + 0.5 * gaps.square().mean()
                + 0.02 * (means.square().mean() + (variances - 1).square().mean())
            )

        log.info("autoencoder")
        averages = train(
            {"vae": vae},
            loss_of,
            self._steps(AUTOENCODER),
            checkpoint=self.autoencoder_folder / "autoencoder.safetensors",
        )
        put(vae, averages["vae"])
        return vae.eval().requires_grad_(False)

    def _latents(self, vae: AutoencoderTiny) -> torch.Tensor:
        with torch.inference_mode():
            parts = [
                vae.encode(self._images(torch.arange(i, min(i + 512, len(self.scenes))))).latents
                for i in range(0, len(self.scenes), 512)
            ]
        latents = torch.cat(parts)
        vae.register_to_config(scaling_factor=float(1.0 / latents.std()))
        return latents.clone()

    def _denoiser(self, latents: torch.Tensor) -> tuple[UNet2DConditionModel, CLIPTextModel]:
        torch.manual_seed(1)
        unet = denoiser().to(memory_format=torch.channels_last)
        text = text_encoder(self.tokenizer)
        noising = scheduler()
        scale = 1.0 / float(latents.std())

        def loss_of(step: int) -> torch.Tensor:
            rng = np.random.default_rng((4, step))
            rows = self._batch(rng, BATCH)
            captions = captions_of(
                [self.scenes[i] for i in rows.tolist()], rng, names_all=self.names_all, dropped=0.1
            )
            ids = self.tokenizer(
                captions, padding="max_length", truncation=True, return_tensors="pt"
            ).input_ids
            clean = latents[rows] * scale
            noise = torch.from_numpy(rng.standard_normal(clean.shape, dtype=np.float32))
            times = torch.from_numpy(rng.integers(0, noising.config.num_train_timesteps, BATCH))
            noisy = noising.add_noise(clean, noise, times).contiguous(
                memory_format=torch.channels_last
            )
            # The flash kernel's backward pass is slow on CPUs.
            with torch.autocast("cpu", torch.bfloat16), sdpa_kernel(SDPBackend.MATH):
                states = text(ids).last_hidden_state
                found = unet(noisy, times, states).sample
            return torch.nn.functional.mse_loss(
                found.float(), noising.get_velocity(clean, noise, times)
            )

        log.info("denoiser")
        averages = train(
            {"unet": unet, "text": text},
            loss_of,
            self._steps(DENOISER),
            checkpoint=self.folder / "denoiser.safetensors",
        )
        put(unet, averages["unet"])
        put(text, averages["text"])
        return unet.eval(), text.eval()

    def _decoder(self, vae: AutoencoderTiny, latents: torch.Tensor) -> None:
        vae.decoder.requires_grad_(True)

        def loss_of(step: int) -> torch.Tensor:
            rng = np.random.default_rng((5, step))
            rows = self._batch(rng, BATCH)
            noise = torch.from_numpy(rng.standard_normal((BATCH, 8, 8, 8), dtype=np.float32))
            with torch.autocast("cpu", torch.bfloat16):
                found = vae.decode(latents[rows] + 0.15 * noise).sample.float()
            gaps = found - self._images(rows)
            return gaps.abs().mean() + 0.5 * gaps.square().mean()

        log.info("decoder")
        averages = train(
            {"decoder": vae.decoder},
            loss_of,
            self._steps(DECODER),
            checkpoint=self.autoencoder_folder / "decoder.safetensors",
        )
        put(vae.decoder, averages["decoder"])
        vae.requires_grad_(False)

    def _save(self, vae: AutoencoderTiny, unet: UNet2DConditionModel, text: CLIPTextModel) -> None:
        pipeline = StableDiffusionPipeline(
            vae=vae,
            text_encoder=text,
            tokenizer=self.tokenizer,
            unet=unet,
            scheduler=scheduler(),
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )
        save_pipeline(pipeline, self.folder / "pipeline")
        log.info("saved in %s", self.folder / "pipeline")


def save_pipeline(pipeline: StableDiffusionPipeline, folder: Path) -> None:
    """Save a pipeline in half precision, to be loaded in single precision by any version."""
    pipeline.to(dtype=torch.float16).save_pretrained(folder, safe_serialization=True)
    _edit(folder / "text_encoder" / "config.json", dtype="float32")
    # transformers 5 writes the name of a class that older versions lack.
    _edit(folder / "tokenizer" / "tokenizer_config.json", tokenizer_class="PreTrainedTokenizerFast")
    _edit(folder / "model_index.json", tokenizer=["transformers", "PreTrainedTokenizerFast"])


def _edit(path: Path, **values: Any) -> None:
    config = json.loads(path.read_text(encoding="utf-8")) | values
    path.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def main() -> None:
    """Read the command line and train."""
    parser = argparse.ArgumentParser(description="Train a tiny text-to-image model of tinyworld.")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--captions", choices=("open", "named"), default="open")
    parser.add_argument(
        "--autoencoder", type=Path, help="folder of a training whose autoencoder to take"
    )
    parser.add_argument("--scale", type=float, default=1.0, help="share of the full training")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(options.threads)
    Training(
        options.out,
        names_all=options.captions == "named",
        autoencoder_folder=options.autoencoder or options.out,
        scale=options.scale,
    ).run()


if __name__ == "__main__":
    main()
