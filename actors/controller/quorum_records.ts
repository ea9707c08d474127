/**
 * The quorum's own records as control records, byte for byte as Kafka's controllers write them.
 *
 * @module
 */

import type { Offset } from "../../storage/bytes/ids.ts";
import { type ControlRecordContent, decodeControlRecord } from "../../storage/control_record.ts";
import { RecordCursor } from "../../storage/record.ts";
import type { BatchView } from "../../storage/record_batch.ts";
import { decodeMessage, encodeMessage } from "../../net/kafka/codec.ts";
import { K_RAFT_VERSION_RECORD } from "../../net/messages/records/kraft_version_record.ts";
import { LEADER_CHANGE_MESSAGE } from "../../net/messages/records/leader_change_message.ts";
import { VOTERS_RECORD } from "../../net/messages/records/voters_record.ts";
import type { QuorumRecord } from "./quorum_log.ts";
import { QUORUM_LISTENER } from "./quorum_messages.ts";
import { type ReplicaKey, type VotersAt, VoterSet } from "./voters.ts";

/** A record of the quorum, to be put into a control batch. */
export function controlContent(record: QuorumRecord): ControlRecordContent {
  switch (record.kind) {
    case "leader-change": {
      const value = encodeMessage(LEADER_CHANGE_MESSAGE, 1, {
        version: 1,
        leaderId: record.leaderId,
        voters: record.voters.map(replica),
        grantingVoters: record.granting.map(replica),
      });
      return { kind: "LEADER_CHANGE", version: 0, value };
    }
    case "kraft-version": {
      const value = encodeMessage(K_RAFT_VERSION_RECORD, 0, {
        version: 0,
        kRaftVersion: record.version,
      });
      return { kind: "KRAFT_VERSION", version: 0, value };
    }
    case "voters":
      return { kind: "KRAFT_VOTERS", version: 0, value: encodeVoters(record.voters) };
  }
}

/** The sets of voters in a control batch. */
export function votersIn(batch: BatchView): VotersAt[] {
  const found: VotersAt[] = [];
  const cursor = new RecordCursor(batch);
  while (cursor.next()) {
    const record = decodeControlRecord(cursor.toRecord());
    if (record.kind !== "KRAFT_VOTERS") continue;
    const offset: Offset = cursor.offset;
    found.push({ offset, voters: decodeVoters(record.value) });
  }
  return found;
}

function replica({ id, directoryId }: ReplicaKey) {
  return { voterId: id, voterDirectoryId: directoryId };
}

function encodeVoters(voters: VoterSet): Uint8Array {
  return encodeMessage(VOTERS_RECORD, 0, {
    version: 0,
    voters: voters.voters.map(({ id, directoryId, address }) => ({
      voterId: id,
      voterDirectoryId: directoryId,
      endpoints: address === undefined ? [] : [{ name: QUORUM_LISTENER, ...address }],
      kRaftVersionFeature: { minSupportedVersion: 0, maxSupportedVersion: 1 },
    })),
  });
}

function decodeVoters(bytes: Uint8Array): VoterSet {
  const { voters } = decodeMessage(VOTERS_RECORD, 0, bytes);
  return new VoterSet(voters.map(({ voterId, voterDirectoryId, endpoints }) => {
    const found = endpoints.find(({ name }) => name === QUORUM_LISTENER) ?? endpoints[0];
    const address = found === undefined ? undefined : { host: found.host, port: found.port };
    return { id: voterId, directoryId: voterDirectoryId, address };
  }));
}
