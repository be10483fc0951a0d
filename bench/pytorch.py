"""PyTorch as a subject of the benchmark; see subject.ts for the protocol. The argument is the number of threads."""
import json
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn

torch.set_num_threads(int(sys.argv[1]))
torch.manual_seed(0)
N = 1 << 20


def add_small():
    x, y = torch.randn(4), torch.randn(4)
    return lambda: x + y


def chain_small():
    x = torch.randn(4, requires_grad=True)
    return lambda: ((x * 2 + 1).tanh() * x).sum().backward()


def add_1m():
    a, b = torch.randn(N), torch.randn(N)
    return lambda: a + b


def exp_1m():
    a = torch.randn(N)
    return lambda: a.exp()


def sum_1m():
    a = torch.randn(N)
    return lambda: a.sum()


def softmax_1m():
    m = torch.randn(1024, 1024)
    return lambda: m.softmax(-1)


def ln_gelu_chain():
    a, b, c = torch.randn(N), torch.randn(N), torch.randn(N)
    return lambda: (F.gelu(a * b + c) * a).sum()


def mm(n):
    def prepare():
        p, q = torch.randn(n, n), torch.randn(n, n)
        return lambda: p.mm(q)

    return prepare


def mlp_step():
    net = nn.Sequential(nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 10))
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    x, y = torch.randn(64, 784), torch.randint(0, 10, (64,))

    def step():
        optimizer.zero_grad()
        F.cross_entropy(net(x), y).backward()
        optimizer.step()

    return step


def conv_fb():
    conv = nn.Conv2d(32, 64, 3, padding=1)
    x = torch.randn(8, 32, 32, 32)

    def step():
        conv.zero_grad()
        conv(x).sum().backward()

    return step


class Attention(nn.Module):
    def __init__(self, d, heads):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(d, 3 * d)
        self.proj = nn.Linear(d, d)

    def forward(self, x):
        b, t, d = x.shape
        q, k, v = (
            part.view(b, t, self.heads, d // self.heads).transpose(1, 2) for part in self.qkv(x).split(d, dim=2)
        )
        mask = torch.ones(t, t, dtype=torch.bool).triu(1)
        weights = (q @ k.transpose(-2, -1)) * (d // self.heads) ** -0.5
        weights = weights.masked_fill(mask, float("-inf")).softmax(-1)
        return self.proj((weights @ v).transpose(1, 2).reshape(b, t, d))


class Block(nn.Module):
    def __init__(self, d, heads):
        super().__init__()
        self.norm1 = nn.LayerNorm(d)
        self.attention = Attention(d, heads)
        self.norm2 = nn.LayerNorm(d)
        self.mlp = nn.Sequential(nn.Linear(d, 4 * d), nn.GELU(), nn.Linear(4 * d, d))

    def forward(self, x):
        x = x + self.attention(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class Transformer(nn.Module):
    def __init__(self, vocabulary=256, d=128, heads=4, layers=2, length=64):
        super().__init__()
        self.token = nn.Embedding(vocabulary, d)
        self.position = nn.Embedding(length, d)
        self.blocks = nn.Sequential(*(Block(d, heads) for _ in range(layers)))
        self.norm = nn.LayerNorm(d)
        self.head = nn.Linear(d, vocabulary, bias=False)

    def forward(self, ids):
        x = self.token(ids) + self.position(torch.arange(ids.shape[1]))
        return self.head(self.norm(self.blocks(x)))


def gpt_step():
    model = Transformer()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    ids = torch.randint(0, 256, (8, 65))

    def step():
        optimizer.zero_grad()
        logits = model(ids[:, :-1])
        F.cross_entropy(logits.reshape(-1, 256), ids[:, 1:].reshape(-1)).backward()
        optimizer.step()

    return step


WORKLOADS = {
    "add_small": add_small,
    "chain_small": chain_small,
    "add_1m": add_1m,
    "exp_1m": exp_1m,
    "sum_1m": sum_1m,
    "softmax_1m": softmax_1m,
    "ln_gelu_chain": ln_gelu_chain,
    "mm_64": mm(64),
    "mm_256": mm(256),
    "mm_1024": mm(1024),
    "mlp_step": mlp_step,
    "conv_fb": conv_fb,
    "gpt_step": gpt_step,
}


def seconds_of(work, count):
    start = time.perf_counter()
    for _ in range(count):
        work()
    return time.perf_counter() - start


def measure(work, milliseconds):
    """The median and mean time of one call in microseconds, as workload.ts measures them."""
    batch = 1
    while seconds_of(work, batch) < 0.0005:
        batch *= 2
    times = []
    end = time.perf_counter() + milliseconds / 1000
    while time.perf_counter() < end or len(times) < 3:
        times.append(seconds_of(work, batch) / batch)
    times.sort()
    middle = len(times) // 2
    median = times[middle] if len(times) % 2 else (times[middle - 1] + times[middle]) / 2
    return {"median": median * 1e6, "mean": sum(times) / len(times) * 1e6}


def answer(request, prepared):
    name = request["workload"]
    if name not in WORKLOADS:
        return {"missing": "not written for this library"}
    try:
        if name not in prepared:
            prepared[name] = WORKLOADS[name]()
            measure(prepared[name], 300)
        return measure(prepared[name], request["milliseconds"])
    except Exception as error:  # a workload that this version cannot do is missing, the rest goes on
        return {"missing": str(error).split("\n")[0]}


def main():
    prepared = {}
    print(json.dumps({"version": torch.__version__}), flush=True)
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line), prepared)), flush=True)


if __name__ == "__main__":
    main()
