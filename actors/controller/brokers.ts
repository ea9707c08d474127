/**
 * The controller's decisions on brokers: who is registered, who is fenced, who may stop (KIP-631).
 *
 * Does not own what becomes of partitions with that (leaderships.ts), nor when a broker was last
 * heard of (broker_heartbeats.ts).
 *
 * Invariants: a broker's epoch is the offset of its registration record; it is registered fenced,
 * and unfenced once it has applied that record (but see `keepsStanding`); a fenced broker is in no
 * ISR.
 *
 * @module
 */

import { type NodeId, NONE, type Offset } from "../../storage/bytes/ids.ts";
import { ErrorCode } from "../../net/messages/errors.ts";
import type {
  BrokerHeartbeatRequest,
  BrokerHeartbeatResponse,
} from "../../net/messages/broker_heartbeat.ts";
import type {
  BrokerRegistrationRequest,
  BrokerRegistrationResponse,
} from "../../net/messages/broker_registration.ts";
import type {
  UnregisterBrokerRequest,
  UnregisterBrokerResponse,
} from "../../net/messages/unregister_broker.ts";
import type { BrokerHeartbeats } from "./broker_heartbeats.ts";
import type { BrokerImage } from "./cluster_image.ts";
import {
  type Decision,
  type DecisionContext,
  type DecisionFacts,
  orRefuse,
  Refusal,
} from "./decision.ts";
import { unsupportedFeature } from "./features.ts";
import { electReturning, leadsAny, leaveIsrs, loseEligibility } from "./leaderships.ts";
import type { MetadataRecord } from "./metadata_record.ts";
import { sameList } from "./partition_image.ts";

/**
 * BrokerRegistration: under the epoch `nextOffset`, the offset of the registration record. What the
 * broker had before is taken from it: unless its logs are just as its last registration left them,
 * also the standing to lead once the ISR is empty (KIP-966).
 */
export function registerBroker(
  context: DecisionContext,
  heartbeats: BrokerHeartbeats,
  request: BrokerRegistrationRequest,
  { nextOffset }: DecisionFacts,
): Decision<BrokerRegistrationResponse> {
  return orRefuse(() => {
    const { image, rules } = context;
    const { brokerId } = request;
    const existing = image.brokers.get(brokerId);
    checkRegistration(context, heartbeats, request, existing);
    if (existing?.incarnationId === request.incarnationId && isSame(existing, request)) {
      return registered([], existing.epoch);
    }
    heartbeats.begin(brokerId);
    if (rules.keepsStanding(existing, request, circumstances(context, brokerId))) {
      return registered([registration(request, nextOffset, { fenced: false })], nextOffset);
    }
    const leaves = rules.isCleanRestart(existing, request) ||
        existing?.incarnationId === request.incarnationId
      ? leaveIsrs(context, brokerId)
      : loseEligibility(context, brokerId);
    const record = registration(request, nextOffset, { fenced: true });
    return registered([record, ...leaves], nextOffset);
  }, ({ code }) => ({
    records: [],
    response: { throttleTimeMs: 0, errorCode: code, brokerEpoch: NONE },
  }));
}

function registered(
  records: readonly MetadataRecord[],
  brokerEpoch: Offset,
): Decision<BrokerRegistrationResponse> {
  return { records, response: { throttleTimeMs: 0, errorCode: ErrorCode.NONE, brokerEpoch } };
}

function circumstances({ image, rules, defaults }: DecisionContext, brokerId: NodeId) {
  const others = [...image.brokers.values()].filter(({ id }) => id !== brokerId);
  const isAlone = !others.some((broker) => rules.isActive(broker));
  return { controllerId: defaults.nodeId, isAlone };
}

function registration(
  request: BrokerRegistrationRequest,
  brokerEpoch: Offset,
  { fenced }: { readonly fenced: boolean },
): MetadataRecord {
  const { brokerId, incarnationId, listeners, features, rack, logDirs } = request;
  return {
    kind: "RegisterBrokerRecord",
    value: {
      brokerId,
      isMigratingZkBroker: false,
      incarnationId,
      brokerEpoch,
      endPoints: listeners,
      features,
      rack,
      fenced,
      inControlledShutdown: false,
      logDirs,
    },
  };
}

function checkRegistration(
  { image, rules, defaults }: DecisionContext,
  heartbeats: BrokerHeartbeats,
  request: BrokerRegistrationRequest,
  existing: BrokerImage | undefined,
): void {
  const { brokerId } = request;
  const silentMs = heartbeats.silentMs(brokerId);
  const hasSession = !rules.isSessionOver(silentMs, defaults.brokerSessionTimeoutMs);
  const controllerId = defaults.nodeId;
  if (!rules.mayRegister(existing, request, { controllerId, hasSession })) {
    throw new Refusal(
      ErrorCode.DUPLICATE_BROKER_REGISTRATION,
      `Broker ${brokerId} is registered by another process`,
    );
  }
  if (request.listeners.length === 0) {
    throw new Refusal(ErrorCode.INVALID_REGISTRATION, `Broker ${brokerId} has no listener`);
  }
  const problem = unsupportedFeature(image, request.features);
  if (problem !== undefined) throw new Refusal(ErrorCode.UNSUPPORTED_VERSION, problem);
}

/** Whether a registration says what the present one of the same process says. */
function isSame(existing: BrokerImage, request: BrokerRegistrationRequest): boolean {
  const points = (of: BrokerImage["endPoints"]) =>
    of.map(({ name, host, port }) => `${name} ${host} ${port}`);
  return existing.rack === request.rack && sameList(existing.logDirs, request.logDirs) &&
    sameList(points(existing.endPoints), points(request.listeners));
}

/** What a broker that has sent a heartbeat is from now on. */
type NextState = "fenced" | "unfenced" | "shutting-down" | "may-stop";

/** BrokerHeartbeat: keeps the session, and answers what the broker is and may do. */
export function handleHeartbeat(
  context: DecisionContext,
  heartbeats: BrokerHeartbeats,
  request: BrokerHeartbeatRequest,
  { nextOffset }: DecisionFacts,
): Decision<BrokerHeartbeatResponse> {
  return orRefuse<Decision<BrokerHeartbeatResponse>>(() => {
    const { brokerId, brokerEpoch, currentMetadataOffset } = request;
    const broker = currentBroker(context, brokerId, brokerEpoch);
    heartbeats.touch(brokerId, currentMetadataOffset);
    const next = nextState(context, heartbeats, broker, request, nextOffset);
    const records = enter(context, broker, next);
    if (next === "shutting-down" && records.length > 0) {
      heartbeats.shutDownAt(brokerId, nextOffset + records.length - 1);
    }
    return {
      records,
      response: {
        throttleTimeMs: 0,
        errorCode: ErrorCode.NONE,
        isCaughtUp: context.rules.mayUnfence(broker, currentMetadataOffset),
        isFenced: next === "fenced" || next === "may-stop",
        shouldShutDown: next === "may-stop",
      },
    };
  }, ({ code }) => ({
    records: [],
    response: {
      throttleTimeMs: 0,
      errorCode: code,
      isCaughtUp: false,
      isFenced: true,
      shouldShutDown: false,
    },
  }));
}

function nextState(
  context: DecisionContext,
  heartbeats: BrokerHeartbeats,
  broker: BrokerImage,
  request: BrokerHeartbeatRequest,
  nextOffset: Offset,
): NextState {
  if (broker.fenced) {
    if (request.wantShutDown) return "may-stop";
    const unfences = !request.wantFence &&
      context.rules.mayUnfence(broker, request.currentMetadataOffset);
    return unfences ? "unfenced" : "fenced";
  }
  if (request.wantFence) return request.wantShutDown ? "may-stop" : "fenced";
  if (!request.wantShutDown) return "unfenced";
  if (leadsAny(context, broker.id)) return "shutting-down";
  if (!broker.inControlledShutdown) return "may-stop";
  // A controller that leads since knows only that the hand-over is before the present end.
  const handedOverAt = heartbeats.shutDownAt(broker.id, nextOffset - 1);
  return haveApplied(context, heartbeats, broker.id, handedOverAt) ? "may-stop" : "shutting-down";
}

/** Whether all other active brokers have come up to an offset of the metadata log. */
function haveApplied(
  { image, rules }: DecisionContext,
  heartbeats: BrokerHeartbeats,
  except: NodeId,
  offset: Offset,
): boolean {
  return [...image.brokers.values()].every((broker) =>
    broker.id === except || !rules.isActive(broker) ||
    heartbeats.metadataOffset(broker.id) >= offset
  );
}

/** What is written for a broker to become what it is from now on. */
function enter(context: DecisionContext, broker: BrokerImage, next: NextState): MetadataRecord[] {
  switch (next) {
    case "unfenced":
      if (!broker.fenced) return [];
      return [
        standingChange(broker, { fenced: -1 }),
        // One that has begun to stop leads nothing before it has registered anew.
        ...(broker.inControlledShutdown ? [] : electReturning(context, broker.id)),
      ];
    case "fenced":
    case "may-stop":
      return broker.fenced ? [] : fence(context, broker);
    case "shutting-down":
      return broker.inControlledShutdown && !leadsAny(context, broker.id) ? [] : [
        standingChange(broker, { inControlledShutdown: 1 }),
        ...leaveIsrs(context, broker.id),
      ];
  }
}

/** Fences a broker: it leads nothing any more, and is in no ISR. */
export function fence(context: DecisionContext, broker: BrokerImage): MetadataRecord[] {
  return [standingChange(broker, { fenced: 1 }), ...leaveIsrs(context, broker.id)];
}

function standingChange(
  { id: brokerId, epoch: brokerEpoch }: BrokerImage,
  change: { readonly fenced?: number; readonly inControlledShutdown?: number },
): MetadataRecord {
  const { fenced = 0, inControlledShutdown = 0 } = change;
  return {
    kind: "BrokerRegistrationChangeRecord",
    value: { brokerId, brokerEpoch, fenced, inControlledShutdown, logDirs: [] },
  };
}

/** Fences one of the brokers whose session is over, the one that was silent for longest. */
export function fenceSilent(
  context: DecisionContext,
  heartbeats: BrokerHeartbeats,
): MetadataRecord[] {
  const { image, rules, defaults } = context;
  let silent: BrokerImage | undefined;
  let silentMs = 0;
  for (const broker of image.brokers.values()) {
    const ms = heartbeats.silentMs(broker.id);
    if (broker.fenced || ms <= silentMs) continue;
    if (!rules.isSessionOver(ms, defaults.brokerSessionTimeoutMs)) continue;
    [silent, silentMs] = [broker, ms];
  }
  return silent === undefined ? [] : fence(context, silent);
}

/** UnregisterBroker: forgets a broker; it is fenced with that. */
export function unregisterBroker(
  context: DecisionContext,
  heartbeats: BrokerHeartbeats,
  { brokerId }: UnregisterBrokerRequest,
): Decision<UnregisterBrokerResponse> {
  const broker = context.image.brokers.get(brokerId);
  if (broker === undefined) {
    const errorMessage = `Broker ${brokerId} is not registered`;
    const errorCode = ErrorCode.BROKER_ID_NOT_REGISTERED;
    return { records: [], response: { throttleTimeMs: 0, errorCode, errorMessage } };
  }
  heartbeats.end(brokerId);
  const { epoch: brokerEpoch } = broker;
  return {
    records: [
      { kind: "UnregisterBrokerRecord", value: { brokerId, brokerEpoch } },
      ...leaveIsrs(context, brokerId),
    ],
    response: { throttleTimeMs: 0, errorCode: ErrorCode.NONE, errorMessage: null },
  };
}

/**
 * The broker that sends a request.
 * @throws {Refusal} BROKER_ID_NOT_REGISTERED, or STALE_BROKER_EPOCH where it has registered anew
 */
export function currentBroker(
  { image, rules }: DecisionContext,
  brokerId: NodeId,
  brokerEpoch: Offset,
): BrokerImage {
  const broker = image.brokers.get(brokerId);
  if (broker === undefined) {
    throw new Refusal(
      ErrorCode.BROKER_ID_NOT_REGISTERED,
      `Broker ${brokerId} is not registered`,
    );
  }
  if (!rules.isBrokerEpochCurrent(broker, brokerEpoch)) {
    throw new Refusal(
      ErrorCode.STALE_BROKER_EPOCH,
      `Broker ${brokerId} has epoch ${broker.epoch}, not ${brokerEpoch}`,
    );
  }
  return broker;
}
