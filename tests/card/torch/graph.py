"""A decoder's step captured in a CUDA graph and replayed for each token: the graph feeds its own token and position forward.
Half way a weight is changed in place between two replays, which the graph must see; then a second graph is captured into the
first one's memory pool and both are replayed in turn. On the CPU the same steps run without a graph."""
from common import TorchReport, parser


def main():
    arguments = parser("graph.py", __doc__).parse_args()
    report = TorchReport(arguments)
    import models

    torch = report.torch
    # The cache is written by index_copy_, whose deterministic form is for rows that are written twice (none is here) and
    # checks its indices on the host, which a capture forbids. Nothing else here has two forms.
    torch.use_deterministic_algorithms(False)
    steps = arguments.steps or 16
    shape = models.DECODER[arguments.size]
    blocks = report.blocks(shape)
    model = report.load(lambda: models.decoder(arguments.size, report.device, blocks))
    shape = model.shape
    report.count_weights(model)
    prompt = models.prompt(shape, report.device)
    cache = models.StaticCache(shape, shape.batch, shape.prompt + 2 * steps + 8, report.device, torch.bfloat16)
    tokens = torch.zeros(shape.batch, 1, dtype=torch.int64, device=report.device)
    position = torch.zeros(1, dtype=torch.int64, device=report.device)
    outputs = []

    def step():
        logits = model(tokens, position, cache)
        tokens.copy_(logits.argmax(dim=-1))
        position.add_(1)
        return logits

    def begin():
        """The prompt, in one step; what the cache held before is overwritten or masked."""
        logits = model(prompt, torch.arange(shape.prompt, device=report.device), cache)
        tokens.copy_(logits.argmax(dim=-1))
        position.fill_(shape.prompt)
        return logits

    def captured(pool=None):
        """step(), as a function that replays it, and the graph."""
        if report.device.type == "cpu":
            return step, None
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):  # what libraries do at their first call must not be captured
            step()
            step()
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=pool):
            logits = step()

        def replay():
            graph.replay()
            return logits

        return replay, graph

    with torch.no_grad():
        begin()
        first, graph = captured()
        outputs.append(begin())
        report.start()
        for number in range(1 + steps):
            if number == (1 + steps) // 2:
                model.blocks[0].mlp.down_proj.weight.mul_(0.5)
                model.head.weight.mul_(0.5)
            outputs.append(first().clone())
            report.step()
        second, _ = captured(graph.pool() if graph is not None else None)
        outputs.append(begin())
        for number in range(steps):
            # Both graphs keep their logits in one pool: each is read before the other one runs.
            outputs.append((first, second)[number % 2]().clone())
    report.digest(*outputs)
    report.digest_weights(model)
    report.finish()


main()
