/**
 * The shape of every decision of the controller: what to write, and what to say once it is
 * committed. Deciding reads the image and changes nothing; only replaying the records does.
 *
 * @module
 */

import type { NodeId, Offset } from "../../storage/bytes/ids.ts";
import type { ErrorCode } from "../../net/messages/errors.ts";
import type { ConsumerGroupDefaults } from "../config/consumer_group_config.ts";
import type { TopicConfig } from "../config/topic_config.ts";
import type { RandomStream } from "../runtime/environment.ts";
import type { ClusterImage } from "./cluster_image.ts";
import type { ControllerRules } from "./controller_rules.ts";
import type { MetadataRecord } from "./metadata_record.ts";

export interface Decision<Response> {
  /** Written as one batch, so that all of them are there or none. */
  readonly records: readonly MetadataRecord[];
  readonly response: Response;
}

/** What a decision may read. */
export interface DecisionContext {
  /** With everything replayed that was appended, committed or not. */
  readonly image: ClusterImage;
  /** For topic ids and the first broker of a spread. */
  readonly random: RandomStream;
  readonly defaults: ControllerDefaults;
  readonly rules: ControllerRules;
}

/** What a decision knows beside the image. */
export interface DecisionFacts {
  /** Milliseconds of the monotonic clock. */
  readonly now: number;
  /** Where the first of the decision's records will be in the metadata log. */
  readonly nextOffset: Offset;
}

/** The broker configs that decisions depend on. */
export interface ControllerDefaults extends ConsumerGroupDefaults {
  /** `node.id`: of the node whose controller decides. */
  readonly nodeId: NodeId;
  /** `num.partitions` */
  readonly numPartitions: number;
  /** `default.replication.factor` */
  readonly replicationFactor: number;
  /** `delete.topic.enable` */
  readonly deleteTopicEnable: boolean;
  /** `broker.session.timeout.ms` */
  readonly brokerSessionTimeoutMs: number;
  /** `auto.leader.rebalance.enable` */
  readonly autoLeaderRebalanceEnable: boolean;
  /** `leader.imbalance.check.interval.seconds` */
  readonly leaderImbalanceCheckIntervalSeconds: number;
  /** What topics have that do not set it themselves. */
  readonly topicDefaults: TopicConfig;
  /** The broker's configs as text: they set the defaults of topic configs. */
  readonly properties: Readonly<Record<string, string>>;
}

/**
 * Why a part of a request is refused; caught by the decision it is part of. No `Error`: a request
 * may have 25,000 parts to refuse, and what an error notes of its stack costs more than all else.
 */
export class Refusal {
  constructor(readonly code: ErrorCode, readonly message: string) {}
}

/** Runs one part of a request; a refusal becomes what `refused` makes of it. */
export function orRefuse<Result>(
  decide: () => Result,
  refused: (refusal: Refusal) => Result,
): Result {
  try {
    return decide();
  } catch (error) {
    if (error instanceof Refusal) return refused(error);
    throw error;
  }
}
