/**
 * What a partition answers from its log, once the protocol lets it.
 *
 * @module
 */

import { NONE, type Offset, type Timestamp } from "../../storage/bytes/ids.ts";
import { CorruptLogError } from "../../storage/corrupt_log_error.ts";
import { DiskError } from "../../storage/disk.ts";
import type { Log } from "../../storage/log.ts";
import type { TimeLookup } from "../../storage/log_time.ts";
import { ErrorCode } from "../../net/messages/errors.ts";
import type {
  AppendReply,
  DeleteRecords,
  DeleteRecordsReply,
  DescribeLogReply,
  DescribeProducersReply,
  EndOfEpoch,
  EndOfEpochReply,
  FetchPosition,
  ListOffset,
  ListOffsetReply,
  PartitionRequest,
  ReadReply,
} from "./messages.ts";
import type { Replica } from "./replica.ts";

/** The answer to a follower's fetch where there is no log to take it. */
export const GONE: FetchPosition = {
  kind: "fetch-position",
  leaderEpoch: NONE,
  fetchOffset: NONE,
  lastFetchedEpoch: NONE,
  logStartOffset: NONE,
  failed: true,
};

/** ListOffsets' names for offsets that are not times. */
const LATEST = -1;
const EARLIEST = -2;
const MAX_TIMESTAMP = -3;
const EARLIEST_LOCAL = -4;
const LATEST_TIERED = -5;

const NO_OFFSET = { timestamp: NONE, offset: NONE, leaderEpoch: NONE } as const;

type Question = Extract<
  PartitionRequest,
  { readonly kind: "list-offset" | "describe-producers" | "describe-log" | "end-of-epoch" }
>;

/** Answers what changes nothing, from the log as it is. */
export function answerQuestion(
  question: Question,
  log: Log,
  replica: Replica,
  now: Timestamp,
): void {
  switch (question.kind) {
    case "list-offset":
      return void question.replyTo.tell(listOffset(question, log, replica));
    case "describe-producers":
      return void question.replyTo.tell(describeProducers(log, replica, now));
    case "describe-log":
      return void question.replyTo.tell(describeLog(log, replica));
    case "end-of-epoch":
      return void question.replyTo.tell(endOfEpoch(question, log, replica));
  }
}

/** The offset at a time, or of one of ListOffsets' special places. */
function listOffset(question: ListOffset, log: Log, replica: Replica): ListOffsetReply {
  return orStorageError(
    () => findOffset(question, log, replica),
    (error) => ({ error, ...NO_OFFSET }),
  );
}

function findOffset(question: ListOffset, log: Log, replica: Replica): ListOffsetReply {
  const error = replica.checkLeader(question.currentLeaderEpoch);
  if (error !== ErrorCode.NONE) return { error, ...NO_OFFSET };
  const visible = question.readCommitted ? replica.lastStableOffset : replica.highWatermark;
  const unsettled = replica.checkLatestOffset();
  switch (question.timestamp) {
    case LATEST:
      if (question.follower === true) return place(log.logEndOffset, replica.leaderEpoch);
      if (unsettled !== ErrorCode.NONE) return { error: unsettled, ...NO_OFFSET };
      return place(visible, replica.leaderEpoch);
    case EARLIEST:
    case EARLIEST_LOCAL: {
      const offset = log.logStartOffset;
      return place(offset, log.epochForOffset(offset));
    }
    case LATEST_TIERED:
      return place(NONE, NONE);
    case MAX_TIMESTAMP:
      return found(log.offsetOfMaxTimestamp(), visible, unsettled);
    default:
      return found(log.offsetForTime(question.timestamp), visible, unsettled);
  }
}

function place(offset: Offset, leaderEpoch: number): ListOffsetReply {
  return { error: ErrorCode.NONE, timestamp: NONE, offset, leaderEpoch };
}

/** A record that is not visible yet is as good as none, where one can tell what is. */
function found(lookup: TimeLookup, visible: Offset, unsettled: ErrorCode): ListOffsetReply {
  if (lookup.kind === "refused") return { error: ErrorCode[lookup.error], ...NO_OFFSET };
  if (lookup.kind === "found" && lookup.offset >= visible && unsettled !== ErrorCode.NONE) {
    return { error: unsettled, ...NO_OFFSET };
  }
  if (lookup.kind === "none" || lookup.offset >= visible) {
    return { error: ErrorCode.NONE, ...NO_OFFSET };
  }
  const { timestamp, offset, leaderEpoch } = lookup;
  return { error: ErrorCode.NONE, timestamp, offset, leaderEpoch };
}

/** Every producer that this leader's log knows (KIP-664). */
function describeProducers(
  log: Log,
  replica: Replica,
  now: Timestamp,
): DescribeProducersReply {
  const failed = (error: ErrorCode) => ({ error, producers: [] });
  const error = replica.checkLeader(NONE);
  if (error !== ErrorCode.NONE) return failed(error);
  return orStorageError<DescribeProducersReply>(() => {
    const producers = [...log.producers(now).entries()];
    return {
      error,
      producers: producers.map((entry) => ({ ...entry, batches: [...entry.batches] })),
    };
  }, failed);
}

/** How large the log is, and how far. */
function describeLog(log: Log, { highWatermark }: Replica): DescribeLogReply {
  const { logEndOffset } = log;
  return orStorageError<DescribeLogReply>(
    () => ({ error: ErrorCode.NONE, sizeInBytes: log.sizeInBytes, logEndOffset, highWatermark }),
    noLog,
  );
}

function noLog(error: ErrorCode): DescribeLogReply {
  return { error, sizeInBytes: 0, logEndOffset: NONE, highWatermark: NONE };
}

/** Answers by what `question` gives, or that the disk did not let it be found out. */
export function orStorageError<Reply>(question: () => Reply, failed: (error: ErrorCode) => Reply) {
  try {
    return question();
  } catch (error) {
    if (!(error instanceof DiskError) && !(error instanceof CorruptLogError)) throw error;
    return failed(ErrorCode.KAFKA_STORAGE_ERROR);
  }
}

/** Where a leader epoch ends in this log (KIP-101, KIP-279). */
function endOfEpoch(question: EndOfEpoch, log: Log, replica: Replica): EndOfEpochReply {
  const error = replica.checkLeader(question.currentLeaderEpoch);
  if (error !== ErrorCode.NONE) return { error, leaderEpoch: NONE, endOffset: NONE };
  const end = log.endOffsetFor(question.leaderEpoch);
  return {
    error: ErrorCode.NONE,
    leaderEpoch: end?.epoch ?? NONE,
    endOffset: end?.offset ?? NONE,
  };
}

/** Raises the log start offset, at most to the high watermark. */
export function deleteRecords(
  question: DeleteRecords,
  log: Log,
  replica: Replica,
  now: Timestamp,
): DeleteRecordsReply {
  const refused = (error: ErrorCode) => ({ error, lowWatermark: NONE });
  const error = replica.checkLeader(NONE);
  if (error !== ErrorCode.NONE) return refused(error);
  if (!log.config.cleanupDelete) return refused(ErrorCode.POLICY_VIOLATION);
  const before = question.before === NONE ? replica.highWatermark : question.before;
  if (before < 0 || before > replica.highWatermark) return refused(ErrorCode.OFFSET_OUT_OF_RANGE);
  log.deleteRecordsBefore(before);
  log.applyRetention(replica.highWatermark, now);
  return { error: ErrorCode.NONE, lowWatermark: log.logStartOffset };
}

/** The answer to an append that was not made, or whose outcome is unknown. */
export function appendFailure(error: ErrorCode, errorMessage: string | null): AppendReply {
  return { error, errorMessage, baseOffset: NONE, logAppendTime: NONE, logStartOffset: NONE };
}

/** The answer to a read that gives nothing. */
export function readFailure(error: ErrorCode, log?: Log, replica?: Replica): ReadReply {
  return {
    error,
    highWatermark: replica?.highWatermark ?? NONE,
    lastStableOffset: replica?.lastStableOffset ?? NONE,
    logStartOffset: log?.logStartOffset ?? NONE,
    records: null,
    release: () => {},
  };
}

/** Refuses any question, of a partition that cannot serve now. */
export function refuse(question: PartitionRequest, error: ErrorCode): void {
  switch (question.kind) {
    case "append":
      question.release();
      return void question.replyTo.tell(appendFailure(error, null));
    case "read":
      return void question.replyTo.tell(readFailure(error));
    case "list-offset":
      return void question.replyTo.tell({ error, ...NO_OFFSET });
    case "describe-producers":
      return void question.replyTo.tell({ error, producers: [] });
    case "describe-log":
      return void question.replyTo.tell(noLog(error));
    case "delete-records":
      return void question.replyTo.tell({ error, lowWatermark: NONE });
    case "end-of-epoch":
      return void question.replyTo.tell({ error, leaderEpoch: NONE, endOffset: NONE });
    case "take-fetched":
      question.release();
      return void question.replyTo.tell(GONE);
    case "await-data":
      return void question.replyTo.tell({
        kind: "data-available",
        token: question.token,
        readable: true,
      });
  }
}
