/** A training step of a small transformer: 2 blocks with norms before, d = 128, 4 heads, T = 64, batch 8, vocabulary 256, AdamW. */
import * as torch from "flambeau";
import type { Workload } from "../workload.ts";

const { nn, optim } = torch;

class Attention extends nn.Module {
  readonly heads: number;
  qkv: torch.nn.Linear;
  proj: torch.nn.Linear;

  constructor(d: number, heads: number) {
    super();
    this.heads = heads;
    this.qkv = new nn.Linear(d, 3 * d);
    this.proj = new nn.Linear(d, d);
  }

  override forward(x: torch.Tensor): torch.Tensor {
    const [b, t, d] = x.shape as [number, number, number];
    const [q, k, v] = this.qkv(x)
      .split(d, 2)
      .map((part) => part.view(b, t, this.heads, d / this.heads).transpose(1, 2)) as [
      torch.Tensor,
      torch.Tensor,
      torch.Tensor,
    ];
    const mask = torch.ones(t, t, { dtype: torch.bool }).triu(1);
    const scores = q.matmul(k.transpose(-2, -1)).mul((d / this.heads) ** -0.5);
    const weights = scores.masked_fill(mask, -Infinity).softmax(-1);
    return this.proj(weights.matmul(v).transpose(1, 2).reshape(b, t, d));
  }
}

class Block extends nn.Module {
  norm1: torch.nn.LayerNorm;
  attention: Attention;
  norm2: torch.nn.LayerNorm;
  mlp: torch.nn.Sequential;

  constructor(d: number, heads: number) {
    super();
    this.norm1 = new nn.LayerNorm(d);
    this.attention = new Attention(d, heads);
    this.norm2 = new nn.LayerNorm(d);
    this.mlp = new nn.Sequential(new nn.Linear(d, 4 * d), new nn.GELU(), new nn.Linear(4 * d, d));
  }

  override forward(x: torch.Tensor): torch.Tensor {
    const y = x.add(this.attention(this.norm1(x)));
    return y.add(this.mlp(this.norm2(y)));
  }
}

class Transformer extends nn.Module {
  token = new nn.Embedding(256, 128);
  position = new nn.Embedding(64, 128);
  blocks = new nn.Sequential(new Block(128, 4), new Block(128, 4));
  norm = new nn.LayerNorm(128);
  head = new nn.Linear(128, 256, { bias: false });

  override forward(ids: torch.Tensor): torch.Tensor {
    const x = this.token(ids).add(this.position(torch.arange(ids.shape[1] as number)));
    return this.head(this.norm(this.blocks(x)));
  }
}

export const transformer: readonly Workload[] = [
  {
    name: "gpt_step",
    prepare() {
      const model = new Transformer();
      const optimizer = new optim.AdamW(model.parameters(), { lr: 1e-3 });
      const ids = torch.randint(0, 256, [8, 65]);
      return () => {
        optimizer.zero_grad();
        const logits = model(ids.at(":", ":-1"));
        nn.functional.cross_entropy(logits.reshape(-1, 256), ids.at(":", "1:").reshape(-1)).backward();
        optimizer.step();
      };
    },
  },
];
