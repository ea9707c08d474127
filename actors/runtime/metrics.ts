/**
 * Counters, gauges and histograms, by Kafka's names.
 *
 * A name and its labels always give the same instrument, so code may ask for one where it is used
 * once and keep it where it is used often. Nothing here reads a clock.
 *
 * @module
 */

export type Labels = Readonly<Record<string, string>>;

export interface Counter {
  add(count: number): void;
  readonly value: number;
}

export interface Gauge {
  set(value: number): void;
  readonly value: number;
}

export interface Histogram {
  record(value: number): void;
  readonly count: number;
  /** The value below which the given share (0 to 1) of what was recorded lies, within 2 %. */
  quantile(share: number): number;
}

export interface MetricReading {
  readonly name: string;
  readonly labels: Labels;
  readonly kind: "counter" | "gauge" | "histogram";
  readonly value: number;
  /** Of a histogram: 0.5, 0.99, 0.999. */
  readonly quantiles?: Readonly<Record<string, number>>;
}

export interface Metrics {
  counter(name: string, labels?: Labels): Counter;
  gauge(name: string, labels?: Labels): Gauge;
  histogram(name: string, labels?: Labels): Histogram;
  /** Every instrument as it stands, sorted by name and labels. */
  read(): MetricReading[];
}
