import { assertEquals } from "@std/assert";
import { readQuorumState, writeQuorumState } from "../../../actors/controller/quorum_state_file.ts";
import { readSmallText } from "../../../storage/checkpoint.ts";
import { MemoryDisk } from "../../../storage/memory_disk.ts";

/** Of Apache Kafka 4.0.0's FileQuorumStateStore: a candidate that voted for itself in epoch 4. */
const KAFKAS = '{"leaderId":-1,"leaderEpoch":4,"votedId":1,' +
  '"votedDirectoryId":"fkKvss2gTCqGu5DakdCF0g","data_version":1}';
const PATH = "__cluster_metadata-0/quorum-state";

Deno.test("quorum-state: reads what Kafka wrote, and writes the very same", () => {
  const disk = new MemoryDisk();
  disk.makeDirectory("__cluster_metadata-0");
  assertEquals(readQuorumState(disk), undefined);
  disk.open(PATH, { create: true }).write(new TextEncoder().encode(KAFKAS), 0);
  const state = readQuorumState(disk)!;
  assertEquals(state, {
    leaderId: -1,
    leaderEpoch: 4,
    votedId: 1,
    votedDirectoryId: "fkKvss2gTCqGu5DakdCF0g",
  });
  disk.remove(PATH);
  writeQuorumState(disk, state);
  assertEquals(readSmallText(disk, PATH), KAFKAS);
});
