/**
 * Partial sorting of positions: the algorithms of the C++ library and of PyTorch, step by step, so that among equal elements
 * the same ones are chosen.
 */

/** Whether the element at one position must stand before that at another. */
export type Before = (a: number, b: number) => boolean;

function swap(a: Int32Array, i: number, j: number): void {
  const t = a[i] as number;
  a[i] = a[j] as number;
  a[j] = t;
}

const logOf = (n: number): number => 31 - Math.clz32(n);

/** Puts the median of three positions in front. */
function medianToFront(a: Int32Array, to: number, x: number, y: number, z: number, before: Before): void {
  const [p, q, r] = [a[x] as number, a[y] as number, a[z] as number];
  if (before(p, q)) {
    if (before(q, r)) swap(a, to, y);
    else swap(a, to, before(p, r) ? z : x);
  } else if (before(p, r)) swap(a, to, x);
  else swap(a, to, before(q, r) ? z : y);
}

function partition(a: Int32Array, first: number, last: number, before: Before): number {
  medianToFront(a, first, first + 1, first + ((last - first) >> 1), last - 1, before);
  const pivot = a[first] as number;
  let low = first + 1;
  let high = last;
  for (;;) {
    while (before(a[low] as number, pivot)) low++;
    high--;
    while (before(pivot, a[high] as number)) high--;
    if (low >= high) return low;
    swap(a, low, high);
    low++;
  }
}

function insertionSort(a: Int32Array, first: number, last: number, before: Before): void {
  for (let i = first + 1; i < last; i++) {
    const item = a[i] as number;
    let j = i;
    while (j > first && before(item, a[j - 1] as number)) {
      a[j] = a[j - 1] as number;
      j--;
    }
    a[j] = item;
  }
}

// --- heaps -----------------------------------------------------------------------------------------------------------

function sift(a: Int32Array, first: number, hole: number, length: number, item: number, before: Before): void {
  const top = hole;
  let child = hole;
  let at = hole;
  while (child < (length - 1) >> 1) {
    child = 2 * (child + 1);
    if (before(a[first + child] as number, a[first + child - 1] as number)) child--;
    a[first + at] = a[first + child] as number;
    at = child;
  }
  if ((length & 1) === 0 && child === (length - 2) >> 1) {
    child = 2 * (child + 1);
    a[first + at] = a[first + child - 1] as number;
    at = child - 1;
  }
  let parent = (at - 1) >> 1;
  while (at > top && before(a[first + parent] as number, item)) {
    a[first + at] = a[first + parent] as number;
    at = parent;
    parent = (at - 1) >> 1;
  }
  a[first + at] = item;
}

/** Moves the elements that come first, up to `middle`, to the front, as a heap. */
function heapSelect(a: Int32Array, first: number, middle: number, last: number, before: Before): void {
  const length = middle - first;
  for (let parent = length < 2 ? -1 : (length - 2) >> 1; parent >= 0; parent--) {
    sift(a, first, parent, length, a[first + parent] as number, before);
  }
  for (let i = middle; i < last; i++) {
    if (!before(a[i] as number, a[first] as number)) continue;
    const item = a[i] as number;
    a[i] = a[first] as number;
    sift(a, first, 0, length, item, before);
  }
}

/** The first `middle - first` in order at the front (`std::partial_sort`). */
export function partialSort(a: Int32Array, first: number, middle: number, last: number, before: Before): void {
  if (middle <= first) return;
  heapSelect(a, first, middle, last, before);
  for (let end = middle - 1; end > first; end--) {
    const item = a[end] as number;
    a[end] = a[first] as number;
    sift(a, first, 0, end - first, item, before);
  }
}

// --- selection and sorting -------------------------------------------------------------------------------------------

/** The element that belongs at `nth` there, those before it in front (`std::nth_element`). */
export function nthElement(a: Int32Array, start: number, nth: number, end: number, before: Before): void {
  let first = start;
  let last = end;
  if (first >= last || nth >= last) return;
  let depth = 2 * logOf(last - first);
  while (last - first > 3) {
    if (depth-- === 0) {
      heapSelect(a, first, nth + 1, last, before);
      swap(a, first, nth);
      return;
    }
    const cut = partition(a, first, last, before);
    if (cut <= nth) first = cut;
    else last = cut;
  }
  insertionSort(a, first, last, before);
}

function introsort(a: Int32Array, first: number, end: number, limit: number, before: Before): void {
  let last = end;
  let depth = limit;
  while (last - first > 16) {
    if (depth-- === 0) {
      partialSort(a, first, last, last, before);
      return;
    }
    const cut = partition(a, first, last, before);
    introsort(a, cut, last, depth, before);
    last = cut;
  }
}

/** All in order, equal elements in any (`std::sort`). */
export function unstableSort(a: Int32Array, first: number, last: number, before: Before): void {
  if (last - first < 2) return;
  introsort(a, first, last, 2 * logOf(last - first), before);
  insertionSort(a, first, last, before);
}

/** The element that belongs at `k` there; PyTorch's own selection. `after(a, b)` tells whether a belongs behind b. */
export function quickSelect(a: Int32Array, n: number, k: number, after: Before): void {
  let left = 0;
  let right = n - 1;
  const at = (i: number): number => a[i] as number;
  for (;;) {
    if (right <= left) return;
    if (right === left + 1) {
      if (after(at(left), at(right))) swap(a, left, right);
      return;
    }
    swap(a, left + ((right - left) >> 1), left + 1);
    if (after(at(left + 1), at(right))) swap(a, left + 1, right);
    if (after(at(left), at(right))) swap(a, left, right);
    if (after(at(left + 1), at(left))) swap(a, left + 1, left);
    let i = left + 1;
    let j = right;
    const pivot = at(left);
    for (;;) {
      do i++;
      while (after(pivot, at(i)));
      do j--;
      while (after(at(j), pivot));
      if (j < i) break;
      swap(a, i, j);
    }
    swap(a, left, j);
    if (j <= k) left = i;
    if (j >= k) right = j - 1;
  }
}
