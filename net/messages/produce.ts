/**
 * Produce: appends record batches to partitions.
 *
 * Versions 0 to 2 carry the message formats before RecordBatch and are not served; they are
 * advertised because librdkafka up to 2.11.0 takes a larger minimum as "no compression"
 * (KAFKA-18659). Versions: 7 allows zstd (KIP-110); 8 adds the record errors (KIP-467); 9 is
 * flexible; 10 adds the new leader to the response (KIP-951); 11 lets TRANSACTION_ABORTABLE be
 * returned, 12 adds the partition to the transaction by itself (KIP-890). With acks 0 there is no
 * response at all.
 *
 * @module
 */

import { api, array, type Infer, int16, int32, int64, records, string, struct } from "../schema.ts";

export const PRODUCE = api({
  key: 0,
  name: "Produce",
  versions: "3-12",
  advertisedVersions: "0-12",
  flexibleVersions: "9+",
  request: struct({
    transactionalId: string({ versions: "3+", nullableVersions: "3+", default: null }),
    acks: int16(),
    timeoutMs: int32(),
    topicData: array(struct({
      name: string(),
      partitionData: array(struct({
        index: int32(),
        records: records({ nullableVersions: "0+" }),
      })),
    })),
  }),
  response: struct({
    responses: array(struct({
      name: string(),
      partitionResponses: array(struct({
        index: int32(),
        errorCode: int16(),
        baseOffset: int64(),
        logAppendTimeMs: int64({ versions: "2+", default: -1, ignorable: true }),
        logStartOffset: int64({ versions: "5+", default: -1, ignorable: true }),
        recordErrors: array(
          struct({
            batchIndex: int32({ versions: "8+" }),
            batchIndexErrorMessage: string({
              versions: "8+",
              nullableVersions: "8+",
              default: null,
            }),
          }),
          { versions: "8+", ignorable: true },
        ),
        errorMessage: string({
          versions: "8+",
          nullableVersions: "8+",
          default: null,
          ignorable: true,
        }),
        currentLeader: struct({
          leaderId: int32({ versions: "10+", default: -1 }),
          leaderEpoch: int32({ versions: "10+", default: -1 }),
        }, { versions: "10+", tag: 0, taggedVersions: "10+" }),
      })),
    })),
    throttleTimeMs: int32({ versions: "1+", ignorable: true }),
    nodeEndpoints: array(
      struct({
        nodeId: int32({ versions: "10+" }),
        host: string({ versions: "10+" }),
        port: int32({ versions: "10+" }),
        rack: string({ versions: "10+", nullableVersions: "10+", default: null }),
      }),
      { versions: "10+", tag: 0, taggedVersions: "10+" },
    ),
  }),
});

export type ProduceRequest = Infer<typeof PRODUCE.request>;
export type ProduceResponse = Infer<typeof PRODUCE.response>;
export type TopicProduceData = ProduceRequest["topicData"][number];
export type PartitionProduceData = TopicProduceData["partitionData"][number];
export type TopicProduceResponse = ProduceResponse["responses"][number];
export type PartitionProduceResponse = TopicProduceResponse["partitionResponses"][number];
export type BatchIndexAndErrorMessage = PartitionProduceResponse["recordErrors"][number];
export type LeaderIdAndEpoch = PartitionProduceResponse["currentLeader"];
export type NodeEndpoint = ProduceResponse["nodeEndpoints"][number];
