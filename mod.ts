/**
 * Strom: an event-streaming platform, as a library.
 *
 * A node in this process, and the clients of any node:
 *
 * ```ts
 * import { Admin, Consumer, Producer, startNode } from "./mod.ts";
 *
 * await using node = await startNode({ data: "./data/1" });
 * await using admin = await Admin.connect(node.address);
 * await admin.createTopics([{ name: "orders", partitions: 3 }]);
 * await using producer = await Producer.connect(node.address, { acks: "all" });
 * await producer.send({ topic: "orders", key: "42", value: "paid" });
 * await using consumer = await Consumer.connect(node.address, {
 *   topics: ["orders"],
 *   from: "earliest",
 * });
 * for await (const record of consumer) console.log(record.offset, record.text());
 * ```
 *
 * Beneath them lie the actor runtime, which knows nothing of logs and topics, and the simulated
 * world in which both are tested.
 *
 * @module
 */

// Nodes.
export { type Node, type NodeOptions, startNode } from "./actors/start_node.ts";
export { type Cluster, type ClusterOptions, startCluster } from "./actors/start_cluster.ts";
export { ConfigError } from "./actors/config/definition.ts";
export { WrongNodeError } from "./storage/log_directory.ts";
export {
  type DirectoryEntry,
  type Disk,
  DiskError,
  type DiskErrorKind,
  type DiskLock,
  type DiskSpace,
  type File,
  type FileStatus,
} from "./storage/disk.ts";
export {
  type Connection,
  type ConnectionHandler,
  type Listener,
  type Network,
  NetworkError,
  type NetworkErrorKind,
  type SocketAddress,
  type TlsOptions,
} from "./net/network.ts";
export type { Epoch, NodeId, Offset, ProducerId, Timestamp, Uuid } from "./storage/bytes/ids.ts";
export type { Compression } from "./storage/compression.ts";

// Clients.
export { Producer } from "./actors/client/producer/producer.ts";
export { Transaction, type TransactionSends } from "./actors/client/producer/transaction.ts";
export { Consumer } from "./actors/client/consumer/consumer.ts";
export type {
  OffsetAndTimestamp,
  PartitionOffset,
  TopicPartition,
} from "./actors/client/topic_partition.ts";
export type {
  AssignorName,
  GroupConfig,
  RebalanceListener,
} from "./actors/client/consumer/group_config.ts";
export type { CommittedOffset, OffsetToCommit } from "./actors/client/consumer/group_offsets.ts";
export type { GroupMetadata } from "./actors/client/consumer/membership/membership.ts";
export type {
  AssignableTopic,
  AssignedPlace,
  Assignor,
  GroupAssignment,
  LastAssignment,
  MemberSubscription,
} from "./actors/client/consumer/assignors/assignor.ts";
export type { FetchedBatch } from "./actors/client/consumer/fetched_batch.ts";
export { Admin } from "./actors/client/admin/admin.ts";
export type {
  LogDescription,
  LogDirDescription,
  NewVoter,
  OngoingReassignment,
  PartitionOffsets,
  QuorumDescription,
  QuorumReplica,
  Reassignment,
} from "./actors/client/admin/admin_cluster.ts";
export type {
  GroupDescription,
  GroupListing,
  GroupMemberDescription,
} from "./actors/client/admin/admin_groups.ts";
export type {
  AbortTransaction,
  ListTransactionsOptions,
  PartitionProducers,
  ProducerDescription,
  TransactionDescription,
  TransactionListing,
} from "./actors/client/admin/admin_transactions.ts";
export type {
  AlterClientQuotas,
  ClientQuotas,
  QuotaEntity,
  QuotaKey,
} from "./actors/client/admin/admin_quotas.ts";
export type {
  AlterConfigs,
  ClusterDescription,
  ConfigEntry,
  ConfigResource,
  DescribedBroker,
  DescribedConfigs,
  NewPartitions,
  NewTopic,
  OffsetSpec,
  RecordsToDelete,
  TopicDescription,
} from "./actors/client/admin/admin_types.ts";
export type {
  Acks,
  AdminConfig,
  AssignedPartition,
  ClientConfig,
  ConsumerConfig,
  ProducerConfig,
  StartPosition,
} from "./actors/client/configs.ts";
export type {
  BatchRecord,
  Data,
  ProducerRecord,
  RecordHeaders,
  SendCallback,
} from "./actors/client/records.ts";
export type { SentRecords } from "./actors/client/producer/send_group.ts";
export { RecordMetadata } from "./actors/client/records.ts";
export { ConsumerRecord, type RecordHeader } from "./actors/client/consumer/consumer_record.ts";
export type { ConsumerInterceptor, ProducerInterceptor } from "./actors/client/interceptors.ts";
export type { Partitioner } from "./actors/client/producer/partitioners.ts";
export {
  type Deserializer,
  jsonDeserializer,
  jsonSerializer,
  type Serializer,
  textDeserializer,
} from "./actors/client/serializers.ts";
export * from "./actors/client/errors.ts";
export { ErrorCode, type ErrorName, KAFKA_ERRORS } from "./net/messages/errors.ts";

export type { BrokerNode, PartitionInfo } from "./actors/client/metadata.ts";
export type { OffsetAnswer, OffsetQuery } from "./actors/client/offset_lookup.ts";

// The actor runtime.
export { ActorSystem, type ActorSystemOptions, type Probe } from "./actors/runtime/system.ts";
export type {
  Actor,
  ActorContext,
  AskFailure,
  AskResult,
  Behaviour,
  SpawnOptions,
  Supervision,
} from "./actors/runtime/actor.ts";
export type { Address, Ref } from "./actors/runtime/ref.ts";
export {
  type EncodedMessage,
  type Handshake,
  type HandshakeStep,
  type LinkOptions,
  type LinkUp,
  type MessageCodec,
  type RefTable,
  Remoting,
  REMOTING_LIMITS,
  type RemotingLimits,
  type RemotingOptions,
} from "./actors/runtime/remoting.ts";
export type { LinkEvents } from "./actors/runtime/link_actor.ts";
export { jsonMessages } from "./actors/runtime/json_messages.ts";
export { secretHandshake } from "./actors/runtime/secret_handshake.ts";
export type {
  Clock,
  Dispatcher,
  Environment,
  LogFields,
  Logger,
  LogLevel,
  Mailbox,
  Random,
  RandomStream,
  Timer,
  Timers,
} from "./actors/runtime/environment.ts";
export type {
  Counter,
  Gauge,
  Histogram,
  Labels,
  MetricReading,
  Metrics,
} from "./actors/runtime/metrics.ts";
export { denoEnvironment, type DenoEnvironmentOptions } from "./actors/runtime/deno_environment.ts";
export type { LogFormat } from "./actors/runtime/line_logger.ts";

// The simulated world.
export {
  type EventView,
  type RunLimits,
  type RunResult,
  Simulation,
  SimulationFailure,
  type SimulationOptions,
} from "./actors/sim/simulation.ts";
export {
  type NodeSimulationOptions,
  type NodeSimulationResult,
  simulateNode,
} from "./actors/sim/node_simulation.ts";
export {
  type ClusterSimulationOptions,
  type ClusterSimulationResult,
  simulateCluster,
} from "./actors/sim/cluster_simulation.ts";
export { type ClientSimulationOptions, simulateClients } from "./actors/sim/client_simulation.ts";
export {
  simulate,
  type SimulatedWorld,
  type SimulateOptions,
  type SimulateResult,
} from "./actors/sim/simulate.ts";
export { History, type OpenOperation } from "./actors/sim/history.ts";
export { CLUSTER_KINDS, type ClusterRunOptions } from "./actors/sim/cluster_options.ts";
export type { AdminAction } from "./actors/sim/clients/admin_engine.ts";
export type { ProduceMode, TopicPlan } from "./actors/sim/clients/topic_plan.ts";
export type {
  HistoryCounts,
  Operation,
  Outcome,
  PollStep,
  SendStep,
  Step,
} from "./actors/sim/history.ts";
export {
  checkHistory,
  type HistoryRules,
  type HistoryVerdict,
} from "./actors/sim/history_checker.ts";
export { shrinkList, shrinkListAsync } from "./actors/sim/shrink.ts";
export { PROTOCOL, type Protocol } from "./actors/protocol.ts";
export type { Violation } from "./actors/sim/record_checker.ts";
export type { WorkloadCounts } from "./actors/sim/record_workload.ts";
export {
  type Boot,
  type NodeState,
  SimulatedNode,
  type Stoppable,
} from "./actors/sim/simulated_node.ts";
export { CALM_WORLD, drawWorld, type WorldOptions } from "./actors/sim/world_options.ts";
export {
  drawFaultPlan,
  drawFaults,
  type Fault,
  FAULT_KINDS,
  type FaultKind,
  type FaultPlan,
  type FaultTargets,
} from "./actors/sim/faults.ts";
export { FaultInjector } from "./actors/sim/fault_injector.ts";
export type { Links } from "./actors/sim/links.ts";
export type { LinkFaults } from "./net/memory_network.ts";
export type { CrashModel } from "./storage/disk_faults.ts";
export type { SeededRandom } from "./actors/sim/random.ts";
