/** The workloads, in the order of the table. */

export const workloadNames: Readonly<Record<string, string>> = {
  add_small: "x + y, 4 elements, no gradient",
  chain_small: "((x*2+1).tanh()*x).sum() of 4 elements, forward and backward",
  add_1m: "a + b, 1,048,576 elements",
  exp_1m: "exp, 1,048,576 elements",
  sum_1m: "sum, 1,048,576 elements",
  softmax_1m: "softmax over the rows of 1024x1024",
  ln_gelu_chain: "((a*b+c).gelu()*a).sum(), 1,048,576 elements",
  mm_64: "matrix product, 64x64",
  mm_256: "matrix product, 256x256",
  mm_1024: "matrix product, 1024x1024",
  mlp_step: "784-256-256-10 ReLU, batch 64, cross entropy, Adam step",
  conv_fb: "conv2d 32->64, 3x3, batch 8 of 32x32, forward and backward",
  gpt_step: "transformer of 2 blocks, d=128, 4 heads, T=64, B=8, AdamW step",
};
