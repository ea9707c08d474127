/**
 * Counters, gauges and histograms, by Kafka's names.
 *
 * A name and its labels always give the same instrument, so code may ask for one where it is used
 * once and keep it where it is used often. Nothing here reads a clock.
 *
 * @module
 */

/** What tells instruments of one name apart. */
export type Labels = Readonly<Record<string, string>>;

/** A sum that only grows. */
export interface Counter {
  /** Adds to it. */
  add(count: number): void;
  /** What was added so far. */
  readonly value: number;
}

/** A value that goes up and down. */
export interface Gauge {
  /** Replaces it. */
  set(value: number): void;
  /** What was set last. */
  readonly value: number;
}

/** The distribution of what was recorded. */
export interface Histogram {
  /** Takes in one value. */
  record(value: number): void;
  /** How many values were recorded. */
  readonly count: number;
  /** The value below which the given share (0 to 1) of what was recorded lies, within 2 %. */
  quantile(share: number): number;
}

/** One instrument as it stood. */
export interface MetricReading {
  /** Kafka's, where Kafka has such a metric. */
  readonly name: string;
  /** Those it was asked for with. */
  readonly labels: Labels;
  /** Which sort of instrument it is. */
  readonly kind: "counter" | "gauge" | "histogram";
  /** Of a histogram, the count. */
  readonly value: number;
  /** Of a histogram: 0.5, 0.99, 0.999. */
  readonly quantiles?: Readonly<Record<string, number>>;
}

/** The instruments of a process. */
export interface Metrics {
  /** The counter of that name and those labels. */
  counter(name: string, labels?: Labels): Counter;
  /** The gauge of that name and those labels. */
  gauge(name: string, labels?: Labels): Gauge;
  /** The histogram of that name and those labels. */
  histogram(name: string, labels?: Labels): Histogram;
  /** Every instrument as it stands, sorted by name and labels. */
  read(): MetricReading[];
}
