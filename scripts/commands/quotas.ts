/**
 * `strom quotas`: shows and changes what clients may take.
 *
 * @module
 */

import { Admin, type ClientQuotas, type QuotaEntity, type QuotaKey } from "../../mod.ts";
import { access, cluster, type ClusterOptions, json } from "./client_options.ts";
import { command } from "./command.ts";
import { pairs, text, texts, UsageError } from "./option.ts";

/** How a default is named: no client and no user is called so. */
const DEFAULT = "<default>";

const KEYS: readonly QuotaKey[] = [
  "producer_byte_rate",
  "consumer_byte_rate",
  "request_percentage",
];

const entityOptions = {
  user: text("NAME", `A user, or ${DEFAULT} for all without a quota of their own`),
  clientId: text("ID", `A client id, or ${DEFAULT}`),
};

const list = command({
  name: "quotas list",
  summary: "Show the quotas of clients",
  options: { ...entityOptions, json, ...cluster },
  async run({ options, terminal }) {
    const { output } = terminal;
    await using admin = await connect(options);
    const found = await admin.describeClientQuotas(entityOf(options));
    if (options.json) return output.writeLine(JSON.stringify(found));
    if (found.length === 0) terminal.note("There are no such quotas");
    for (const each of found) output.writeLine(lineOf(each));
  },
});

const alter = command({
  name: "quotas alter",
  summary: "Limit what clients produce, consume and ask a broker for, or limit it no more",
  details: [`Quotas are ${KEYS.join(", ")}:`, "bytes a second, and percents of its time."],
  options: {
    ...entityOptions,
    set: pairs("A quota, as producer_byte_rate=1048576"),
    remove: texts("KEY", "A quota that counts no more"),
    ...cluster,
  },
  async run({ options, terminal: { output } }) {
    const entity = entityOf(options);
    if (options.user === undefined && options.clientId === undefined) {
      throw new UsageError("Name a --user, a --client-id, or both");
    }
    if (options.set.size === 0 && options.remove.length === 0) {
      throw new UsageError("Name a quota to --set or to --remove");
    }
    const set = Object.fromEntries(
      [...options.set].map(([key, value]) => [keyOf(key), numberOf(key, value)]),
    );
    await using admin = await connect(options);
    await admin.alterClientQuotas([{ entity, set, remove: options.remove.map(keyOf) }]);
    const changed = (await admin.describeClientQuotas(entity))
      .filter(({ entity: { user, clientId } }) =>
        user === entity.user && clientId === entity.clientId
      );
    for (const each of changed) output.writeLine(lineOf(each));
    if (changed.length === 0) output.writeLine(`${lineOf({ entity, quotas: {} })}  no quotas`);
  },
});

function keyOf(text: string): QuotaKey {
  const key = KEYS.find((key) => key === text);
  if (key === undefined) {
    throw new UsageError(`There is no quota ${text}: they are ${KEYS.join(", ")}`);
  }
  return key;
}

function numberOf(key: string, text: string): number {
  const value = Number(text);
  if (text === "" || !(value >= 0 && value < Infinity)) {
    throw new UsageError(`--set ${key}=${text} is no number from 0 on`);
  }
  return value;
}

function entityOf({ user, clientId }: {
  readonly user: string | undefined;
  readonly clientId: string | undefined;
}): QuotaEntity {
  const name = (text: string) => text === DEFAULT ? null : text;
  return {
    ...(user === undefined ? {} : { user: name(user) }),
    ...(clientId === undefined ? {} : { clientId: name(clientId) }),
  };
}

function lineOf({ entity: { user, clientId }, quotas }: ClientQuotas): string {
  return [
    ...(user === undefined ? [] : [`user ${user ?? DEFAULT}`]),
    ...(clientId === undefined ? [] : [`client-id ${clientId ?? DEFAULT}`]),
    ...Object.entries(quotas).map(([key, value]) => `${key}=${value}`),
  ].join("  ");
}

function connect(options: ClusterOptions): Promise<Admin> {
  return Admin.connect(options.bootstrap, access(options));
}

export const QUOTAS = [list, alter];
