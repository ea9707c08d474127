/**
 * The kinds of number and text that name things: kept apart by the type checker, free at run time.
 *
 * A flavour (an optional phantom member) lets a plain number in, so literals and decoded fields
 * need no cast, but refuses an `Epoch` where an `Offset` is meant. Every one of them is a safe
 * integer: codecs refuse anything beyond 2^53 - 1.
 *
 * @module
 */

/** @ignore */
declare const flavour: unique symbol;
type Flavoured<Base, Name extends string> = Base & {
  readonly [flavour]?: Name;
};

/**
 * A position in a partition's log. An exclusive end (log end offset, high watermark) is one too.
 */
export type Offset = Flavoured<number, "Offset">;

/** A leader epoch: rises by one with each new leader of a partition or of the metadata quorum. */
export type Epoch = Flavoured<number, "Epoch">;

/** The id of a node: `node.id` in Kafka's words. */
export type NodeId = Flavoured<number, "NodeId">;

/** The id that the controller gives to an idempotent producer; -1 is none. */
export type ProducerId = Flavoured<number, "ProducerId">;

/** Milliseconds since 1970-01-01 UTC, as records carry them; -1 is none. */
export type Timestamp = Flavoured<number, "Timestamp">;

/** A 128-bit id in Kafka's text form: base64url without padding, 22 characters. */
export type Uuid = Flavoured<string, "Uuid">;

/** The id that stands for "none". */
export const ZERO_UUID: Uuid = "AAAAAAAAAAAAAAAAAAAAAA";

/** No offset, no epoch, no producer, no node: Kafka's -1. */
export const NONE = -1;

/** An offset together with the leader epoch of the record before it. */
export interface OffsetAndEpoch {
  readonly offset: Offset;
  readonly epoch: Epoch;
}
