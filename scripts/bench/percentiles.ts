/** Percentiles of many measured values. */

/** The value that so many percent of the values do not exceed (nearest rank); NaN of none. */
export function percentile(values: Float64Array, percent: number): number {
  const sorted = values.slice().sort();
  const rank = Math.ceil(percent * sorted.length / 100);
  return sorted[Math.max(0, rank - 1)] ?? Number.NaN;
}

export function median(values: readonly number[]): number {
  return percentile(Float64Array.from(values), 50);
}
