/**
 * DescribeClientQuotas and AlterClientQuotas (KIP-546): the former answers from this node's image,
 * the latter is the controller's to decide.
 *
 * @module
 */

import {
  ALTER_CLIENT_QUOTAS,
  type AlterClientQuotasRequest,
  type AlterClientQuotasResponse,
} from "../../../net/messages/alter_client_quotas.ts";
import {
  type ComponentData,
  DESCRIBE_CLIENT_QUOTAS,
  type DescribeClientQuotasRequest,
  type DescribeClientQuotasResponse,
} from "../../../net/messages/describe_client_quotas.ts";
import { ErrorCode } from "../../../net/messages/errors.ts";
import { partsOf, type QuotaEntity } from "../../controller/client_quotas.ts";
import { clusterAccess } from "../sessions/access.ts";
import type { ApiHandler } from "../sessions/call.ts";
import { decidedByController } from "../controller_questions.ts";

const DESCRIBE = [clusterAccess("describe-configs")];
const ALTER = [clusterAccess("alter-configs")];

/** How DescribeClientQuotas asks for names. */
const MATCH = { exact: 0, default: 1, any: 2 } as const;

export const describeClientQuotas: ApiHandler<
  DescribeClientQuotasRequest,
  DescribeClientQuotasResponse
> = {
  api: DESCRIBE_CLIENT_QUOTAS,
  access: () => DESCRIBE,
  handle(call) {
    const { components, strict } = call.request;
    const wrong = problemOf(components);
    if (wrong !== undefined) {
      return call.reply(
        describeClientQuotas.failed(call.request, ErrorCode.INVALID_REQUEST, wrong),
      );
    }
    const entries = [...call.broker.image.clientQuotas.all()]
      .filter(({ entity }) => matches(entity, components, strict))
      .map(({ entity, values }) => ({
        entity: partsOf(entity),
        values: [...values].map(([key, value]) => ({ key, value })),
      }));
    call.reply({ throttleTimeMs: 0, errorCode: ErrorCode.NONE, errorMessage: null, entries });
  },
  failed: (_request, errorCode, errorMessage) => ({
    throttleTimeMs: 0,
    errorCode,
    errorMessage,
    entries: null,
  }),
};

export const alterClientQuotas: ApiHandler<AlterClientQuotasRequest, AlterClientQuotasResponse> = {
  api: ALTER_CLIENT_QUOTAS,
  access: () => ALTER,
  handle: (call) =>
    decidedByController(call, alterClientQuotas, call.broker.config.requestTimeoutMs),
  failed: ({ entries }, errorCode, errorMessage) => ({
    throttleTimeMs: 0,
    entries: entries.map(({ entity }) => ({ errorCode, errorMessage, entity: [...entity] })),
  }),
};

function problemOf(components: readonly ComponentData[]): string | undefined {
  const types = new Set<string>();
  for (const { entityType, matchType, match } of components) {
    if (entityType !== "user" && entityType !== "client-id") {
      return `Entity type ${entityType} has no quotas`;
    }
    if (types.has(entityType)) return `Entity type ${entityType} is named twice`;
    types.add(entityType);
    if (matchType < MATCH.exact || matchType > MATCH.any) return `Match type ${matchType} is none`;
    if ((matchType === MATCH.exact) !== (match !== null)) {
      return `Match type ${matchType} goes ${match === null ? "with" : "without"} a name`;
    }
  }
  return undefined;
}

/** Whether an entity is asked for; a strict question wants no part that it does not name. */
function matches(
  { user, clientId }: QuotaEntity,
  components: readonly ComponentData[],
  strict: boolean,
): boolean {
  const named = { "user": user, "client-id": clientId };
  for (const { entityType, matchType, match } of components) {
    const name = named[entityType as keyof typeof named];
    if (name === undefined) return false;
    if (matchType === MATCH.exact && name !== match) return false;
    if (matchType === MATCH.default && name !== null) return false;
  }
  const parts = (user === undefined ? 0 : 1) + (clientId === undefined ? 0 : 1);
  return !strict || parts === components.length;
}
