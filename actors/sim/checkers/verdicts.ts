/**
 * What the checkers found, and how often each looked: a rule that was never held against anything
 * has proved nothing.
 *
 * @module
 */

import type { Violation } from "../record_checker.ts";

/**
 * The rules that are held against the state of all nodes after every event, by the names under
 * which they are reported. The numbers are those of the guarantees.
 */
export const STATE_RULES = {
  "P1 type-ok": "0 <= log start <= HW <= LEO; epochs rise along a dense log; epoch cache == log",
  "P2 leader-in-isr": "leader in ISR, ISR in replicas and unfenced; ISR and ELR apart",
  "P3 weak-isr": "whoever believes to lead: every member of its ISR holds all below its HW",
  "P4 strong-isr": "every member of the controller's ISR holds all that was ever below a HW",
  "P5 candidate-completeness": "and so does every member of the ELR",
  "P6 leader-completeness": "and so does the leader of the latest epoch",
  "P7 committed-somewhere": "somebody holds all that was ever below a HW",
  "P8 maximal-isr": "the latest leader's maximal ISR contains the controller's ISR and ELR",
  "P9 log-matching": "equal epoch and offset: equal batch, and equal batch before it",
  "P10 one-leader": "one leader for each epoch, and one batch for each epoch and offset",
  "P11 high-watermark": "never falls within a leader epoch, never passes the LEO",
  "P12 truncation": "none below the own HW; no member of the ISR cuts what is committed",
  "P13 consistent-read": "readers get committed batches, and only those",
  "P14 partition-epoch": "epochs of nodes rise, and go with what the controller committed",
  "P15 unclean-exclusion": "whoever registers after an unclean end is in no ISR and no ELR",
  "P16 metadata-matching": "brokers' metadata are a prefix of what is committed, folded",
  "P17 quorum-election": "one leader for each quorum epoch; epochs rise; one vote in each",
  "P18 quorum-majority": "what the leader's HW covers is durable at a majority of the voters",
  "P19 quorum-snapshot": "the metadata log starts where a snapshot ends",
  "P20 quorum-chain": "every node's committed metadata are a prefix of one chain",
  "P23 min-isr": "no acks=all append below min.insync.replicas",
  "P26 sequences": "sequences of a producer have no gap; a new epoch begins at 0",
  "P40 recovery": "after a crash the log is a prefix that holds all that was durable",
} as const;

/** The name of such a rule. */
export type StateRule = keyof typeof STATE_RULES;

const VIOLATIONS_MAX = 50;

/** Takes what checkers find. */
export class Verdicts {
  readonly violations: Violation[] = [];
  readonly #evaluations = new Map<StateRule, number>();
  /** Put before each message: when it was found. */
  readonly #when: () => string;

  constructor(when: () => string = () => "") {
    this.#when = when;
    for (const rule of Object.keys(STATE_RULES) as StateRule[]) this.#evaluations.set(rule, 0);
  }

  /** By rule; all rules are there. */
  get evaluations(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#evaluations);
  }

  /** Counts an evaluation, and takes down a violation where the rule does not hold. */
  hold(rule: StateRule, holds: boolean, message: () => string): void {
    this.#evaluations.set(rule, this.#evaluations.get(rule)! + 1);
    if (holds || this.violations.length >= VIOLATIONS_MAX) return;
    this.violations.push({ rule, message: this.#when() + message() });
  }
}
