/**
 * The quotas of clients as a broker keeps them (KIP-13, 124, 219): bytes a second that are produced
 * and consumed, and the share of the broker's time that requests take.
 *
 * Owns the accounts. What a client takes is let through and taken from its account; one that is
 * overdrawn is to rest until it has been made up for: its response says for how long, and its
 * connection is not read meanwhile. Clients that the same quota is set for, by user or client id,
 * have one account each where the quota is a default, and share one where it names them.
 *
 * Invariant: an account that nobody used for a while is forgotten; one that is not there is full.
 *
 * @module
 */

import type { BrokerConfig } from "../config/broker_config.ts";
import type { ClusterImage } from "../controller/cluster_image.ts";
import type { QuotaEntity } from "../controller/client_quotas.ts";
import type { Clock } from "../runtime/environment.ts";
import type { Principal, QuotaHook, QuotaKind } from "./access.ts";

/** No client is kept waiting for longer at a time; what it owes, it owes still. */
const THROTTLE_MS_MAX = 30_000;
/** Accounts that are kept; beyond, those that owe nothing are forgotten. */
const ACCOUNTS_MAX = 10_000;

const KEYS: Readonly<Record<QuotaKind, string>> = {
  produce: "producer_byte_rate",
  fetch: "consumer_byte_rate",
  request: "request_percentage",
};

/** Units of a quota a millisecond: bytes, or, of a percentage, milliseconds. */
const PER_MS: Readonly<Record<QuotaKind, number>> = {
  produce: 1 / 1000,
  fetch: 1 / 1000,
  request: 1 / 100,
};

interface Account {
  /** What may still be taken; below zero after more was. */
  left: number;
  at: number;
}

export interface ClientQuotaManagerOptions {
  readonly image: ClusterImage;
  readonly clock: Clock;
  config(): BrokerConfig;
}

export class ClientQuotaManager implements QuotaHook {
  readonly #options: ClientQuotaManagerOptions;
  readonly #accounts = new Map<string, Account>();

  constructor(options: ClientQuotaManagerOptions) {
    this.#options = options;
  }

  get isUsed(): boolean {
    return !this.#options.image.clientQuotas.isEmpty;
  }

  charge(kind: QuotaKind, principal: Principal, clientId: string, cost: number): number {
    if (!this.isUsed) return 0;
    const found = this.#find(kind, principal.name, clientId);
    if (found === undefined) return 0;
    const perMs = found.quota * PER_MS[kind];
    const now = this.#options.clock.monotonic();
    const account = this.#account(`${kind} ${found.account}`, perMs, now);
    account.left -= cost;
    return account.left >= 0 ? 0 : Math.min(THROTTLE_MS_MAX, Math.ceil(-account.left / perMs));
  }

  /** The account with what has come into it since, up to what a rest may bring. */
  #account(key: string, perMs: number, now: number): Account {
    const { quotaWindowNum, quotaWindowSizeSeconds } = this.#options.config();
    const most = perMs * quotaWindowSizeSeconds * 1000 * Math.max(1, quotaWindowNum - 1);
    let account = this.#accounts.get(key);
    if (account === undefined) {
      if (this.#accounts.size >= ACCOUNTS_MAX) this.#forget();
      account = { left: most, at: now };
      this.#accounts.set(key, account);
    }
    account.left = Math.min(most, account.left + (now - account.at) * perMs);
    account.at = now;
    return account;
  }

  #forget(): void {
    for (const [key, { left }] of this.#accounts) if (left >= 0) this.#accounts.delete(key);
  }

  /** The quota that counts, in Kafka's order, and whose account it is on. */
  #find(
    kind: QuotaKind,
    user: string,
    clientId: string,
  ): { readonly quota: number; readonly account: string } | undefined {
    const { clientQuotas } = this.#options.image;
    for (const [entity, sharesUser, sharesClient] of candidates(user, clientId)) {
      const quota = clientQuotas.of(entity)?.get(KEYS[kind]);
      if (quota === undefined) continue;
      const account = JSON.stringify([sharesUser ? user : 0, sharesClient ? clientId : 0]);
      return { quota, account };
    }
    return undefined;
  }
}

/** Entities from the nearest to the farthest, and what tells their accounts apart. */
function candidates(user: string, clientId: string): [QuotaEntity, boolean, boolean][] {
  return [
    [{ user, clientId }, true, true],
    [{ user, clientId: null }, true, true],
    [{ user, clientId: undefined }, true, false],
    [{ user: null, clientId }, true, true],
    [{ user: null, clientId: null }, true, true],
    [{ user: null, clientId: undefined }, true, false],
    [{ user: undefined, clientId }, false, true],
    [{ user: undefined, clientId: null }, false, true],
  ];
}
