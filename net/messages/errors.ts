/**
 * Kafka's error codes: name, number, whether a client may retry, and a message.
 *
 * On the wire an error is a number in a field; inside it is that number too, and outcomes are data.
 * `ApiError` is for the edges, where a promise must be rejected. Retriable follows the class
 * hierarchy of Kafka's Java client: the same request may succeed later, perhaps after a refresh of
 * the metadata or of the coordinator.
 *
 * @module
 */

type Entry = readonly [code: number, message: string, retriable?: "retriable"];

/** Number, message and whether to retry of each error, by its name. */
export const KAFKA_ERRORS = {
  UNKNOWN_SERVER_ERROR: [-1, "The server failed unexpectedly"],
  NONE: [0, "No error"],
  OFFSET_OUT_OF_RANGE: [1, "The offset lies outside the log"],
  CORRUPT_MESSAGE: [2, "The batch is torn, too long, or fails its checksum", "retriable"],
  UNKNOWN_TOPIC_OR_PARTITION: [3, "This broker does not host the partition", "retriable"],
  INVALID_FETCH_SIZE: [4, "The fetch size is invalid"],
  LEADER_NOT_AVAILABLE: [5, "The partition has no leader now", "retriable"],
  NOT_LEADER_OR_FOLLOWER: [6, "This broker is not the replica that was asked for", "retriable"],
  REQUEST_TIMED_OUT: [7, "The request timed out", "retriable"],
  BROKER_NOT_AVAILABLE: [8, "The broker is not available"],
  REPLICA_NOT_AVAILABLE: [9, "The replica is not available", "retriable"],
  MESSAGE_TOO_LARGE: [10, "The batch is larger than the topic accepts"],
  STALE_CONTROLLER_EPOCH: [11, "The controller has moved to another node"],
  OFFSET_METADATA_TOO_LARGE: [12, "The metadata of the committed offset is too large"],
  NETWORK_EXCEPTION: [13, "The connection was lost before the response came", "retriable"],
  COORDINATOR_LOAD_IN_PROGRESS: [14, "The coordinator is loading its state", "retriable"],
  COORDINATOR_NOT_AVAILABLE: [15, "The coordinator is not available", "retriable"],
  NOT_COORDINATOR: [16, "This broker is not the coordinator", "retriable"],
  INVALID_TOPIC_EXCEPTION: [17, "The topic name is invalid, or the topic may not be used so"],
  RECORD_LIST_TOO_LARGE: [18, "The batches are larger than a segment"],
  NOT_ENOUGH_REPLICAS: [19, "Fewer replicas are in sync than the topic requires", "retriable"],
  NOT_ENOUGH_REPLICAS_AFTER_APPEND: [
    20,
    "The records were appended, but to fewer replicas in sync than the topic requires",
    "retriable",
  ],
  INVALID_REQUIRED_ACKS: [21, "The acks are none of -1, 0 and 1"],
  ILLEGAL_GENERATION: [22, "The generation is not the group's current one"],
  INCONSISTENT_GROUP_PROTOCOL: [23, "The member shares no protocol with the rest of the group"],
  INVALID_GROUP_ID: [24, "The group id is invalid"],
  UNKNOWN_MEMBER_ID: [25, "The coordinator does not know the member"],
  INVALID_SESSION_TIMEOUT: [26, "The session timeout is outside the broker's bounds"],
  REBALANCE_IN_PROGRESS: [27, "The group is rebalancing: the member must rejoin"],
  INVALID_COMMIT_OFFSET_SIZE: [28, "The data of the committed offset are too large"],
  TOPIC_AUTHORIZATION_FAILED: [29, "Not authorized for the topic"],
  GROUP_AUTHORIZATION_FAILED: [30, "Not authorized for the group"],
  CLUSTER_AUTHORIZATION_FAILED: [31, "Not authorized for the cluster"],
  INVALID_TIMESTAMP: [32, "The timestamp of a record is out of range"],
  UNSUPPORTED_SASL_MECHANISM: [33, "The SASL mechanism is not supported"],
  ILLEGAL_SASL_STATE: [34, "The request does not fit the state of the authentication"],
  UNSUPPORTED_VERSION: [35, "The version of the API is not supported"],
  TOPIC_ALREADY_EXISTS: [36, "A topic of this name exists"],
  INVALID_PARTITIONS: [37, "The number of partitions is invalid"],
  INVALID_REPLICATION_FACTOR: [38, "There cannot be that many replicas"],
  INVALID_REPLICA_ASSIGNMENT: [39, "The assignment of replicas is invalid"],
  INVALID_CONFIG: [40, "The config is invalid"],
  NOT_CONTROLLER: [41, "This node is not the active controller", "retriable"],
  INVALID_REQUEST: [42, "The request contradicts itself or the protocol"],
  UNSUPPORTED_FOR_MESSAGE_FORMAT: [43, "The message format does not support the request"],
  POLICY_VIOLATION: [44, "The request violates the configured policy"],
  OUT_OF_ORDER_SEQUENCE_NUMBER: [45, "The sequence number leaves a gap"],
  DUPLICATE_SEQUENCE_NUMBER: [46, "The sequence number was used already"],
  INVALID_PRODUCER_EPOCH: [47, "The producer's epoch is old"],
  INVALID_TXN_STATE: [48, "The transaction is in no state to do this"],
  INVALID_PRODUCER_ID_MAPPING: [49, "The producer id does not belong to the transactional id"],
  INVALID_TRANSACTION_TIMEOUT: [50, "The transaction timeout is larger than the broker allows"],
  CONCURRENT_TRANSACTIONS: [51, "Another operation on the transaction is under way", "retriable"],
  TRANSACTION_COORDINATOR_FENCED: [52, "The transaction coordinator has been replaced"],
  TRANSACTIONAL_ID_AUTHORIZATION_FAILED: [53, "Not authorized for the transactional id"],
  SECURITY_DISABLED: [54, "Security is not configured"],
  OPERATION_NOT_ATTEMPTED: [55, "Not attempted, because another part of the request failed"],
  KAFKA_STORAGE_ERROR: [56, "The log cannot be read or written", "retriable"],
  LOG_DIR_NOT_FOUND: [57, "The log directory is not configured here"],
  SASL_AUTHENTICATION_FAILED: [58, "The authentication failed"],
  UNKNOWN_PRODUCER_ID: [59, "The broker holds no state of the producer"],
  REASSIGNMENT_IN_PROGRESS: [60, "A reassignment of the partition is in progress"],
  DELEGATION_TOKEN_AUTH_DISABLED: [61, "Delegation tokens are not enabled"],
  DELEGATION_TOKEN_NOT_FOUND: [62, "There is no such delegation token"],
  DELEGATION_TOKEN_OWNER_MISMATCH: [63, "The principal neither owns nor may renew the token"],
  DELEGATION_TOKEN_REQUEST_NOT_ALLOWED: [
    64,
    "Delegation tokens cannot be asked for over this link",
  ],
  DELEGATION_TOKEN_AUTHORIZATION_FAILED: [65, "Not authorized for the delegation token"],
  DELEGATION_TOKEN_EXPIRED: [66, "The delegation token has expired"],
  INVALID_PRINCIPAL_TYPE: [67, "The type of principal is not supported"],
  NON_EMPTY_GROUP: [68, "The group has members"],
  GROUP_ID_NOT_FOUND: [69, "There is no such group"],
  FETCH_SESSION_ID_NOT_FOUND: [70, "There is no such fetch session", "retriable"],
  INVALID_FETCH_SESSION_EPOCH: [71, "The epoch of the fetch session is invalid", "retriable"],
  LISTENER_NOT_FOUND: [72, "The leader has no listener of the name used here", "retriable"],
  TOPIC_DELETION_DISABLED: [73, "Topics cannot be deleted here"],
  FENCED_LEADER_EPOCH: [74, "The leader epoch of the request is older than ours", "retriable"],
  UNKNOWN_LEADER_EPOCH: [75, "The leader epoch of the request is newer than ours", "retriable"],
  UNSUPPORTED_COMPRESSION_TYPE: [76, "The client's version cannot read the compression in use"],
  STALE_BROKER_EPOCH: [77, "The broker has registered anew since"],
  OFFSET_NOT_AVAILABLE: [78, "The new leader does not know its high watermark yet", "retriable"],
  MEMBER_ID_REQUIRED: [79, "The member must join again with the id it was given"],
  PREFERRED_LEADER_NOT_AVAILABLE: [80, "The preferred leader is not available", "retriable"],
  GROUP_MAX_SIZE_REACHED: [81, "The group is full"],
  FENCED_INSTANCE_ID: [82, "Another member has taken over the group instance id"],
  ELIGIBLE_LEADERS_NOT_AVAILABLE: [83, "No replica that may lead is available", "retriable"],
  ELECTION_NOT_NEEDED: [84, "The partition needs no election", "retriable"],
  NO_REASSIGNMENT_IN_PROGRESS: [85, "No reassignment of the partition is in progress"],
  GROUP_SUBSCRIBED_TO_TOPIC: [86, "The group is subscribed to the topic"],
  INVALID_RECORD: [87, "The record is not acceptable to the broker"],
  UNSTABLE_OFFSET_COMMIT: [88, "Offsets of an open transaction are pending", "retriable"],
  THROTTLING_QUOTA_EXCEEDED: [89, "The quota is exceeded", "retriable"],
  PRODUCER_FENCED: [90, "A newer producer uses the transactional id"],
  RESOURCE_NOT_FOUND: [91, "There is no such resource"],
  DUPLICATE_RESOURCE: [92, "The request names a resource twice"],
  UNACCEPTABLE_CREDENTIAL: [93, "The credential is not acceptable"],
  INCONSISTENT_VOTER_SET: [94, "Sender and receiver do not agree on who votes"],
  INVALID_UPDATE_VERSION: [95, "The version of the update is invalid"],
  FEATURE_UPDATE_FAILED: [96, "The features could not be updated"],
  PRINCIPAL_DESERIALIZATION_FAILURE: [97, "The principal of a forwarded request is unreadable"],
  SNAPSHOT_NOT_FOUND: [98, "There is no such snapshot"],
  POSITION_OUT_OF_RANGE: [99, "The position lies outside the snapshot"],
  UNKNOWN_TOPIC_ID: [100, "This broker does not know the topic id", "retriable"],
  DUPLICATE_BROKER_REGISTRATION: [101, "The broker id is in use"],
  BROKER_ID_NOT_REGISTERED: [102, "The broker id is not registered"],
  INCONSISTENT_TOPIC_ID: [103, "The topic id is not that of the log", "retriable"],
  INCONSISTENT_CLUSTER_ID: [104, "The cluster id is not ours"],
  TRANSACTIONAL_ID_NOT_FOUND: [105, "There is no such transactional id"],
  FETCH_SESSION_TOPIC_ID_ERROR: [106, "The fetch session mixes topic names and ids", "retriable"],
  INELIGIBLE_REPLICA: [107, "The new ISR holds a replica that may not be in it"],
  NEW_LEADER_ELECTED: [108, "The partition was changed, and has a new leader"],
  OFFSET_MOVED_TO_TIERED_STORAGE: [109, "The offset has moved to tiered storage"],
  FENCED_MEMBER_EPOCH: [110, "The member is fenced: it must give up its partitions and rejoin"],
  UNRELEASED_INSTANCE_ID: [111, "Another member still holds the group instance id"],
  UNSUPPORTED_ASSIGNOR: [112, "The group does not support the assignor"],
  STALE_MEMBER_EPOCH: [113, "The member must learn its new epoch first"],
  MISMATCHED_ENDPOINT_TYPE: [114, "The endpoint is of another type than the request expects"],
  UNSUPPORTED_ENDPOINT_TYPE: [115, "The type of endpoint is not supported"],
  UNKNOWN_CONTROLLER_ID: [116, "There is no controller of this id"],
  UNKNOWN_SUBSCRIPTION_ID: [117, "The telemetry subscription is unknown"],
  TELEMETRY_TOO_LARGE: [118, "The telemetry is larger than the broker accepts"],
  INVALID_REGISTRATION: [119, "The controller refuses the registration"],
  TRANSACTION_ABORTABLE: [
    120,
    "The transaction must be aborted; the producer may then go on",
  ],
  INVALID_RECORD_STATE: [121, "The record is in no state to be acknowledged"],
  SHARE_SESSION_NOT_FOUND: [122, "There is no such share session", "retriable"],
  INVALID_SHARE_SESSION_EPOCH: [123, "The epoch of the share session is invalid", "retriable"],
  FENCED_STATE_EPOCH: [124, "The epoch of the share group's state is old"],
  INVALID_VOTER_KEY: [125, "The voter's key is not that of the receiver"],
  DUPLICATE_VOTER: [126, "The voter is in the set already"],
  VOTER_NOT_FOUND: [127, "The voter is not in the set"],
  INVALID_REGULAR_EXPRESSION: [128, "The regular expression is invalid"],
} as const satisfies Readonly<Record<string, Entry>>;

/** The name of an error, as Kafka spells it. */
export type ErrorName = keyof typeof KAFKA_ERRORS;

/** The code of each error by name: `ErrorCode.NOT_LEADER_OR_FOLLOWER` is 6. */
export const ErrorCode = Object.fromEntries(
  Object.entries(KAFKA_ERRORS).map(([name, entry]) => [name, entry[0]]),
) as { readonly [Name in ErrorName]: (typeof KAFKA_ERRORS)[Name][0] };

/** Any of the known codes. A field of a decoded message is a plain number: peers may be newer. */
export type ErrorCode = (typeof ErrorCode)[ErrorName];

const NAMES: ReadonlyMap<number, ErrorName> = new Map(
  (Object.keys(KAFKA_ERRORS) as ErrorName[]).map((name) => [KAFKA_ERRORS[name][0], name]),
);

/** The name of a code; a code that is not known counts as UNKNOWN_SERVER_ERROR, as in Kafka. */
export function errorName(code: number): ErrorName {
  return NAMES.get(code) ?? "UNKNOWN_SERVER_ERROR";
}

/** Whether the same request may succeed later. */
export function isRetriable(code: number): boolean {
  const entry: Entry = KAFKA_ERRORS[errorName(code)];
  return entry[2] === "retriable";
}

/** What a code means, in one sentence. */
export function errorMessage(code: number): string {
  return KAFKA_ERRORS[errorName(code)][1];
}

/** An error code of a response, thrown where the public API must reject. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly code: number;
  readonly errorName: ErrorName;
  readonly retriable: boolean;

  /** The message is the given one, or what the code means. */
  constructor(code: number, message?: string | null, options?: ErrorOptions) {
    super(`${errorName(code)}: ${message ?? errorMessage(code)}`, options);
    this.code = code;
    this.errorName = errorName(code);
    this.retriable = isRetriable(code);
  }
}
