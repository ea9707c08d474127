/**
 * What the admin client asks about the quotas of clients (KIP-546).
 *
 * @module
 */

import { ALTER_CLIENT_QUOTAS } from "../../../net/messages/alter_client_quotas.ts";
import { DESCRIBE_CLIENT_QUOTAS } from "../../../net/messages/describe_client_quotas.ts";
import { make } from "../../../net/schema/make.ts";
import { type AdminCalls, check } from "./admin_calls.ts";

/** Whom a quota concerns: null is the default of its kind. At least one of the two is there. */
export interface QuotaEntity {
  /** The user's name. */
  readonly user?: string | null;
  /** The client's id. */
  readonly clientId?: string | null;
}

/** What may be limited, by Kafka's names. */
export type QuotaKey = "producer_byte_rate" | "consumer_byte_rate" | "request_percentage";

/** The quotas of one entity. */
export interface ClientQuotas {
  /** Whom they concern. */
  readonly entity: QuotaEntity;
  /** Bytes a second, or percents of the broker's time. */
  readonly quotas: Readonly<Partial<Record<QuotaKey, number>>>;
}

/** Changes of one entity's quotas. */
export interface AlterClientQuotas {
  /** Whom they concern. */
  readonly entity: QuotaEntity;
  /** New values. */
  readonly set?: Readonly<Partial<Record<QuotaKey, number>>>;
  /** Not limited any more. */
  readonly remove?: readonly QuotaKey[];
}

const MATCH = { exact: 0, default: 1 } as const;

export async function describeClientQuotas(
  calls: AdminCalls,
  entity: QuotaEntity,
): Promise<ClientQuotas[]> {
  const components = partsOf(entity).map(({ entityType, entityName }) => ({
    entityType,
    matchType: entityName === null ? MATCH.default : MATCH.exact,
    match: entityName,
  }));
  const request = make(DESCRIBE_CLIENT_QUOTAS.request, { components, strict: false });
  const response = await calls.broker(undefined, DESCRIBE_CLIENT_QUOTAS, request);
  check(response, "Cannot describe client quotas");
  return (response.entries ?? []).map(({ entity, values }) => ({
    entity: Object.fromEntries(
      entity.map(({ entityType, entityName }) => [
        entityType === "user" ? "user" : "clientId",
        entityName,
      ]),
    ),
    quotas: Object.fromEntries(values.map(({ key, value }) => [key, value])),
  }));
}

export async function alterClientQuotas(
  calls: AdminCalls,
  changes: readonly AlterClientQuotas[],
  validateOnly: boolean,
): Promise<void> {
  const request = make(ALTER_CLIENT_QUOTAS.request, {
    entries: changes.map(({ entity, set = {}, remove = [] }) => ({
      entity: partsOf(entity),
      ops: [
        ...Object.entries(set).map(([key, value]) => ({ key, value, remove: false })),
        ...remove.map((key) => ({ key, value: 0, remove: true })),
      ],
    })),
    validateOnly,
  });
  const { entries } = await calls.broker(undefined, ALTER_CLIENT_QUOTAS, request);
  for (const { entity, ...result } of entries) {
    const name = entity.map(({ entityType, entityName }) =>
      `${entityType} ${entityName ?? "<default>"}`
    ).join(", ");
    check(result, `Cannot alter quotas of ${name}`);
  }
}

function partsOf({ user, clientId }: QuotaEntity) {
  return [
    ...(user === undefined ? [] : [{ entityType: "user", entityName: user }]),
    ...(clientId === undefined ? [] : [{ entityType: "client-id", entityName: clientId }]),
  ];
}
