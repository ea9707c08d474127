/**
 * Strom: an event-streaming platform, as a library.
 *
 * A node in this process, and the clients of any node:
 *
 * ```ts
 * import { Producer, startNode } from "./mod.ts";
 *
 * await using node = await startNode({ data: "./data/1" });
 * await using producer = await Producer.connect(node.address, { acks: "all" });
 * const { partition, offset } = await producer.send({ topic: "orders", key: "42", value: "paid" });
 * ```
 *
 * @module
 */

export { type Node, type NodeOptions, startNode } from "./actors/start_node.ts";
export { Producer } from "./actors/client/producer.ts";
