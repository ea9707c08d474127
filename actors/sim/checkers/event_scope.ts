/**
 * What an event of a node may have changed of what checkers look at, so that they look at no more.
 *
 * A replica changes its state when its actor handles a message, a controller likewise; packets,
 * timers and ends of turns only bring messages about, and disks complete in events of their own.
 * Whatever is not known here counts as having changed everything. Invariant: what is left out is
 * looked at by the next event that is not, and by full scans.
 *
 * @module
 */

/** Everything of the node, nothing, its controller, or the replica of this name. */
export type EventScope =
  | { readonly kind: "all" | "nothing" | "controller" }
  | { readonly kind: "replica"; readonly key: string };

export const ALL: EventScope = { kind: "all" };
const NOTHING: EventScope = { kind: "nothing" };
const CONTROLLER: EventScope = { kind: "controller" };

/** Events that change no state but of connections, timers and mailboxes. */
const CARRYING: ReadonlySet<string> = new Set([
  "timer",
  "end of turn",
  "after I/O",
  "net.send",
  "net.arrive",
  "net.read",
  "net.retry",
  "net.connect",
  "net.connected",
  "net.closed",
  "net.reset",
  "net.settle",
]);

/** Actors that have neither replica nor quorum, and neither start nor end those that do. */
const BYSTANDERS = ["/broker/session-", "/broker/fetchers", "/controller-channel"];
const REPLICA = "/broker/partition-";

/** Knows the scopes of actors, by their paths. */
export class EventScopes {
  readonly #known = new Map<string, EventScope>();

  /**
   * The scope of an event, in which the actor of this path handled a message, if any did: what
   * carries a message may be one event with its handling.
   */
  of(what: string, actor: string | undefined): EventScope {
    const carries = CARRYING.has(what);
    if (actor === undefined) return carries ? NOTHING : ALL;
    if (!carries && what !== "message") return ALL;
    let scope = this.#known.get(actor);
    if (scope === undefined) {
      scope = scopeOfActor(actor);
      this.#known.set(actor, scope);
    }
    return scope;
  }
}

function scopeOfActor(actor: string): EventScope {
  if (actor === "/controller") return CONTROLLER;
  if (actor.startsWith(REPLICA)) return { kind: "replica", key: actor.slice(REPLICA.length) };
  return BYSTANDERS.some((path) => actor.startsWith(path)) ? NOTHING : ALL;
}
