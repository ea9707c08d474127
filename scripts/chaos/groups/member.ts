/**
 * A member of a group, in a process that is killed, stopped and let go on: reads, notes what it
 * read and what it owns, and commits. Told by SIGTERM to leave in order.
 */

import { Consumer, type RebalanceListener, type TopicPartition } from "../../../mod.ts";
import type { MemberEvent, MemberJob } from "./member_events.ts";

const POLL_MS = 100;

type Untimed<Event> = Event extends MemberEvent ? Omit<Event, "at"> : never;

async function run(job: MemberJob): Promise<void> {
  const file = Deno.openSync(job.file, { create: true, append: true });
  const encoder = new TextEncoder();
  const note = (event: Untimed<MemberEvent>) => {
    file.writeSync(encoder.encode(`${JSON.stringify({ at: Date.now(), ...event })}\n`));
  };
  const owner =
    (kind: "assigned" | "revoked" | "lost") => (partitions: readonly TopicPartition[]) =>
      note({ kind, partitions: partitions.map(({ partition }) => partition) });
  const rebalanceListener: RebalanceListener = {
    assigned: owner("assigned"),
    revoked: owner("revoked"),
    lost: owner("lost"),
  };
  let isEnding = false;
  Deno.addSignalListener("SIGTERM", () => isEnding = true);
  const consumer = await Consumer.connect(job.bootstrap, {
    group: job.group,
    topics: [job.topic],
    from: "earliest",
    enableAutoCommit: false,
    rebalanceListener,
    groupProtocol: job.protocol,
    ...job.protocol === "classic"
      ? {
        assignors: ["cooperative-sticky"] as const,
        sessionTimeoutMs: job.sessionTimeoutMs,
        heartbeatIntervalMs: job.heartbeatIntervalMs,
      }
      : {},
  });
  while (!isEnding) {
    const ends = new Map<number, { from: number; to: number }>();
    for (const { partition, offset } of await consumer.poll(POLL_MS)) {
      const range = ends.get(partition);
      if (range === undefined) ends.set(partition, { from: offset, to: offset + 1 });
      else range.to = offset + 1;
    }
    if (ends.size === 0) continue;
    for (const [partition, range] of ends) note({ kind: "processed", partition, ...range });
    try {
      await consumer.commit();
      for (const [partition, { to }] of ends) note({ kind: "committed", partition, offset: to });
    } catch (error) {
      note({ kind: "refused", error: String(error) });
    }
  }
  await consumer.close();
  note({ kind: "left" });
}

await run(JSON.parse(Deno.args[0]!));
Deno.exit(0);
