/**
 * AlterConfigs and IncrementalAlterConfigs: decided by the controller, live where Kafka's are.
 *
 * @module
 */

import {
  ALTER_CONFIGS,
  type AlterConfigsRequest,
  type AlterConfigsResponse,
} from "../../../net/messages/alter_configs.ts";
import {
  INCREMENTAL_ALTER_CONFIGS,
  type IncrementalAlterConfigsRequest,
  type IncrementalAlterConfigsResponse,
} from "../../../net/messages/incremental_alter_configs.ts";
import { type Access, configAccess } from "../sessions/access.ts";
import type { ApiHandler } from "../sessions/call.ts";
import { decidedByController } from "../controller_questions.ts";

export const alterConfigs: ApiHandler<AlterConfigsRequest, AlterConfigsResponse> = {
  api: ALTER_CONFIGS,
  access,
  elements: { of: ["resources"], results: "responses" },
  handle: (call) => decidedByController(call, alterConfigs, call.broker.config.requestTimeoutMs),
  failed,
};

export const incrementalAlterConfigs: ApiHandler<
  IncrementalAlterConfigsRequest,
  IncrementalAlterConfigsResponse
> = {
  api: INCREMENTAL_ALTER_CONFIGS,
  access,
  elements: { of: ["resources"], results: "responses" },
  handle: (call) =>
    decidedByController(call, incrementalAlterConfigs, call.broker.config.requestTimeoutMs),
  failed,
};

interface Resources {
  readonly resources: readonly { readonly resourceType: number; readonly resourceName: string }[];
}

function access({ resources }: Resources): Access[] {
  return resources.map((resource) => configAccess("alter-configs", resource));
}

function failed(
  { resources }: Resources,
  errorCode: number,
  errorMessage: string | null,
): AlterConfigsResponse {
  return {
    throttleTimeMs: 0,
    responses: resources.map(({ resourceType, resourceName }) => ({
      errorCode,
      errorMessage,
      resourceType,
      resourceName,
    })),
  };
}
