/**
 * A controller without a log: what is decided is replayed at once. For tests of decisions.
 */
import { parseBrokerConfig } from "../../../actors/config/broker_config.ts";
import { Refusal } from "../../../actors/controller/decision.ts";
import { ClusterImage, type PartitionImage } from "../../../actors/controller/cluster_image.ts";
import {
  ControllerDecisions,
  type ControllerDecisionsOptions,
} from "../../../actors/controller/decisions.ts";
import type { MetadataRecord } from "../../../actors/controller/metadata_record.ts";
import { SeededStream } from "../../../actors/runtime/random_stream.ts";
import { BROKER_HEARTBEAT } from "../../../net/messages/broker_heartbeat.ts";
import { BROKER_REGISTRATION } from "../../../net/messages/broker_registration.ts";
import { CREATE_TOPICS } from "../../../net/messages/create_topics.ts";
import { INCREMENTAL_ALTER_CONFIGS } from "../../../net/messages/incremental_alter_configs.ts";
import { type Api, type Draft, make } from "../../../net/schema.ts";
import { type NodeId, NONE, type Offset, type Uuid } from "../../../storage/bytes/ids.ts";

export interface WorldOptions {
  readonly properties?: Readonly<Record<string, string>>;
  /** Brokers that are registered and unfenced from the beginning. */
  readonly brokers?: readonly NodeId[];
  /** Their racks, in the same order. */
  readonly racks?: readonly string[];
  readonly metadataVersion?: number;
  /** The rules that decide; canaries put theirs here. */
  readonly Decisions?: new (options: ControllerDecisionsOptions) => ControllerDecisions;
}

export class DecisionWorld {
  readonly image = new ClusterImage();
  readonly log: MetadataRecord[] = [];
  readonly decisions: ControllerDecisions;
  /** Called after each batch of records. */
  onBatch: (records: readonly MetadataRecord[]) => void = () => {};
  now = 1000;
  #incarnations = 0;

  constructor(options: WorldOptions = {}) {
    const { properties = {}, brokers = [], racks = [], Decisions = ControllerDecisions } = options;
    const level = options.metadataVersion;
    if (level !== undefined) {
      this.write([{
        kind: "FeatureLevelRecord",
        value: { name: "metadata.version", featureLevel: level },
      }]);
    }
    this.decisions = new Decisions({
      image: this.image,
      random: new SeededStream(1, 2, 3),
      defaults: parseBrokerConfig({ "node.id": "99", ...properties }),
    });
    this.write(this.decisions.becameActive(this.now));
    for (const [index, id] of brokers.entries()) this.start(id, { rack: racks[index] ?? null });
  }

  get nextOffset(): Offset {
    return this.log.length;
  }

  /** Decides and writes; answers as the API does. */
  ask<Request, Response>(api: Api<Request, Response>, draft: Draft<Request>): Response {
    const { now, nextOffset } = this;
    const decision = this.decisions.decide(api, make(api.request, draft), { now, nextOffset });
    this.write(decision.records);
    return decision.response as Response;
  }

  write(records: readonly MetadataRecord[]): void {
    for (const record of records) {
      this.image.replay(record);
      this.log.push(record);
    }
    if (records.length > 0) this.onBatch(records);
  }

  /** Lets time pass, with ticks as they fall due. */
  pass(ms: number): void {
    for (const end = this.now + ms; this.now < end;) {
      this.now = Math.min(end, this.now + this.decisions.nextTickMs);
      this.write(this.decisions.tick(this.now));
    }
  }

  /** Registers a broker in a new process; its first heartbeat is yet to come. */
  register(
    brokerId: NodeId,
    { clean = false, rack = null, incarnationId = this.#incarnation(), features = [] }: {
      readonly clean?: boolean;
      readonly rack?: string | null;
      readonly incarnationId?: Uuid;
      readonly features?: readonly {
        readonly name: string;
        readonly minSupportedVersion: number;
        readonly maxSupportedVersion: number;
      }[];
    } = {},
  ) {
    return this.ask(BROKER_REGISTRATION, {
      brokerId,
      incarnationId,
      listeners: [{ name: "NATIVE", host: "localhost", port: 9000 + brokerId }],
      features,
      rack,
      previousBrokerEpoch: clean ? this.image.brokers.get(brokerId)?.epoch ?? NONE : NONE,
    });
  }

  /** A heartbeat of a broker that has applied everything, or `behind` by so many offsets. */
  heartbeat(
    brokerId: NodeId,
    { behind = 0, wantFence = false, wantShutDown = false, brokerEpoch }: {
      readonly behind?: number;
      readonly wantFence?: boolean;
      readonly wantShutDown?: boolean;
      readonly brokerEpoch?: Offset;
    } = {},
  ) {
    return this.ask(BROKER_HEARTBEAT, {
      brokerId,
      brokerEpoch: brokerEpoch ?? this.image.brokers.get(brokerId)?.epoch ?? NONE,
      currentMetadataOffset: this.nextOffset - 1 - behind,
      wantFence,
      wantShutDown,
    });
  }

  /** Registers a broker and has it unfenced. */
  start(
    brokerId: NodeId,
    options: { readonly clean?: boolean; readonly rack?: string | null } = {},
  ) {
    this.register(brokerId, options);
    return this.heartbeat(brokerId);
  }

  /** Fences a broker at its own wish. */
  fence(brokerId: NodeId): void {
    this.heartbeat(brokerId, { wantFence: true });
  }

  createTopic(
    name: string,
    replicas: readonly (readonly NodeId[])[],
    configs: Readonly<Record<string, string>> = {},
  ): Uuid {
    const { topics } = this.ask(CREATE_TOPICS, {
      topics: [{
        name,
        numPartitions: -1,
        replicationFactor: -1,
        assignments: replicas.map((brokerIds, partitionIndex) => ({ partitionIndex, brokerIds })),
        configs: Object.entries(configs).map(([key, value]) => ({ name: key, value })),
      }],
    });
    if (topics[0]?.errorCode !== 0) throw new Error(`${topics[0]?.errorMessage}`);
    return topics[0].topicId;
  }

  partition(topic: string, partition = 0): PartitionImage {
    const image = this.image.topicByName(topic)?.partitions[partition];
    if (image === undefined) throw new Error(`There is no partition ${partition} of ${topic}`);
    return image;
  }

  /** Sets a config of a topic (2) or of brokers (4); null takes it away. */
  configure(resourceType: number, resourceName: string, name: string, value: string | null) {
    const { responses } = this.ask(INCREMENTAL_ALTER_CONFIGS, {
      resources: [{
        resourceType,
        resourceName,
        configs: [{ name, configOperation: value === null ? 1 : 0, value }],
      }],
    });
    return responses[0]?.errorCode;
  }

  #incarnation(): Uuid {
    return `process${this.#incarnations++}`.padEnd(22, "A");
  }
}

/** Leader, ISR and ELR of a partition, as one line: `1 [1,2] (3)`. */
export function standing({ leader, isr, elr }: PartitionImage): string {
  return `${leader} [${isr}] (${elr})`;
}

/** What a decision is refused with. */
export function refusalOf(decide: () => unknown): Refusal {
  try {
    decide();
  } catch (error) {
    if (error instanceof Refusal) return error;
    throw error;
  }
  throw new Error("Nothing was refused");
}
