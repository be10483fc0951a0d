/** What the compiler says of tensors and operators. The file is checked, not run: `npm run check`. */
import * as torch from "flambeau";
import { expectTypeOf } from "vitest";

const x = torch.randn(2, 3);

// Factories.
expectTypeOf(
  torch.tensor([
    [1, 2],
    [3, 4],
  ]),
).toEqualTypeOf<torch.Tensor>();
expectTypeOf(torch.zeros([2, 3], { dtype: torch.int64 })).toEqualTypeOf<torch.Tensor>();
// @ts-expect-error: there is no such option
torch.zeros(2, 3, { dtyp: torch.int64 });

// Functions and methods are the same operators; methods drop the first argument.
expectTypeOf(torch.add).toBeCallableWith(x, 1);
expectTypeOf(x.add).toBeCallableWith(x, { alpha: 2 });
expectTypeOf(x.add(1)).toEqualTypeOf<torch.Tensor>();
expectTypeOf(x.add_(1)).toEqualTypeOf<torch.Tensor>();
expectTypeOf(x.exp().tanh()).toEqualTypeOf<torch.Tensor>();
// @ts-expect-error: a number is wanted, or a tensor
x.add("1");
// @ts-expect-error: no such operator
x.adds(1);
// @ts-expect-error: the in-place form of a comparison with a result of another shape does not exist
x.argmax_();

// Reductions, positional and by options.
expectTypeOf(x.sum()).toEqualTypeOf<torch.Tensor>();
expectTypeOf(x.sum(1, true)).toEqualTypeOf<torch.Tensor>();
expectTypeOf(x.sum({ dim: 1, keepdim: true })).toEqualTypeOf<torch.Tensor>();
expectTypeOf(x.mean([0, 1])).toEqualTypeOf<torch.Tensor>();
// @ts-expect-error: dims are numbers
x.sum("1");

// Sizes as a list or one by one.
expectTypeOf(x.view(3, 2)).toEqualTypeOf<torch.Tensor>();
expectTypeOf(x.view([3, 2])).toEqualTypeOf<torch.Tensor>();
expectTypeOf(x.shape).toEqualTypeOf<readonly number[]>();
expectTypeOf(x.size(0)).toEqualTypeOf<number>();

// Autograd.
expectTypeOf(x.grad).toEqualTypeOf<torch.Tensor | null>();
expectTypeOf(x.requires_grad).toEqualTypeOf<boolean>();
x.sum().backward();
x.backward(torch.ones_like(x), { retain_graph: true });
x.backward({ create_graph: true });
x.grad = null;
// One gradient for each input.
expectTypeOf(torch.autograd.grad(x.sum(), x)).toEqualTypeOf<[torch.Tensor]>();
expectTypeOf(torch.autograd.grad(x.sum(), [x, x])).toEqualTypeOf<[torch.Tensor, torch.Tensor]>();
expectTypeOf(torch.autograd.grad(x.sum(), [x], { allow_unused: true })).toEqualTypeOf<[torch.Tensor | null]>();
expectTypeOf(torch.autograd.grad(x.sum(), [...new torch.nn.Linear(1, 1).parameters()])).toEqualTypeOf<torch.Tensor[]>();
// @ts-expect-error: it is what the graph says
x.is_leaf = true;
// @ts-expect-error: there is no such option
x.sum().backward({ retain: true });

// Modes give back what the function gives.
expectTypeOf(torch.no_grad(() => 1)).toEqualTypeOf<number>();
expectTypeOf(torch.no_grad()).toExtend<Disposable>();

// Dtypes are objects; their names are no substitute.
expectTypeOf(x.dtype).toEqualTypeOf<torch.dtype>();
expectTypeOf(x.to(torch.float64)).toEqualTypeOf<torch.Tensor>();
// @ts-expect-error: a dtype, not its name
torch.zeros(2, { dtype: "float64" });
