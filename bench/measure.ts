// Numbers and how they are written down: percentiles of what was measured, and the verdict against a budget. Knows nothing of
// what is measured.

/** Milliseconds since an arbitrary start. */
export const nowMs = (): number => performance.now();

/** The value below which the share `p` of the sorted samples lies (nearest rank). */
export function percentile(samples: readonly number[], p: number): number {
  const sorted = [...samples].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(p * sorted.length) - 1)] ?? Number.NaN;
}

export interface Spread {
  n: number;
  p50: number;
  p99: number;
  max: number;
}

export function spread(samples: readonly number[]): Spread {
  return {
    n: samples.length,
    p50: percentile(samples, 0.5),
    p99: percentile(samples, 0.99),
    max: percentile(samples, 1),
  };
}

/** Three digits say what a noisy machine can know. */
export function round(value: number): string {
  if (!Number.isFinite(value)) return "-";
  if (Math.abs(value) >= 100) return Math.round(value).toLocaleString("en-US").replaceAll(",", " ");
  return String(Number(value.toPrecision(3)));
}

export function ms(value: number): string {
  return `${round(value)} ms`;
}
