/**
 * What became of each trial, as tables for people.
 *
 * @module
 */

/** What became of a trial. */
export interface Outcome {
  readonly outcome: "passed" | "failed" | "cannot";
  readonly reason: string;
}

/** The outcomes of one client at one cluster, by capability. */
export class Column {
  readonly name: string;
  readonly #outcomes: Map<string, Outcome>;

  constructor(name: string, outcomes = new Map<string, Outcome>()) {
    this.name = name;
    this.#outcomes = outcomes;
  }

  /** The same outcomes under another head. */
  named(name: string): Column {
    return new Column(name, this.#outcomes);
  }

  set(capability: string, outcome: Outcome): void {
    this.#outcomes.set(capability, outcome);
  }

  has(capability: string): boolean {
    return this.#outcomes.has(capability);
  }

  get(capability: string): Outcome {
    return this.#outcomes.get(capability) ?? { outcome: "failed", reason: "It was not tried" };
  }

  count(outcome: Outcome["outcome"]): number {
    return [...this.#outcomes.values()].filter((each) => each.outcome === outcome).length;
  }
}

const TEXTS = { passed: "yes", failed: "FAILED", cannot: "–" } as const;

/** Prints a table, and the reasons below it. */
export function printTable(
  title: string,
  columns: readonly Column[],
  rows: readonly string[],
): void {
  const lines = [
    [title, ...columns.map(({ name }) => name)],
    ...rows.map((row) => [row, ...columns.map((column) => TEXTS[column.get(row).outcome])]),
  ];
  const widths = lines[0]!.map((_, index) => Math.max(...lines.map((line) => line[index]!.length)));
  console.log();
  for (const line of lines) {
    console.log(line.map((text, index) => text.padEnd(widths[index]!)).join("  ").trimEnd());
  }
  for (const row of rows) {
    for (const column of columns) {
      const { outcome, reason } = column.get(row);
      if (outcome !== "passed") console.log(`  ${column.name}, ${row}: ${reason}`);
    }
  }
}
