/** What the compiler says of modules and optimizers. The file is checked, not run: `npm run check`. */
import * as torch from "flambeau";
import { expectTypeOf } from "vitest";

const { nn, optim } = torch;

/** A module is called as its `forward` is. */
class Scaled extends nn.Module {
  readonly linear = new nn.Linear(2, 2);
  scale = new nn.Parameter(torch.ones(1));

  override forward(x: torch.Tensor, times = 1): torch.Tensor {
    return this.linear(x).mul(this.scale).mul(times);
  }
}

class Pair extends nn.Module {
  override forward(x: torch.Tensor): [torch.Tensor, string] {
    return [x, "and a word"];
  }
}

const x = torch.randn(1, 2);
const model = new Scaled();
expectTypeOf(model(x)).toEqualTypeOf<torch.Tensor>();
expectTypeOf(model(x, 2)).toEqualTypeOf<torch.Tensor>();
expectTypeOf(new Pair()(x)).toEqualTypeOf<[torch.Tensor, string]>();
expectTypeOf(model.linear(x)).toEqualTypeOf<torch.Tensor>();
expectTypeOf(model.linear.weight).toExtend<torch.Tensor>();
// @ts-expect-error: forward takes a tensor
model("x");
// @ts-expect-error: forward takes a tensor
model();
// @ts-expect-error: a number of features is wanted
void new nn.Linear("2", 2);
// @ts-expect-error: there is no such option
void new nn.Linear(2, 2, { biass: false });

expectTypeOf(new nn.Sequential(new nn.Linear(2, 2), new nn.ReLU())).toExtend<torch.nn.Module>();
for (const p of model.parameters()) expectTypeOf(p).toEqualTypeOf<torch.nn.Parameter>();
for (const [name, p] of model.named_parameters()) {
  expectTypeOf(name).toEqualTypeOf<string>();
  expectTypeOf(p).toExtend<torch.Tensor>();
}
expectTypeOf(model.train()).toEqualTypeOf<Scaled>();

const optimizer = new optim.Adam(model.parameters(), { lr: 1e-3 });
expectTypeOf(optimizer.zero_grad()).toEqualTypeOf<void>();
optimizer.step();
// @ts-expect-error: there is no such option
void new optim.Adam(model.parameters(), { learning_rate: 1e-3 });
