/**
 * What happened in a run that the rules are about: a run that never truncates proves nothing about
 * truncation.
 *
 * @module
 */

/** What is counted. */
export const VACUITY = [
  "truncations",
  "divergences over several epochs",
  "ISR shrinks",
  "ISR expansions",
  "elections from the ISR",
  "elections from the ELR",
  "elections of preferred leaders",
  "elections of last known leaders",
  "unclean elections",
  "leaderless partitions",
  "leaders replaced",
  "fenced zombies",
  "controller elections",
  "snapshots loaded",
  "torn tails cut",
  "rotten logs replaced",
  "dedupe hits",
  "brokers fenced",
  "brokers registered after an unclean end",
  "reassignments completed",
  "topics deleted",
] as const;

/** One of them. */
export type VacuityCount = typeof VACUITY[number];

/** Counts them. */
export class Vacuity {
  readonly #counts = new Map<VacuityCount, number>(VACUITY.map((name) => [name, 0]));

  count(name: VacuityCount): void {
    this.#counts.set(name, this.#counts.get(name)! + 1);
  }

  /** By name; all are there. */
  get counts(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#counts);
  }
}
