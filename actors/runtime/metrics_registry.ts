/**
 * The instruments of one node, in memory, by name and labels. Whoever reads them (a page, a scrape)
 * takes the values as they stand; nothing here reads a clock or forgets.
 *
 * @module
 */

import { LogLinearHistogram } from "./histogram.ts";
import type { Counter, Gauge, Histogram, Labels, MetricReading, Metrics } from "./metrics.ts";

class PlainCounter implements Counter {
  value = 0;
  add(count: number): void {
    this.value += count;
  }
}

class PlainGauge implements Gauge {
  value = 0;
  set(value: number): void {
    this.value = value;
  }
}

type Instrument =
  | { readonly kind: "counter"; readonly instrument: PlainCounter }
  | { readonly kind: "gauge"; readonly instrument: PlainGauge }
  | { readonly kind: "histogram"; readonly instrument: LogLinearHistogram };

type Entry = Instrument & { readonly name: string; readonly labels: Labels };

const NO_LABELS: Labels = {};
const QUANTILES = [0.5, 0.99, 0.999] as const;

/** The metrics of an environment. Asking for a name as another kind throws an `Error`. */
export class InMemoryMetrics implements Metrics {
  readonly #entries = new Map<string, Entry>();
  readonly #scratch = new DataView(new ArrayBuffer(8));

  counter(name: string, labels: Labels = NO_LABELS): Counter {
    const entry = this.#entry(name, labels, () => ({
      kind: "counter",
      instrument: new PlainCounter(),
    }));
    if (entry.kind !== "counter") throw wrongKind(entry, "counter");
    return entry.instrument;
  }

  gauge(name: string, labels: Labels = NO_LABELS): Gauge {
    const entry = this.#entry(name, labels, () => ({
      kind: "gauge",
      instrument: new PlainGauge(),
    }));
    if (entry.kind !== "gauge") throw wrongKind(entry, "gauge");
    return entry.instrument;
  }

  histogram(name: string, labels: Labels = NO_LABELS): Histogram {
    const entry = this.#entry(name, labels, () => ({
      kind: "histogram",
      instrument: new LogLinearHistogram(this.#scratch),
    }));
    if (entry.kind !== "histogram") throw wrongKind(entry, "histogram");
    return entry.instrument;
  }

  /** A histogram's value is its count. */
  read(): MetricReading[] {
    const keys = [...this.#entries.keys()].sort();
    return keys.map((key) => reading(this.#entries.get(key) as Entry));
  }

  #entry(name: string, labels: Labels, make: () => Instrument): Entry {
    const key = keyOf(name, labels);
    let entry = this.#entries.get(key);
    if (entry === undefined) {
      entry = { ...make(), name, labels };
      this.#entries.set(key, entry);
    }
    return entry;
  }
}

function keyOf(name: string, labels: Labels): string {
  if (labels === NO_LABELS) return name;
  const parts = Object.keys(labels).sort().map((label) => [label, labels[label]]);
  // A space sorts before whatever else may follow a name.
  return parts.length === 0 ? name : `${name} ${JSON.stringify(parts)}`;
}

function reading(entry: Entry): MetricReading {
  const { name, labels, kind } = entry;
  if (kind !== "histogram") return { name, labels, kind, value: entry.instrument.value };
  const quantiles: Record<string, number> = {};
  for (const share of QUANTILES) quantiles[String(share)] = entry.instrument.quantile(share);
  return { name, labels, kind, value: entry.instrument.count, quantiles };
}

function wrongKind(entry: Entry, asked: string): Error {
  return new Error(`Cannot use metric ${entry.name} as a ${asked}: it is a ${entry.kind}`);
}
