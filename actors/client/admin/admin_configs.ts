/**
 * What the admin client asks about configs.
 *
 * @module
 */

import { CONFIG_RESOURCE } from "../../../net/messages/config_resources.ts";
import { DESCRIBE_CONFIGS } from "../../../net/messages/describe_configs.ts";
import { ErrorCode } from "../../../net/messages/errors.ts";
import { INCREMENTAL_ALTER_CONFIGS } from "../../../net/messages/incremental_alter_configs.ts";
import { make } from "../../../net/schema/make.ts";
import { type AdminCalls, check } from "./admin_calls.ts";
import {
  type AlterConfigs,
  CONFIG_OPERATION,
  type ConfigResource,
  configsOf,
  type DescribedConfigs,
} from "./admin_types.ts";
import { errorForCode } from "../errors.ts";
import type { OwnChanges } from "./own_changes.ts";

export async function describeConfigs(
  calls: AdminCalls,
  resources: readonly ConfigResource[],
  own: OwnChanges,
): Promise<DescribedConfigs[]> {
  const groups = calls.byBroker(resources, nodeOf);
  const described = await Promise.all(groups.map(async ({ node, items }) => {
    const request = make(DESCRIBE_CONFIGS.request, {
      resources: items.map(({ type, name, keys }) => ({
        resourceType: CONFIG_RESOURCE[type],
        resourceName: name,
        configurationKeys: keys ?? null,
      })),
      includeSynonyms: true,
      includeDocumentation: true,
    });
    const { results } = await calls.until(
      () => calls.broker(node, DESCRIBE_CONFIGS, request),
      ({ results }) =>
        !results.some(({ resourceType, resourceName, errorCode }) =>
          errorCode === ErrorCode.UNKNOWN_TOPIC_OR_PARTITION &&
          resourceType === CONFIG_RESOURCE.topic && own.awaits(resourceName)
        ),
    );
    return results;
  }));
  const results = described.flat();
  return resources.map(({ type, name }) => {
    const result = results.find(({ resourceType, resourceName }) =>
      resourceType === CONFIG_RESOURCE[type] && resourceName === name
    );
    const action = `Cannot describe configs of ${type} ${name}`;
    if (result === undefined) throw errorForCode(ErrorCode.RESOURCE_NOT_FOUND, action);
    check(result, action);
    return { type, name, configs: result.configs };
  });
}

export async function alterConfigs(
  calls: AdminCalls,
  changes: readonly AlterConfigs[],
  validateOnly: boolean,
): Promise<void> {
  const groups = calls.byBroker(changes, nodeOf);
  await Promise.all(groups.map(async ({ node, items }) => {
    const request = make(INCREMENTAL_ALTER_CONFIGS.request, {
      resources: items.map(({ type, name, ...operations }) => ({
        resourceType: CONFIG_RESOURCE[type],
        resourceName: name,
        configs: [
          ...configsOf(operations.set ?? {}, CONFIG_OPERATION.set),
          ...(operations.delete ?? []).map((name) => ({
            name,
            configOperation: CONFIG_OPERATION.delete,
            value: null,
          })),
          ...configsOf(operations.append ?? {}, CONFIG_OPERATION.append),
          ...configsOf(operations.subtract ?? {}, CONFIG_OPERATION.subtract),
        ],
      })),
      validateOnly,
    });
    const { responses } = await calls.broker(node, INCREMENTAL_ALTER_CONFIGS, request);
    for (const { resourceName, ...result } of responses) {
      check(result, `Cannot alter configs of ${resourceName}`);
    }
  }));
}

/** A broker's configs are its own to tell and to change; anyone's else are everybody's. */
function nodeOf({ type, name }: ConfigResource): number | undefined {
  return type === "broker" && name !== "" ? Number(name) : undefined;
}
