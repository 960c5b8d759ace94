"""Every kind of call once, small: what PyTorch's other kernels and libraries ask of the driver. Sorts, reductions, convolutions
(forward and backward), attention, foreach over hundreds of tensors, gathers and scatters, FFT, linear algebra, sparse products,
random numbers, strided copies, copies both ways. The result is as wide as the calls; each one's digest is told too."""
import hashlib
import warnings

from common import TorchReport, parser


def calls(torch, device):
    """Pairs of a name and a function that returns tensors."""
    seed = torch.Generator().manual_seed(3)

    def normal(*shape, dtype=torch.float32):
        return torch.randn(*shape, generator=seed).to(device, dtype)

    small = device.type == "cpu"
    side = 96 if small else 1536
    a, b = normal(side, side), normal(side, side)
    half, images = normal(side, side, dtype=torch.float16), normal(4, 16, 64, 64)
    index = torch.randint(side, (4 * side,), generator=seed).to(device)
    function = torch.nn.functional

    def convolution():
        x, weight = images.clone().requires_grad_(), (a[:32, :16 * 3].reshape(32, 16, 3, 1)).contiguous().requires_grad_()
        y = function.conv2d(x, weight, padding=(1, 0))
        y.square().sum().backward()
        return y, x.grad, weight.grad

    def attention():
        q = half[:64, :64 * 8].reshape(1, 64, 8, -1).transpose(1, 2).contiguous()
        return function.scaled_dot_product_attention(q, q, q, is_causal=True)

    def foreach():
        many = [a[row].clone() for row in range(min(side, 300))]
        torch._foreach_add_(many, 1.0)
        torch._foreach_mul_(many, [b[row] for row in range(len(many))])
        return torch.stack(torch._foreach_norm(many)), many[-1]

    def scatter():
        base = torch.zeros(side, side, device=device)
        base.index_add_(0, index, a[index])
        base.index_put_((index,), b[index], accumulate=True)
        return base, base.gather(1, index[:side].unsqueeze(0).expand(side, -1))

    def linear_algebra():
        positive = a[:64, :64] @ a[:64, :64].T + 64 * torch.eye(64, device=device)
        factor = torch.linalg.cholesky(positive)
        return factor, torch.linalg.inv(positive.repeat(8, 1, 1)), torch.linalg.solve_triangular(factor, a[:64, :8], upper=False)

    def sparse():
        crows = torch.arange(0, 4 * side + 1, 4, device=device)
        columns = (torch.arange(4, device=device).repeat(side, 1) * (side // 4) + torch.arange(side, device=device)[:, None] % 7)
        # Whole numbers: cuSPARSE may add in any order.
        values, dense = (a.flatten()[:4 * side] * 8).round(), (b[:, :32] * 8).round()
        return torch.sparse_csr_tensor(crows, columns.flatten(), values, (side, side), check_invariants=False) @ dense

    def random():
        torch.manual_seed(4)
        return torch.rand(1000, device=device), torch.randperm(5000, device=device), function.dropout(a[:64], 0.5)

    def copies():
        host = torch.empty(side, side, pin_memory=not small)
        host.copy_(a.T, non_blocking=True)
        other = torch.empty_like(a)
        other[::2].copy_(a[1::2])
        other[1::2].zero_()
        if not small:
            torch.cuda.synchronize()
        return host.clone(), other, host.to(device, non_blocking=True)

    return [
        ("matrix product", lambda: (a @ b, half @ half, torch.baddbmm(a[None, :64], a[None, :64], b[None]))),
        ("sort", lambda: (a.flatten().sort(stable=True)[0], a.topk(5, dim=1)[0], a.flatten()[:5000].unique())),
        ("reductions", lambda: (a.sum(), a.mean(0), a.std(1), a.amax(1), a[:100].double().prod(0), a.logsumexp(1), a.norm())),
        ("scans", lambda: (index.cumsum(0), a.cummax(1)[0], a.argmax(1))),
        ("convolution", convolution),
        ("pooling", lambda: (function.max_pool2d(images, 2), function.interpolate(images, scale_factor=2.0, mode="nearest"))),
        ("norms", lambda: (function.layer_norm(a, (side,)), function.group_norm(images, 4), function.softmax(half, -1))),
        ("attention", attention),
        ("foreach", foreach),
        ("gather and scatter", scatter),
        ("embedding", lambda: function.embedding(index, a)),
        ("fft", lambda: torch.view_as_real(torch.fft.rfft2(images))),
        ("linear algebra", linear_algebra),
        ("sparse", sparse),
        ("random", random),
        ("copies", copies),
        ("complex", lambda: torch.view_as_real(torch.polar(a.abs(), b)[:64])),
        ("where", lambda: (torch.where(a > b, a, b), a.masked_fill(a > 1, 0), a[a > 3], torch.nonzero(a > 3))),
        ("types", lambda: (a.to(torch.bfloat16), (a * 10).to(torch.int8), a.bool(), a.half().float())),
    ]


def main():
    arguments = parser("operators.py", __doc__).parse_args()
    report = TorchReport(arguments)
    torch = report.torch
    warnings.filterwarnings("ignore", message="Sparse")  # tensors, which PyTorch calls new
    digests, undetermined = {}, []
    report.start()
    for name, call in calls(torch, report.device):
        try:
            made = call()
        except RuntimeError as error:
            if "does not have a deterministic implementation" not in str(error):
                raise
            undetermined.append(name)
            continue
        report.step()
        made = made if isinstance(made, tuple) else (made,)
        whole = report.hash
        report.hash = hashlib.sha256()
        report.digest(*made)
        digests[name] = report.hash.hexdigest()[:12]
        whole.update(report.hash.digest())
        report.hash = whole
        report.start()
    report.finish(digests=digests, left_out_as_undetermined=undetermined)


main()
