/**
 * A figure: what was measured, what it should be, and how it stands to the ceiling; and the table
 * and the JSON that a run ends with.
 */

/** What a figure should be, in the figure's unit. */
export interface Target {
  readonly kind: "at least" | "at most";
  readonly value: number;
}

/** One line of the table. */
export interface Figure {
  /** The part of the benchmark that it comes from. */
  readonly part: string;
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  readonly target?: Target;
  /** Share of what the empty sockets of the same run carry. */
  readonly ofCeiling?: number;
  /** What a reader should know besides. */
  readonly note?: string;
}

export function atLeast(value: number): Target {
  return { kind: "at least", value };
}

export function atMost(value: number): Target {
  return { kind: "at most", value };
}

/** Whether the figure is what it should be; undefined where nothing is asked of it. */
export function isMet({ value, target }: Figure): boolean | undefined {
  if (target === undefined) return undefined;
  return target.kind === "at least" ? value >= target.value : value <= target.value;
}

/** The figures as they go into JSON. */
export function figureToJson(figure: Figure): Record<string, unknown> {
  const { part, name, value, unit, target, ofCeiling, note } = figure;
  const verdict = isMet(figure);
  return {
    part,
    name,
    value,
    unit,
    ...(target === undefined ? {} : { target }),
    ...(ofCeiling === undefined ? {} : { ofCeiling }),
    ...(verdict === undefined ? {} : { verdict: verdict ? "ok" : "missed" }),
    ...(note === undefined ? {} : { note }),
  };
}

const HEADINGS = ["part", "figure", "value", "unit", "target", "of ceiling", ""];

/** The figures as a table for people; numbers stand right. */
export function formatTable(figures: readonly Figure[]): string {
  const rows = [HEADINGS, ...figures.map(cells)];
  const widths = HEADINGS.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const line = (row: readonly string[]) =>
    row.map((cell, column) =>
      isNumeric(column) ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!)
    ).join("  ").trimEnd();
  const rule = widths.map((width) => "-".repeat(width)).join("  ").trimEnd();
  const [head, ...body] = rows.map(line);
  const notes = figures.filter(({ note }) => note !== undefined)
    .map(({ part, name, note }) => `${part}, ${name}: ${note}`);
  return [head, rule, ...body, ...(notes.length > 0 ? ["", ...notes] : [])].join("\n");
}

function isNumeric(column: number): boolean {
  return column === 2 || column === 4 || column === 5;
}

function cells(figure: Figure): string[] {
  const { part, name, value, unit, target, ofCeiling } = figure;
  const met = isMet(figure);
  return [
    part,
    name,
    formatNumber(value),
    unit,
    target === undefined
      ? ""
      : `${target.kind === "at least" ? "≥" : "≤"} ${formatNumber(target.value)}`,
    ofCeiling === undefined ? "" : `${(ofCeiling * 100).toFixed(1)} %`,
    met === undefined ? "" : met ? "ok" : "MISSED",
  ];
}

/** Digits enough to compare, and no more: 1,234,567 or 12.3 or 0.123. */
export function formatNumber(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  const digits = size >= 100 || Number.isInteger(value) ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3;
  return value.toLocaleString("en-US", {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  });
}
