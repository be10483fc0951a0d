import * as torch from "flambeau";
import { describe, expect, it } from "vitest";

const { fft } = torch;
const { gradcheck, gradgradcheck } = torch.autograd;
type Tensor = torch.Tensor;

function numbers(n: number, seed: number): number[] {
  return Array.from({ length: n }, (_, i) => {
    const x = Math.sin((i + 1) * 12.9898 + seed * 78.233) * 43758.5453;
    return 2 * (x - Math.floor(x)) - 1;
  });
}

function random(shape: readonly number[], seed: number, complex = false): Tensor {
  const n = shape.reduce((a, b) => a * b, 1);
  const part = (s: number): Tensor => torch.tensor(numbers(n, s), { dtype: torch.float64 }).view(shape);
  return complex ? torch.complex(part(seed), part(seed + 50)) : part(seed);
}

function farthest(a: Tensor, b: Tensor): number {
  expect(a.shape).toEqual(b.shape);
  return Number(a.sub(b).abs().amax().item());
}
const close = (a: Tensor, b: Tensor, limit = 1e-12): void => expect(farthest(a, b)).toBeLessThan(limit);

/** The transform as a product with the matrix of all its factors. */
function direct(x: Tensor, sign: 1 | -1): Tensor {
  const n = x.shape.at(-1) as number;
  const rows = Array.from({ length: n }, (_, j) =>
    Array.from({ length: n }, (__, k) => (2 * Math.PI * ((j * k) % n)) / n),
  );
  const angles = torch.tensor(rows, { dtype: torch.float64 });
  return x.matmul(torch.complex(angles.cos(), angles.sin().mul(sign)));
}

function checkDerivatives(f: (x: Tensor) => Tensor | Tensor[], input: Tensor): void {
  const leaf = input.detach().requires_grad_();
  expect(gradcheck(f as never, [leaf])).toBe(true);
  expect(gradgradcheck(f as never, [leaf])).toBe(true);
}

describe("transforms of one dim", () => {
  it("agree with the sum, whatever the length", () => {
    // Small factors, primes that are summed directly, and primes that go by convolution.
    for (const n of [1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 13, 15, 16, 17, 26, 31, 34, 49, 64, 97, 100, 128, 143]) {
      const x = random([2, n], n, true);
      close(fft.fft(x), direct(x, -1), 1e-11);
      close(fft.ifft(x).mul(n), direct(x, 1), 1e-11);
      const real = random([2, n], n + 1);
      const whole = fft.fft(real);
      close(whole, direct(real.to(torch.complex128), -1), 1e-11);
      close(fft.rfft(real), whole.narrow(1, 0, Math.floor(n / 2) + 1));
      close(fft.irfft(fft.rfft(real), n), real);
      close(fft.hfft(fft.ihfft(real), n), real);
    }
  });
  it("large lengths", () => {
    for (const n of [4096, 5040, 4099]) {
      const x = random([n], 3, true);
      close(fft.ifft(fft.fft(x)), x);
    }
  });
  it("scaling, lengths and dims", () => {
    const x = random([4, 6], 4, true);
    close(fft.fft(x, null, -1, "ortho"), fft.fft(x).div(Math.sqrt(6)));
    close(fft.fft(x, null, -1, "forward"), fft.fft(x).div(6));
    close(fft.ifft(x, null, -1, "forward"), fft.ifft(x).mul(6));
    close(fft.fft(x, 4), fft.fft(x.narrow(1, 0, 4)));
    close(fft.fft(x, 8), fft.fft(torch.cat([x, x.new_zeros([4, 2])], 1)));
    close(fft.fft(x, null, 0), fft.fft(x.mT).mT);
    expect(fft.fft(torch.arange(4)).dtype).toBe(torch.complex64);
    expect(fft.rfft(torch.ones(3, { dtype: torch.float64 })).dtype).toBe(torch.complex128);
  });
  it("messages", () => {
    const x = torch.ones(4);
    expect(() => fft.fft(x, 0)).toThrow("Invalid number of data points (0) specified");
    expect(() => fft.fft(x, null, 1)).toThrow("Dimension out of range (expected to be in range of [-1, 0], but got 1)");
    expect(() => fft.fft(x, null, -1, "x" as "ortho")).toThrow('Invalid normalization mode: "x"');
    expect(() => fft.rfft(x.to(torch.complex64))).toThrow("rfft expects a real input tensor, but got ComplexFloat");
    expect(() => fft.fftn(x, null, [0, 0])).toThrow("FFT dims must be unique");
    expect(() => fft.fft(torch.tensor(1))).toThrow("Dimension specified as -1 but tensor has no dimensions");
  });
});

describe("transforms of several dims", () => {
  const x = random([3, 4, 5], 5, true);
  it("are those of each dim in turn", () => {
    close(fft.fftn(x), fft.fft(fft.fft(fft.fft(x, null, 0), null, 1), null, 2));
    close(fft.fft2(x), fft.fft(fft.fft(x, null, 1), null, 2));
    close(fft.ifftn(fft.fftn(x)), x);
    const real = random([3, 4, 5], 6);
    close(fft.irfftn(fft.rfftn(real), [3, 4, 5]), real);
    close(fft.irfft2(fft.rfft2(real), [4, 5]), real);
    close(fft.hfft2(fft.ihfft2(real), [4, 5]), real);
    close(fft.hfftn(fft.ihfftn(real), [3, 4, 5]), real);
  });
  it("lie in memory as PyTorch's", () => {
    expect(fft.fft(torch.ones(5, 6, 7), null, 1).stride()).toEqual([42, 1, 6]);
    expect(fft.fftn(torch.ones(5, 6, 7), null, [0, 2]).stride()).toEqual([7, 35, 1]);
  });
});

describe("derivatives", () => {
  it("of transforms", () => {
    const real = random([2, 5], 7);
    const complex = random([2, 5], 8, true);
    checkDerivatives((t) => fft.fft(t), complex);
    checkDerivatives((t) => fft.ifft(t, 6, 0, "ortho"), complex);
    checkDerivatives((t) => fft.fft(t), real);
    checkDerivatives((t) => fft.rfft(t), real);
    checkDerivatives((t) => fft.rfft(t, 4), real);
    checkDerivatives((t) => fft.ihfft(t), real);
    checkDerivatives((t) => fft.irfft(t), complex);
    checkDerivatives((t) => fft.irfft(t, 7), complex);
    checkDerivatives((t) => fft.hfft(t, 8), complex);
    checkDerivatives((t) => fft.fftn(t), complex);
    checkDerivatives((t) => fft.rfftn(t), real);
    checkDerivatives((t) => fft.irfftn(t), complex);
  });
  it("nodes are named as in PyTorch", () => {
    const x = random([4], 9).requires_grad_();
    const z = random([4], 10, true).requires_grad_();
    const names = [fft.fft(x), fft.fft(z), fft.irfft(z), fft.ihfft(x)].map((t) => t.grad_fn?.name());
    expect(names).toEqual(["FftR2CBackward0", "FftC2CBackward0", "FftC2RBackward0", "ConjBackward0"]);
  });
});

it("frequencies and shifts", () => {
  expect(fft.fftfreq(5).mul(5).round().tolist()).toEqual([0, 1, 2, -2, -1]);
  expect(fft.fftfreq(4, 0.5).tolist()).toEqual([0, 0.5, -1, -0.5]);
  expect(fft.rfftfreq(5).mul(5).round().tolist()).toEqual([0, 1, 2]);
  const x = torch.arange(5);
  expect(fft.fftshift(x).tolist()).toEqual([3, 4, 0, 1, 2]);
  expect(fft.ifftshift(fft.fftshift(x)).tolist()).toEqual([0, 1, 2, 3, 4]);
});

describe("short-time transforms", () => {
  const window = torch.hann_window(16, { dtype: torch.float64 });
  it("of pieces, one by one", () => {
    const x = random([2, 40], 11);
    const spectra = torch.stft(x, { n_fft: 16, window, center: false, return_complex: true });
    expect(spectra.shape).toEqual([2, 9, 7]);
    close(spectra.select(2, 3), fft.rfft(x.narrow(1, 12, 16).mul(window)));
    const narrow = torch.stft(x, { n_fft: 16, win_length: 8, center: false, return_complex: true });
    const middle = torch.zeros(16, { dtype: torch.float64 });
    middle.narrow(0, 4, 8).fill_(1);
    close(narrow.select(2, 0), fft.rfft(x.narrow(1, 0, 16).mul(middle)));
  });
  it("and back", () => {
    const x = random([2, 64], 12);
    for (const options of [{}, { normalized: true }, { onesided: false }]) {
      const spectra = torch.stft(x, { n_fft: 16, window, return_complex: true, ...options });
      close(torch.istft(spectra, { n_fft: 16, window, ...options }), x);
    }
    const z = random([64], 13, true);
    const spectra = torch.stft(z, { n_fft: 16, return_complex: true });
    close(torch.istft(spectra, { n_fft: 16, return_complex: true, onesided: false }), z);
    const cut = torch.istft(torch.stft(x, { n_fft: 16, window, return_complex: true }), {
      n_fft: 16,
      window,
      length: 50,
    });
    close(cut, x.narrow(1, 0, 50));
  });
  it("derivatives", () => {
    checkDerivatives((t) => torch.stft(t, { n_fft: 4, return_complex: true }), random([8], 14));
    checkDerivatives((t) => torch.istft(t, { n_fft: 4 }), random([3, 4], 15, true));
  });
  it("messages", () => {
    expect(() => torch.stft(torch.ones(20), { n_fft: 8 })).toThrow(
      "stft requires the return_complex parameter be given for real inputs",
    );
    expect(() => torch.stft(torch.ones(4), { n_fft: 8, center: false, return_complex: true })).toThrow(
      "expected 0 < n_fft < 4, but got n_fft=8",
    );
  });
});

describe("windows", () => {
  const { windows } = torch.signal;
  const f64 = { dtype: torch.float64 };
  it("symmetric and periodic", () => {
    expect(windows.bartlett(5, f64).tolist()).toEqual([0, 0.5, 1, 0.5, 0]);
    expect(windows.bartlett(4, { ...f64, sym: false }).tolist()).toEqual([0, 0.5, 1, 0.5]);
    close(torch.hann_window(8, f64), windows.hann(8, { ...f64, sym: false }));
    close(torch.hann_window(8, false, f64), windows.hann(8, f64));
    close(torch.hamming_window(8, true, 0.5, 0.5, f64), torch.hann_window(8, f64));
    close(torch.kaiser_window(9, false, 12, f64), windows.kaiser(9, f64));
    close(torch.blackman_window(8, f64), windows.blackman(8, { ...f64, sym: false }));
    close(windows.general_cosine(7, { ...f64, a: [0.54, 0.46] }), windows.hamming(7, f64));
    close(windows.gaussian(3, { ...f64, std: 0.5 }), torch.tensor([Math.exp(-2), 1, Math.exp(-2)], f64));
    close(windows.exponential(3, { ...f64, tau: 2 }), torch.tensor([Math.exp(-0.5), 1, Math.exp(-0.5)], f64));
    close(windows.cosine(2, f64), torch.tensor([Math.SQRT1_2, Math.SQRT1_2], f64));
    expect(windows.nuttall(1).tolist()).toEqual([1]);
    expect(windows.hann(0).shape).toEqual([0]);
    expect(windows.hann(3).dtype).toBe(torch.float32);
  });
  it("messages", () => {
    expect(() => windows.kaiser(3, { beta: -1 })).toThrow("beta must be non-negative, got: -1 instead.");
    expect(() => windows.cosine(-1)).toThrow("cosine requires non-negative window length, got M=-1");
    expect(() => windows.gaussian(2, { dtype: torch.int64 })).toThrow(
      "gaussian expects float32 or float64 dtypes, got: torch.int64",
    );
  });
});
