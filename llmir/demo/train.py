# pyright: basic, reportMissingImports=false
"""Train the demo model and write its folder: `python -m llmir.demo.train`.

Needs PyTorch, which nothing else in the package does. The tokenizer, the evaluation text and the training
stream come from the grammar; the network is the Llama architecture in plain PyTorch, with the conventions of
Hugging Face's LlamaForCausalLM (tensor names, rotate-half RoPE), trained by AdamW under a cosine schedule.

The defaults are those of the shipped model: 14 000 steps of 32 768 tokens over a stream of 136 million. On an
H100 that is about 4 minutes (one of them to sample the stream on 16 cores, half of one to compile); on two
CPU cores a step takes 4 to 5 seconds, so allow a day, or pass fewer --steps.

Everything is seeded. The tokenizer and the texts are the same on every machine; the weights differ in the
last bits between devices and PyTorch versions, as PyTorch's sums do.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from safetensors.torch import save
from torch import Tensor, nn

from llmir.demo import MODEL, TEXT
from llmir.demo.corpus import (
    END_OF_TEXT,
    EVALUATION_DOCUMENTS,
    EVALUATION_SEED,
    VOCAB_SIZE,
    encode,
    train_tokenizer,
    training_tokens,
)
from llmir.demo.grammar import sample_corpus

SEED = 0
TRAINING_CONTEXT = 512
EVALUATION_CONTEXT = 256
BATCH = 64
WARMUP_STEPS = 500
PEAK_LEARNING_RATE = 2e-3
WEIGHT_DECAY = 0.1
EMBEDDING_STD = 0.1

CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "vocab_size": VOCAB_SIZE,
    "hidden_size": 192,
    "intermediate_size": 512,
    "num_hidden_layers": 4,
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
    "head_dim": 32,
    "hidden_act": "silu",
    "max_position_embeddings": TRAINING_CONTEXT,
    "rms_norm_eps": 1e-5,
    "rope_theta": 10000.0,
    "rope_scaling": None,
    "attention_bias": False,
    "attention_dropout": 0.0,
    "mlp_bias": False,
    "tie_word_embeddings": True,
    "bos_token_id": 0,
    "eos_token_id": 0,
    "use_cache": True,
    "torch_dtype": "float16",
}
TOKENIZER_CONFIG = {
    "tokenizer_class": "PreTrainedTokenizerFast",
    "eos_token": END_OF_TEXT,
    "add_bos_token": False,
    "add_eos_token": False,
    "clean_up_tokenization_spaces": False,
    "model_max_length": TRAINING_CONTEXT,
}


@dataclass(frozen=True)
class Shape:
    """The sizes of the network, read from CONFIG once."""

    vocab: int = CONFIG["vocab_size"]
    hidden: int = CONFIG["hidden_size"]
    intermediate: int = CONFIG["intermediate_size"]
    layers: int = CONFIG["num_hidden_layers"]
    heads: int = CONFIG["num_attention_heads"]
    kv_heads: int = CONFIG["num_key_value_heads"]
    head_dim: int = CONFIG["head_dim"]
    eps: float = CONFIG["rms_norm_eps"]
    theta: float = CONFIG["rope_theta"]


class RMSNorm(nn.Module):
    """x / rms(x) * weight over the last axis (Zhang and Sennrich, 2019)."""

    def __init__(self, size: int, eps: float):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """Normalize x, shape (..., size)."""
        return self.weight * x * torch.rsqrt(x.square().mean(-1, keepdim=True) + self.eps)


def rotary_tables(shape: Shape, positions: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """The cosines and sines of RoPE (Su et al., 2021), each of shape (positions, head_dim)."""
    exponents = torch.arange(0, shape.head_dim, 2, device=device) / shape.head_dim
    angles = torch.outer(torch.arange(positions, device=device), shape.theta**-exponents)
    angles = torch.cat([angles, angles], dim=-1)
    return angles.cos(), angles.sin()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotate the halves of each head of x, shape (batch, heads, positions, head_dim)."""
    low, high = x.chunk(2, dim=-1)
    return x * cos + torch.cat([-high, low], dim=-1) * sin


class Attention(nn.Module):
    """Causal grouped-query attention with rotary positions."""

    def __init__(self, shape: Shape):
        super().__init__()
        self.shape = shape
        query, key = shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim
        self.q_proj = nn.Linear(shape.hidden, query, bias=False)
        self.k_proj = nn.Linear(shape.hidden, key, bias=False)
        self.v_proj = nn.Linear(shape.hidden, key, bias=False)
        self.o_proj = nn.Linear(query, shape.hidden, bias=False)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """Attend over x, shape (batch, positions, hidden)."""
        batch, positions, _ = x.shape
        q, k, v = (
            projection(x).view(batch, positions, -1, self.shape.head_dim).transpose(1, 2)
            for projection in (self.q_proj, self.k_proj, self.v_proj)
        )
        group = self.shape.heads // self.shape.kv_heads
        k = rotate(k, cos, sin).repeat_interleave(group, dim=1)
        v = v.repeat_interleave(group, dim=1)
        mixed = F.scaled_dot_product_attention(rotate(q, cos, sin), k, v, is_causal=True)
        return self.o_proj(mixed.transpose(1, 2).reshape(batch, positions, -1))


class MLP(nn.Module):
    """SwiGLU feed-forward (Shazeer, 2020)."""

    def __init__(self, shape: Shape):
        super().__init__()
        self.gate_proj = nn.Linear(shape.hidden, shape.intermediate, bias=False)
        self.up_proj = nn.Linear(shape.hidden, shape.intermediate, bias=False)
        self.down_proj = nn.Linear(shape.intermediate, shape.hidden, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Transform x, shape (..., hidden)."""
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Layer(nn.Module):
    """One pre-norm transformer layer."""

    def __init__(self, shape: Shape):
        super().__init__()
        self.input_layernorm = RMSNorm(shape.hidden, shape.eps)
        self.self_attn = Attention(shape)
        self.post_attention_layernorm = RMSNorm(shape.hidden, shape.eps)
        self.mlp = MLP(shape)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """Transform x, shape (batch, positions, hidden)."""
        x = x + self.self_attn(self.input_layernorm(x), cos, sin)
        return x + self.mlp(self.post_attention_layernorm(x))


class Llama(nn.Module):
    """The network without the `model.` prefix Hugging Face puts before its tensor names."""

    def __init__(self, shape: Shape):
        super().__init__()
        self.shape = shape
        self.embed_tokens = nn.Embedding(shape.vocab, shape.hidden)
        self.layers = nn.ModuleList(Layer(shape) for _ in range(shape.layers))
        self.norm = RMSNorm(shape.hidden, shape.eps)
        self.initialize()

    def initialize(self) -> None:
        """Draw the matrices: unit gain, and the branches' outputs small beside the embeddings they join."""
        for name, parameter in self.named_parameters():
            if name == "embed_tokens.weight":
                nn.init.normal_(parameter, std=EMBEDDING_STD)
            elif name.endswith(("o_proj.weight", "down_proj.weight")):
                nn.init.normal_(parameter, std=EMBEDDING_STD / math.sqrt(parameter.shape[1]))
            elif parameter.ndim == 2:
                nn.init.normal_(parameter, std=1 / math.sqrt(parameter.shape[1]))
            else:
                nn.init.ones_(parameter)

    def forward(self, ids: Tensor) -> Tensor:
        """Logits, shape (batch, positions, vocab), of ids, shape (batch, positions)."""
        cos, sin = rotary_tables(self.shape, ids.shape[1], ids.device)
        x = self.embed_tokens(ids)
        for layer in self.layers:
            x = layer(x, cos, sin)
        return F.linear(self.norm(x), self.embed_tokens.weight)


def negative_log_likelihood(model: Llama, ids: Tensor) -> Tensor:
    """-ln p of every token but the first of each row of ids, shape (batch, positions); a flat tensor."""
    logits = model(ids)[:, :-1]
    return F.cross_entropy(logits.reshape(-1, logits.shape[-1]), ids[:, 1:].reshape(-1), reduction="none")


def perplexity(model: Llama, tokens: NDArray[np.uint16], context: int, device: torch.device) -> float:
    """Perplexity over non-overlapping windows, a last partial one dropped.

    The first token of each window has no context and is not scored.
    """
    ids = torch.from_numpy(tokens.astype(np.int64)).to(device)
    windows = ids[: len(ids) // context * context].split(context)
    with torch.no_grad():
        nats = [negative_log_likelihood(model, window[None]).double() for window in windows]
    return math.exp(torch.cat(nats).mean().item())


def learning_rate(step: int, steps: int) -> float:
    """Linear warm-up to the peak, then a cosine down to zero."""
    warmup = min(WARMUP_STEPS, steps // 10)
    if step < warmup:
        return PEAK_LEARNING_RATE * (step + 1) / warmup
    return PEAK_LEARNING_RATE * 0.5 * (1 + math.cos(math.pi * (step - warmup) / (steps - warmup)))


def optimizer_of(model: Llama) -> torch.optim.AdamW:
    """AdamW that decays the matrices and leaves the norms alone."""
    matrices = [p for p in model.parameters() if p.ndim == 2]
    vectors = [p for p in model.parameters() if p.ndim != 2]
    groups = [{"params": matrices, "weight_decay": WEIGHT_DECAY}, {"params": vectors, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=PEAK_LEARNING_RATE, betas=(0.9, 0.95))


def fit(model: Llama, tokens: NDArray[np.uint16], steps: int, device: torch.device) -> None:
    """Train in place on windows of TRAINING_CONTEXT tokens that start anywhere, also inside a document."""
    stream = torch.from_numpy(tokens.view(np.int16)).to(device)  # ids stay below 2**15
    offsets = torch.arange(TRAINING_CONTEXT, device=device)
    generator = torch.Generator().manual_seed(SEED)
    on_gpu = device.type == "cuda"
    losses_of = torch.compile(negative_log_likelihood) if on_gpu else negative_log_likelihood
    optimizer = optimizer_of(model)
    started = time.perf_counter()
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, steps)
        starts = torch.randint(len(stream) - TRAINING_CONTEXT, (BATCH, 1), generator=generator)
        with torch.autocast(device.type, torch.bfloat16, enabled=on_gpu):
            loss = losses_of(model, stream[starts.to(device) + offsets].long()).mean()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if step % 250 == 0 or step == steps - 1:
            seconds = time.perf_counter() - started
            print(f"step {step} of {steps}: perplexity {loss.exp().item():.4f}, {seconds:.0f} s", flush=True)


def round_to_half(model: Llama) -> dict[str, Tensor]:
    """Round the model's parameters to float16 in place and return them under Hugging Face's names."""
    for parameter in model.parameters():
        parameter.data = parameter.data.half().float()
    state = model.state_dict().items()
    return {f"model.{name}": tensor.half().cpu().contiguous() for name, tensor in state}


def write_json(path: Path, value: dict[str, object]) -> None:
    """Write a JSON object, one field a line."""
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


def main() -> None:
    """Make the tokenizer, the texts and the model, and write them all."""
    parser = argparse.ArgumentParser(prog="python -m llmir.demo.train", description=main.__doc__)
    parser.add_argument("--steps", type=int, default=14_000, help="optimizer steps of 64 windows of 512 tokens")
    parser.add_argument("--shards", type=int, default=160, help="training data, in shards of 20 000 documents")
    parser.add_argument("--model", type=Path, default=MODEL, help="the model folder to write")
    parser.add_argument("--text", type=Path, default=TEXT, help="the evaluation text to write")
    arguments = parser.parse_args()
    folder: Path = arguments.model
    folder.mkdir(parents=True, exist_ok=True)

    tokenizer = train_tokenizer()
    tokenizer.save(str(folder / "tokenizer.json"))
    text, nats = sample_corpus(EVALUATION_SEED, EVALUATION_DOCUMENTS)
    arguments.text.write_text(text, encoding="utf-8", newline="\n")
    evaluation = encode(tokenizer, text)
    floor = math.exp(nats / len(evaluation))
    print(f"evaluation text: {len(evaluation)} tokens, floor of perplexity {floor:.4f}", flush=True)
    tokens = training_tokens(folder / "tokenizer.json", arguments.shards)
    print(f"training stream: {len(tokens)} tokens", flush=True)

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(SEED)
    torch.set_float32_matmul_precision("high")
    model = Llama(Shape()).to(device)
    fit(model, tokens, arguments.steps, device)
    state = round_to_half(model)
    torch.set_float32_matmul_precision("highest")
    trained = perplexity(model, evaluation, EVALUATION_CONTEXT, device)
    print(f"trained perplexity {trained:.4f}, {100 * (trained / floor - 1):.2f} % above the floor")

    (folder / "model.safetensors").write_bytes(save(state, metadata={"format": "pt"}))
    write_json(folder / "config.json", CONFIG)
    write_json(folder / "tokenizer_config.json", TOKENIZER_CONFIG)
    report = {
        "evaluation_text_nats": nats,
        "evaluation_text_tokens": len(evaluation),
        "floor_perplexity": floor,
        "trained_perplexity": trained,
        "context": EVALUATION_CONTEXT,
    }
    write_json(folder / "demo.json", report)


if __name__ == "__main__":
    main()
