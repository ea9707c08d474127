/**
 * The quotas of clients as a broker keeps them (KIP-13, 124, 219): bytes a second that are produced
 * and consumed, and the share of the broker's time that requests take.
 *
 * Owns the accounts. What a client takes is let through and taken from its account; one that is
 * overdrawn is to rest until it has been made up for: its response says for how long, and its
 * connection is not read meanwhile. Clients that the same quota is set for, by user or client id,
 * have one account each where the quota is a default, and share one where it names them.
 *
 * Invariants: one that is not there is full, so that only full accounts are forgotten, and what
 * nobody used for an hour, as in Kafka; there are never more than so many, whatever clients call
 * themselves: beyond, those that are not named by a quota share one account for each quota; a
 * charge does a bounded amount of work.
 *
 * @module
 */

import type { BrokerConfig } from "../../config/broker_config.ts";
import type { ClusterImage } from "../../controller/cluster_image.ts";
import type { QuotaEntity } from "../../controller/client_quotas.ts";
import type { Clock } from "../../runtime/environment.ts";
import type { Principal, QuotaHook, QuotaKind } from "./access.ts";

/** No client is kept waiting for longer at a time; what it owes, it owes still. */
const THROTTLE_MS_MAX = 30_000;
/** Accounts of clients that no quota names. */
const ACCOUNTS_MAX = 10_000;
/** Accounts that are looked at, whether they may be forgotten, for each new one. */
const LOOKED_AT = 4;
/** Who was idle for so long starts anew, whatever it owes. */
const IDLE_MS_MAX = 3_600_000;
/** What is looked at of a client id: clients may choose long ones. No quota can name one. */
const CLIENT_ID_CHARS_MAX = 512;

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
  readonly key: string;
  /** What may still be taken; below zero after more was. */
  left: number;
  at: number;
  /** What comes into it a millisecond, and how much it holds. */
  perMs: number;
  most: number;
}

/** A quota that counts for a client. */
interface FoundQuota {
  readonly quota: number;
  /** Whose account it is on. */
  readonly account: string;
  /** Whose it is on when there are too many; undefined for those that the quota names. */
  readonly shared: string | undefined;
}

export interface ClientQuotaManagerOptions {
  readonly image: ClusterImage;
  readonly clock: Clock;
  config(): BrokerConfig;
}

export class ClientQuotaManager implements QuotaHook {
  readonly #options: ClientQuotaManagerOptions;
  readonly #accounts = new Map<string, Account>();
  /** Those that may be forgotten, in any order. */
  readonly #forgettable: Account[] = [];
  /** Which of them is looked at next. */
  #next = 0;

  constructor(options: ClientQuotaManagerOptions) {
    this.#options = options;
  }

  get isUsed(): boolean {
    return !this.#options.image.clientQuotas.isEmpty;
  }

  /** How many accounts are kept. */
  get size(): number {
    return this.#accounts.size;
  }

  charge(kind: QuotaKind, principal: Principal, clientId: string, cost: number): number {
    if (!this.isUsed) return 0;
    const found = this.#find(kind, principal.name, clip(clientId));
    if (found === undefined) return 0;
    const perMs = found.quota * PER_MS[kind];
    const now = this.#options.clock.monotonic();
    const account = this.#account(kind, found, perMs, now);
    account.left -= cost;
    return account.left >= 0 ? 0 : Math.min(THROTTLE_MS_MAX, Math.ceil(-account.left / perMs));
  }

  /** The account with what has come into it since, up to what a rest may bring. */
  #account(kind: QuotaKind, found: FoundQuota, perMs: number, now: number): Account {
    const { quotaWindowNum, quotaWindowSizeSeconds } = this.#options.config();
    const most = perMs * quotaWindowSizeSeconds * 1000 * Math.max(1, quotaWindowNum - 1);
    const account = this.#accounts.get(`${kind} ${found.account}`) ??
      this.#open(kind, found, most, now);
    account.left = Math.min(most, account.left + (now - account.at) * perMs);
    account.at = now;
    account.perMs = perMs;
    account.most = most;
    return account;
  }

  #open(kind: QuotaKind, { account: own, shared }: FoundQuota, most: number, now: number): Account {
    if (shared !== undefined) this.#forget(now);
    const isCrowded = shared !== undefined && this.#forgettable.length >= ACCOUNTS_MAX;
    const key = `${kind} ${isCrowded ? shared : own}`;
    const known = this.#accounts.get(key);
    if (known !== undefined) return known;
    const account = { key, left: most, at: now, perMs: 0, most };
    this.#accounts.set(key, account);
    if (shared !== undefined && !isCrowded) this.#forgettable.push(account);
    return account;
  }

  /** Forgets some that are as if they were not there: more than come, while there are any. */
  #forget(now: number): void {
    const accounts = this.#forgettable;
    for (let i = 0; i < LOOKED_AT && accounts.length > 0; i++) {
      if (this.#next >= accounts.length) this.#next = 0;
      const { key, left, at, perMs, most } = accounts[this.#next]!;
      if (left + (now - at) * perMs < most && now - at < IDLE_MS_MAX) {
        this.#next++;
        continue;
      }
      this.#accounts.delete(key);
      const last = accounts.pop()!;
      if (this.#next < accounts.length) accounts[this.#next] = last;
    }
  }

  /** The quota that counts, in Kafka's order, and whose account it is on. */
  #find(kind: QuotaKind, user: string, clientId: string): FoundQuota | undefined {
    const { clientQuotas } = this.#options.image;
    for (const [index, [entity, byUser, byClient]] of candidates(user, clientId).entries()) {
      const quota = clientQuotas.of(entity)?.get(KEYS[kind]);
      if (quota === undefined) continue;
      const account = JSON.stringify([byUser ? user : 0, byClient ? clientId : 0]);
      const isNamed = entity.user !== null && entity.clientId !== null;
      return { quota, account, shared: isNamed ? undefined : `beyond ${index}` };
    }
    return undefined;
  }
}

function clip(clientId: string): string {
  const { length } = clientId;
  return length <= CLIENT_ID_CHARS_MAX
    ? clientId
    : `${clientId.slice(0, CLIENT_ID_CHARS_MAX)}... of ${length}`;
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
