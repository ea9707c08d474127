/**
 * The quotas of clients (KIP-13, 124, 546): what the metadata say of them, and the controller's
 * decision to change them.
 *
 * A quota belongs to an entity: a user, a client id, or a client id of a user, each by its name or
 * as the default of all that have none of their own.
 *
 * @module
 */

import { ErrorCode } from "../../net/messages/errors.ts";
import type {
  AlterClientQuotasRequest,
  AlterClientQuotasResponse,
  OpData,
  ResponseEntryData,
} from "../../net/messages/alter_client_quotas.ts";
import type { ClientQuotaRecord } from "../../net/messages/records/client_quota_record.ts";
import { type Decision, type DecisionContext, orRefuse, Refusal } from "./decision.ts";
import type { MetadataRecord } from "./metadata_record.ts";

/** What a quota belongs to; null is the default of its type, undefined that it does not matter. */
export interface QuotaEntity {
  readonly user: string | null | undefined;
  readonly clientId: string | null | undefined;
}

/** The quotas of one entity, by key. */
export interface EntityQuotas {
  readonly entity: QuotaEntity;
  readonly values: ReadonlyMap<string, number>;
}

/** What may be limited. */
const QUOTA_KEYS = ["producer_byte_rate", "consumer_byte_rate", "request_percentage"];

const USER = "user";
const CLIENT_ID = "client-id";
/** Of a name. */
const NAME_BYTES_MAX = 1024;

type Undo = () => void;

interface Entry {
  readonly entity: QuotaEntity;
  readonly values: Map<string, number>;
}

/** The quotas that are set: a part of the cluster's image. */
export class ClientQuotas {
  readonly #entries = new Map<string, Entry>();

  /** Those of an entity; undefined where none is set. */
  of(entity: QuotaEntity): ReadonlyMap<string, number> | undefined {
    return this.#entries.size === 0 ? undefined : this.#entries.get(keyOf(entity))?.values;
  }

  all(): Iterable<EntityQuotas> {
    return this.#entries.values();
  }

  get isEmpty(): boolean {
    return this.#entries.size === 0;
  }

  replay(record: ClientQuotaRecord, undo: Undo[] | undefined): void {
    const entity = entityOf(record.entity);
    const key = keyOf(entity);
    const entry = this.#entries.get(key) ?? { entity, values: new Map() };
    const before = entry.values.get(record.key);
    const set = (value: number | undefined) => {
      if (value === undefined) entry.values.delete(record.key);
      else entry.values.set(record.key, value);
      if (entry.values.size === 0) this.#entries.delete(key);
      else this.#entries.set(key, entry);
    };
    set(record.remove ? undefined : record.value);
    undo?.push(() => set(before));
  }

  /** The records that make these of none. */
  *records(): Generator<MetadataRecord> {
    for (const { entity, values } of this.#entries.values()) {
      for (const [key, value] of values) {
        yield {
          kind: "ClientQuotaRecord",
          value: { entity: partsOf(entity), key, value, remove: false },
        };
      }
    }
  }

  /** Whether others say the same. */
  equals(other: ClientQuotas): boolean {
    return this.#entries.size === other.#entries.size &&
      [...this.#entries].every(([key, { values }]) => {
        const theirs = other.#entries.get(key)?.values;
        return theirs?.size === values.size &&
          [...values].every(([name, value]) => theirs.get(name) === value);
      });
  }
}

/** The parts of an entity, as messages name them. */
export function partsOf(
  { user, clientId }: QuotaEntity,
): { entityType: string; entityName: string | null }[] {
  return [
    ...(user === undefined ? [] : [{ entityType: USER, entityName: user }]),
    ...(clientId === undefined ? [] : [{ entityType: CLIENT_ID, entityName: clientId }]),
  ];
}

type Parts = readonly { readonly entityType: string; readonly entityName: string | null }[];

/** The entity that a message names. @throws {Refusal} when there is no such kind */
export function entityOf(parts: Parts): QuotaEntity {
  let user: string | null | undefined;
  let clientId: string | null | undefined;
  for (const { entityType, entityName } of parts) {
    const isKnown = entityType === USER || entityType === CLIENT_ID;
    if (!isKnown) throw invalid(`Entity type ${entityType} has no quotas`);
    if ((entityType === USER ? user : clientId) !== undefined) {
      throw invalid(`Entity type ${entityType} is named twice`);
    }
    if (entityName !== null && (entityName === "" || entityName.length > NAME_BYTES_MAX)) {
      throw invalid(`A ${entityType} cannot have a name of ${entityName.length} characters`);
    }
    if (entityType === USER) user = entityName;
    else clientId = entityName;
  }
  if (user === undefined && clientId === undefined) throw invalid("A quota belongs to nobody");
  return { user, clientId };
}

/** AlterClientQuotas: sets and removes quotas, each entity's all or none. */
export function alterClientQuotas(
  { image }: DecisionContext,
  { entries, validateOnly }: AlterClientQuotasRequest,
): Decision<AlterClientQuotasResponse> {
  const records: MetadataRecord[] = [];
  const seen = new Set<string>();
  const results = entries.map(({ entity: parts, ops }) =>
    orRefuse<ResponseEntryData>(() => {
      const entity = entityOf(parts);
      const key = keyOf(entity);
      if (seen.has(key)) throw invalid("An entity is named twice");
      seen.add(key);
      const present = image.clientQuotas.of(entity);
      records.push(...ops.flatMap((op) => changeOf(parts, op, present)));
      return { errorCode: ErrorCode.NONE, errorMessage: null, entity: [...parts] };
    }, ({ code, message }) => ({
      errorCode: code,
      errorMessage: message,
      entity: [...parts],
    }))
  );
  return {
    records: validateOnly ? [] : records,
    response: { throttleTimeMs: 0, entries: results },
  };
}

function changeOf(
  parts: Parts,
  { key, value, remove }: OpData,
  present: ReadonlyMap<string, number> | undefined,
): MetadataRecord[] {
  if (!QUOTA_KEYS.includes(key)) throw invalid(`Quota ${key} is not known`);
  if (!remove && !(value > 0 && Number.isFinite(value))) {
    throw invalid(`Quota ${key} cannot be ${value}: it must be above 0`);
  }
  if (remove ? present?.has(key) !== true : present?.get(key) === value) return [];
  const entity = [...parts];
  return [{
    kind: "ClientQuotaRecord",
    value: { entity, key, value: remove ? 0 : value, remove },
  }];
}

function keyOf({ user, clientId }: QuotaEntity): string {
  return JSON.stringify([user === undefined ? 0 : user, clientId === undefined ? 0 : clientId]);
}

function invalid(message: string): Refusal {
  return new Refusal(ErrorCode.INVALID_REQUEST, message);
}
