/**
 * Changes of configs as options of a command: those to set, and those that go back to their
 * defaults.
 *
 * @module
 */

import { UsageError } from "./option.ts";

export interface ConfigChangeOptions {
  readonly config: ReadonlyMap<string, string>;
  readonly deleteConfig: readonly string[];
}

export interface ConfigChanges {
  readonly set: Readonly<Record<string, string>>;
  readonly delete: readonly string[];
}

/**
 * Undefined where nothing is to change.
 * @throws {UsageError} where a config is to be both set and not
 */
export function configChanges(
  { config, deleteConfig }: ConfigChangeOptions,
): ConfigChanges | undefined {
  const both = deleteConfig.find((name) => config.has(name));
  if (both !== undefined) throw new UsageError(`--config and --delete-config both name ${both}`);
  if (config.size + deleteConfig.length === 0) return undefined;
  return { set: Object.fromEntries(config), delete: deleteConfig };
}
