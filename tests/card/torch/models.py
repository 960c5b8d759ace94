"""The models that the card's PyTorch programs run: a decoder, and a pipeline of text encoder, denoiser and VAE decoder.
Plain PyTorch modules in named blocks, as transformers and diffusers have them; random weights from fixed seeds, by size:
"full" (about 6 GB each), "small" (1 to 2 GB), "tiny" (for the CPU, a moment). decoder(), pipeline() and run_pipeline() are
what other programs call; every module's weights are uploaded one tensor at a time from pageable memory, as transformers does.
"""
import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

SEED = 20


# --- weights -------------------------------------------------------------------------------------
class Weights:
    """An endless sequence of normal numbers, from which each parameter takes the next piece. It repeats after a prime
    number of elements, so making it costs one short draw, and yet no two blocks of memory start at the same place of it:
    a block that ends up in another's place cannot pass for it."""

    PERIOD = 16_777_259  # the first prime above 2^24
    SCALE = 0.02  # what transformers and diffusers draw their initial weights with

    def __init__(self, dtype, largest, seed=SEED):
        period = self.PERIOD if largest > 1 << 20 else 65_537
        generator = torch.Generator().manual_seed(seed)
        if dtype.is_floating_point:
            draw = torch.randn(period, generator=generator).mul_(self.SCALE).to(dtype)
        else:  # quantised: every bit pattern
            bounds = torch.iinfo(dtype)
            draw = torch.randint(bounds.min, bounds.max + 1, (period,), generator=generator, dtype=dtype)
        self.period, self.taken = period, 0
        self.pool = draw.repeat(1 + -(-largest // period))

    def take(self, shape):
        count = math.prod(shape)
        start = self.taken % self.period
        self.taken += count
        return self.pool[start:start + count].view(shape)


def fill(module, device, dtype, seed=SEED):
    """Gives a module that was built on the meta device its weights, on device: pageable memory → .to(device), one tensor
    after another. Floating-point ones become dtype. A module may change what it is given (weights_given). Returns the module."""
    module = module.to(dtype)
    largest = {}
    for parameter in module.parameters():
        largest[parameter.dtype] = max(parameter.numel(), largest.get(parameter.dtype, 0))
    weights = {kind: Weights(kind, count, seed) for kind, count in largest.items()}
    for owner in module.modules():
        for name, parameter in owner._parameters.items():
            if parameter is None:
                continue
            value = weights[parameter.dtype].take(parameter.shape)
            if isinstance(owner, (nn.LayerNorm, nn.RMSNorm, nn.GroupNorm)) and name == "weight":
                value = value + 1
            elif hasattr(owner, "weights_given"):
                value = owner.weights_given(name, value)
            value = value.clone() if torch.device(device).type == "cpu" else value.to(device)
            owner._parameters[name] = nn.Parameter(value, requires_grad=False)
    return module.eval()


def build(make, device, dtype, seed=SEED):
    """A module made by make() with the weights of that seed."""
    with torch.device("meta"):
        module = make()
    return fill(module, device, dtype, seed)


def bytes_of(*modules):
    return sum(t.numel() * t.element_size() for m in modules for t in (*m.parameters(), *m.buffers()))


# --- attention -----------------------------------------------------------------------------------
def heads_apart(x, heads):
    return x.unflatten(-1, (heads, -1)).transpose(-3, -2)


def heads_together(x):
    return x.transpose(-3, -2).flatten(-2)


def rotate(x, position):
    """Rotary embedding of x (..., length, size) at position (length)."""
    half = x.shape[-1] // 2
    rate = 10000.0 ** (-torch.arange(half, device=x.device, dtype=torch.float32) / half)
    angle = position.to(torch.float32)[:, None] * rate
    cos, sin = angle.cos().to(x.dtype), angle.sin().to(x.dtype)
    a, b = x[..., :half], x[..., half:]
    return torch.cat((a * cos - b * sin, b * cos + a * sin), dim=-1)


# --- decoder -------------------------------------------------------------------------------------
class GrowingCache:
    """Keys and values by block, grown by torch.cat at each token, as transformers' default cache is."""

    def __init__(self):
        self.kept = {}

    def update(self, block, key, value, position):
        if block in self.kept:
            before = self.kept[block]
            key, value = torch.cat((before[0], key), dim=-2), torch.cat((before[1], value), dim=-2)
        self.kept[block] = (key, value)
        return key, value, None


class StaticCache:
    """Keys and values in buffers made once, as a captured graph needs; what is not written yet is masked."""

    def __init__(self, shape, batch, length, device, dtype):
        size = (batch, shape.kv_heads, length, shape.width // shape.heads)
        self.kept = [(torch.zeros(size, device=device, dtype=dtype), torch.zeros(size, device=device, dtype=dtype))
                     for _ in range(shape.blocks)]
        self.slots = torch.arange(length, device=device)

    def update(self, block, key, value, position):
        keys, values = self.kept[block]
        keys.index_copy_(-2, position, key)
        values.index_copy_(-2, position, value)
        return keys, values, self.slots[None, :] <= position[:, None]


class NoCache:
    """For a forward over all tokens at once, as in training."""

    def update(self, block, key, value, position):
        return key, value, None


class DecoderAttention(nn.Module):
    def __init__(self, shape):
        super().__init__()
        size = shape.width // shape.heads
        self.heads, self.kv_heads = shape.heads, shape.kv_heads
        self.q_proj = nn.Linear(shape.width, shape.width, bias=False)
        self.k_proj = nn.Linear(shape.width, shape.kv_heads * size, bias=False)
        self.v_proj = nn.Linear(shape.width, shape.kv_heads * size, bias=False)
        self.o_proj = nn.Linear(shape.width, shape.width, bias=False)

    def forward(self, x, position, cache, block):
        query = rotate(heads_apart(self.q_proj(x), self.heads), position)
        key = rotate(heads_apart(self.k_proj(x), self.kv_heads), position)
        value = heads_apart(self.v_proj(x), self.kv_heads)
        key, value, mask = cache.update(block, key, value, position)
        shared = self.heads // self.kv_heads
        key, value = key.repeat_interleave(shared, dim=1), value.repeat_interleave(shared, dim=1)
        causal = mask is None and query.shape[-2] == key.shape[-2] and query.shape[-2] > 1
        return self.o_proj(heads_together(F.scaled_dot_product_attention(query, key, value, attn_mask=mask, is_causal=causal)))


class GatedFeedForward(nn.Module):
    def __init__(self, width, inner):
        super().__init__()
        self.gate_proj = nn.Linear(width, inner, bias=False)
        self.up_proj = nn.Linear(width, inner, bias=False)
        self.down_proj = nn.Linear(inner, width, bias=False)

    def forward(self, x):
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class DecoderBlock(nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.input_norm = nn.RMSNorm(shape.width, eps=1e-5)
        self.attention = DecoderAttention(shape)
        self.post_norm = nn.RMSNorm(shape.width, eps=1e-5)
        self.mlp = GatedFeedForward(shape.width, shape.inner)

    def forward(self, x, position, cache, block):
        x = x + self.attention(self.input_norm(x), position, cache, block)
        return x + self.mlp(self.post_norm(x))


@dataclass
class DecoderShape:
    width: int
    heads: int
    kv_heads: int
    inner: int
    blocks: int
    vocabulary: int
    batch: int
    prompt: int

    def bytes_of_block(self):
        kv_width = self.width // self.heads * self.kv_heads
        return 2 * self.width * (2 * self.width + 2 * kv_width + 3 * self.inner)

    def bytes_besides(self):  # the embedding, the head, and what runs beside the weights: cache, logits, library workspaces
        return 2 * 2 * self.vocabulary * self.width + (1 << 30 if self.blocks > 2 else 0)


DECODER = {
    "full": DecoderShape(width=4096, heads=32, kv_heads=8, inner=11008, blocks=16, vocabulary=32000, batch=4, prompt=128),
    "small": DecoderShape(width=2048, heads=16, kv_heads=8, inner=5632, blocks=14, vocabulary=32000, batch=4, prompt=128),
    "tiny": DecoderShape(width=64, heads=4, kv_heads=2, inner=160, blocks=2, vocabulary=256, batch=2, prompt=8),
}


class Decoder(nn.Module):
    """embed → blocks → norm → head. forward(tokens, position, cache) gives the logits of the last token, or of all."""

    def __init__(self, shape):
        super().__init__()
        self.shape = shape
        self.embed = nn.Embedding(shape.vocabulary, shape.width)
        self.blocks = nn.ModuleList(DecoderBlock(shape) for _ in range(shape.blocks))
        self.norm = nn.RMSNorm(shape.width, eps=1e-5)
        self.head = nn.Linear(shape.width, shape.vocabulary, bias=False)

    def forward(self, tokens, position, cache, all_tokens=False):
        x = self.embed(tokens)
        for number, block in enumerate(self.blocks):
            x = block(x, position, cache, number)
        return self.head(self.norm(x if all_tokens else x[:, -1:]))


def with_blocks(shape, blocks):
    return type(shape)(**{**vars(shape), "blocks": blocks}) if blocks else shape


def decoder(size, device="cpu", blocks=None):
    """The decoder of that size, bf16. blocks: so many instead of the size's own."""
    shape = with_blocks(DECODER[size], blocks)
    return build(lambda: Decoder(shape), device, torch.bfloat16)


def prompt(shape, device):
    seed = torch.Generator().manual_seed(SEED)
    return torch.randint(shape.vocabulary, (shape.batch, shape.prompt), generator=seed).to(device)


@torch.no_grad()
def generate(model, tokens, count, tick=None):
    """The prompt, then count tokens one by one, always the likeliest. Returns each step's logits (on tokens' device); calls
    tick() after each step, the prompt's being the first."""
    cache, logits = GrowingCache(), []
    position = torch.arange(tokens.shape[1], device=tokens.device)
    for _ in range(count + 1):
        logits.append(model(tokens, position, cache))
        tokens = logits[-1].argmax(dim=-1)
        position = position[-1:] + 1
        if tick:
            tick()
    return logits


# --- pipeline ------------------------------------------------------------------------------------
class Attention(nn.Module):
    """Of x to itself, or to context."""

    def __init__(self, width, heads, context_width=None):
        super().__init__()
        self.heads = heads
        self.to_q = nn.Linear(width, width)
        self.to_k = nn.Linear(context_width or width, width)
        self.to_v = nn.Linear(context_width or width, width)
        self.to_out = nn.Linear(width, width)

    def forward(self, x, context=None):
        context = x if context is None else context
        parts = (heads_apart(f(t), self.heads) for f, t in ((self.to_q, x), (self.to_k, context), (self.to_v, context)))
        return self.to_out(heads_together(F.scaled_dot_product_attention(*parts)))


class FeedForward(nn.Module):
    def __init__(self, width, inner):
        super().__init__()
        self.fc1 = nn.Linear(width, inner)
        self.fc2 = nn.Linear(inner, width)

    def forward(self, x):
        return self.fc2(F.gelu(self.fc1(x), approximate="tanh"))


class TextBlock(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = FeedForward(width, 4 * width)

    def forward(self, x):
        x = x + self.attention(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class TextEncoder(nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.embed = nn.Embedding(shape.vocabulary, shape.text_width)
        self.position = nn.Embedding(shape.text_length, shape.text_width)
        self.blocks = nn.ModuleList(TextBlock(shape.text_width, shape.text_width // shape.head) for _ in range(shape.text_blocks))
        self.norm = nn.LayerNorm(shape.text_width)

    def forward(self, tokens):
        x = self.embed(tokens) + self.position(torch.arange(tokens.shape[1], device=tokens.device))
        for block in self.blocks:
            x = block(x)
        return self.norm(x)


def waves(position, width):
    """Sines and cosines of position (n), width numbers each."""
    rate = torch.exp(torch.arange(width // 2, device=position.device, dtype=torch.float32) * (-2 * math.log(10000) / width))
    angle = position.to(torch.float32)[:, None] * rate
    return torch.cat((angle.sin(), angle.cos()), dim=-1)


class DenoiserBlock(nn.Module):
    """A DiT block with one modulation for all blocks (adaLN-single, as in PixArt), attention to the text, a feed-forward."""

    def __init__(self, width, heads, text_width):
        super().__init__()
        self.modulation = nn.Parameter(torch.empty(6, width))
        self.norm1 = nn.LayerNorm(width, elementwise_affine=False)
        self.attention = Attention(width, heads)
        self.cross_attention = Attention(width, heads, text_width)
        self.norm2 = nn.LayerNorm(width, elementwise_affine=False)
        self.mlp = FeedForward(width, 4 * width)

    def forward(self, x, text, moment):
        shift1, scale1, gate1, shift2, scale2, gate2 = (self.modulation + moment).unsqueeze(2).unbind(1)
        x = x + gate1 * self.attention(self.norm1(x) * (1 + scale1) + shift1)
        x = x + self.cross_attention(x, text)
        return x + gate2 * self.mlp(self.norm2(x) * (1 + scale2) + shift2)


class Denoiser(nn.Module):
    """A DiT: forward(latents, time, text) gives the prediction for latents at time (one number for each of the batch)."""

    PATCH = 2

    def __init__(self, shape):
        super().__init__()
        width = shape.width
        self.width = width
        self.patch_in = nn.Conv2d(4, width, self.PATCH, self.PATCH)
        self.time_in = nn.Sequential(nn.Linear(256, width), nn.SiLU(), nn.Linear(width, width))
        self.modulation = nn.Sequential(nn.SiLU(), nn.Linear(width, 6 * width))
        self.blocks = nn.ModuleList(DenoiserBlock(width, width // shape.head, shape.text_width) for _ in range(shape.blocks))
        self.norm = nn.LayerNorm(width)
        self.patch_out = nn.Linear(width, 4 * self.PATCH ** 2)

    def forward(self, latents, time, text):
        batch, channels, height, length = latents.shape
        x = self.patch_in(latents).flatten(2).transpose(1, 2)
        x = x + waves(torch.arange(x.shape[1], device=x.device), self.width).to(x.dtype)
        moment = self.modulation(self.time_in(waves(time * 1000, 256).to(x.dtype))).unflatten(-1, (6, self.width))
        for block in self.blocks:
            x = block(x, text, moment)
        x = self.patch_out(self.norm(x)).view(batch, height // self.PATCH, length // self.PATCH, self.PATCH, self.PATCH, channels)
        return x.permute(0, 5, 1, 3, 2, 4).reshape(latents.shape)


class Resnet(nn.Module):
    def __init__(self, before, after):
        super().__init__()
        groups = min(32, before, after)
        self.norm1 = nn.GroupNorm(groups, before, eps=1e-6)
        self.conv1 = nn.Conv2d(before, after, 3, padding=1)
        self.norm2 = nn.GroupNorm(groups, after, eps=1e-6)
        self.conv2 = nn.Conv2d(after, after, 3, padding=1)
        self.shortcut = nn.Conv2d(before, after, 1) if before != after else nn.Identity()

    def forward(self, x):
        y = self.conv1(F.silu(self.norm1(x)))
        return self.shortcut(x) + self.conv2(F.silu(self.norm2(y)))


class MiddleAttention(nn.Module):
    def __init__(self, channels, heads):
        super().__init__()
        self.norm = nn.GroupNorm(min(32, channels), channels, eps=1e-6)
        self.attention = Attention(channels, heads)

    def forward(self, x):
        y = self.attention(self.norm(x).flatten(2).transpose(1, 2))
        return x + y.transpose(1, 2).reshape(x.shape)


class UpBlock(nn.Module):
    def __init__(self, before, after, grows):
        super().__init__()
        self.resnets = nn.ModuleList([Resnet(before, after), Resnet(after, after)])
        self.upsample = nn.Conv2d(after, after, 3, padding=1) if grows else None

    def forward(self, x):
        for resnet in self.resnets:
            x = resnet(x)
        return self.upsample(F.interpolate(x, scale_factor=2.0, mode="nearest")) if self.upsample is not None else x


class VaeDecoder(nn.Module):
    """Latents (4 channels) to an image (3), eight times as wide and as high."""

    def __init__(self, shape):
        super().__init__()
        most, channels = shape.vae_channels, (1, 1, 2, 4)
        self.conv_in = nn.Conv2d(4, most, 3, padding=1)
        self.middle = nn.Sequential(Resnet(most, most), MiddleAttention(most, most // shape.head), Resnet(most, most))
        widths = [most] + [most // c for c in channels]
        self.up_blocks = nn.ModuleList(UpBlock(widths[i], widths[i + 1], i < 3) for i in range(4))
        self.norm = nn.GroupNorm(min(32, widths[-1]), widths[-1], eps=1e-6)
        self.conv_out = nn.Conv2d(widths[-1], 3, 3, padding=1)

    def forward(self, latents):
        x = self.middle(self.conv_in(latents))
        for block in self.up_blocks:
            x = block(x)
        return self.conv_out(F.silu(self.norm(x)))


@dataclass
class PipelineShape:
    vocabulary: int
    text_width: int
    text_blocks: int
    text_length: int
    width: int  # the denoiser's
    blocks: int
    head: int  # the size of one attention head, everywhere
    vae_channels: int
    latent: int  # side of the latents; the image's is eight times that

    def bytes_of_block(self):
        return 2 * (14 * self.width ** 2 + 2 * self.width * self.text_width)

    def bytes_besides(self):  # the other parts' weights, and the activations, of which the VAE's are the largest
        text = 2 * self.text_width * (self.vocabulary + 12 * self.text_width * self.text_blocks)
        return text + 300 * self.vae_channels ** 2 + 2 * 2 * self.vae_channels * (8 * self.latent) ** 2


PIPELINE = {
    "full": PipelineShape(vocabulary=32000, text_width=2048, text_blocks=14, text_length=256, width=2304, blocks=26, head=64,
                          vae_channels=512, latent=96),
    "small": PipelineShape(vocabulary=32000, text_width=1024, text_blocks=12, text_length=128, width=1152, blocks=28, head=64,
                           vae_channels=256, latent=64),
    "tiny": PipelineShape(vocabulary=256, text_width=32, text_blocks=2, text_length=8, width=64, blocks=2, head=16,
                          vae_channels=32, latent=8),
}


@dataclass
class Parts:
    text_encoder: TextEncoder
    denoiser: Denoiser
    vae: VaeDecoder
    shape: PipelineShape

    def modules(self):
        return self.text_encoder, self.denoiser, self.vae


def pipeline(size, device="cpu", blocks=None):
    """The three parts of the pipeline of that size, fp16. blocks: so many in the denoiser instead of the size's own."""
    shape = with_blocks(PIPELINE[size], blocks)
    made = (build(lambda: part(shape), device, torch.float16, SEED + number)
            for number, part in enumerate((TextEncoder, Denoiser, VaeDecoder)))
    return Parts(*made, shape)


@torch.no_grad()
def run_pipeline(parts, steps, device=None, tick=None):
    """One image: the text encoder once, the denoiser once a step on a batch of two (with and without the text), the VAE
    decoder once. Returns the image. device: where inputs are made; of its own, where the denoiser's weights are. tick: called
    with "text", "denoise" or "decode" after each call of a part."""
    shape = parts.shape
    device = device or next(parts.denoiser.parameters()).device
    tick = tick or (lambda stage: None)
    seed = torch.Generator().manual_seed(SEED)
    tokens = torch.randint(shape.vocabulary, (2, shape.text_length), generator=seed).to(device)
    latents = torch.randn(1, 4, shape.latent, shape.latent, generator=seed).to(device, torch.float16)
    text = parts.text_encoder(tokens)
    tick("text")
    for step in range(steps):
        time = torch.full((2,), 1 - step / steps, device=device)
        without, with_text = parts.denoiser(torch.cat((latents, latents)), time, text).chunk(2)
        latents = latents - (without + 4.0 * (with_text - without)) / steps
        tick("denoise")
    image = parts.vae(latents)
    tick("decode")
    return image
