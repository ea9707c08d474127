/**
 * Which replicas of this broker fetch from whom: one fetcher for each leader that is followed.
 *
 * Partitions say whom they follow and when they cease; the broker says where brokers are and in
 * which epoch it is registered itself. A fetcher lives while something follows its leader and the
 * leader's address is known; one that fails is replaced, and the partitions are asked where they
 * are.
 *
 * Invariant: a partition is with at most one fetcher, that of the leader it named last.
 *
 * @module
 */

import { type NodeId, NONE, type Offset, type Uuid } from "../../../storage/bytes/ids.ts";
import type { SocketAddress } from "../../../net/network.ts";
import type { Follow, Unfollow } from "../../partition/messages.ts";
import type { Actor, ActorContext, Behaviour } from "../../runtime/actor.ts";
import type { Ref } from "../../runtime/ref.ts";
import { fetcherActor, type FetcherRequest, type FetchingOptions } from "./fetcher_actor.ts";

export type FetcherManagerRequest =
  | Follow
  | Unfollow
  /** Where the brokers of the cluster are. */
  | {
    readonly kind: "broker-addresses";
    readonly addresses: ReadonlyMap<NodeId, SocketAddress>;
  }
  /** This broker is registered. */
  | { readonly kind: "broker-epoch"; readonly brokerEpoch: Offset };

type ManagerMessage =
  | FetcherManagerRequest
  | { readonly kind: "fetcher-ended"; readonly leader: NodeId }
  | { readonly kind: "start-again"; readonly leader: NodeId };

/** What follows one leader. */
interface Leader {
  readonly id: NodeId;
  readonly follows: Map<string, Follow>;
  fetcher: Ref<FetcherRequest> | undefined;
  address: SocketAddress | undefined;
}

/** Before a fetcher that failed is replaced. */
const RESTART_DELAY_MS = 1000;

export function fetcherManagerActor(options: FetchingOptions): Behaviour<FetcherManagerRequest> {
  return (context) =>
    new FetcherManager(context as unknown as ActorContext<ManagerMessage>, options);
}

class FetcherManager implements Actor<ManagerMessage> {
  readonly #context: ActorContext<ManagerMessage>;
  readonly #options: FetchingOptions;
  readonly #leaders = new Map<NodeId, Leader>();
  readonly #leaderOf = new Map<string, Leader>();
  /**
   * By partition: what each of its replicas said last, in the order in which that came. There are
   * two while one ends and another is made anew; nothing says which of them is heard first.
   */
  readonly #said = new Map<string, readonly Follow[]>();
  #addresses: ReadonlyMap<NodeId, SocketAddress> = new Map();
  #brokerEpoch: Offset = NONE;
  #fetcherNumber = 0;

  constructor(context: ActorContext<ManagerMessage>, options: FetchingOptions) {
    this.#context = context;
    this.#options = options;
  }

  receive(message: ManagerMessage): void {
    switch (message.kind) {
      case "follow":
        return this.#follows(message);
      case "unfollow":
        return this.#unfollowedBy(message);
      case "broker-addresses":
        return this.#moved(message.addresses);
      case "broker-epoch":
        this.#brokerEpoch = message.brokerEpoch;
        for (const { fetcher } of this.#leaders.values()) fetcher?.tell(message);
        return;
      case "fetcher-ended":
        return this.#ended(message.leader);
      case "start-again": {
        const leader = this.#leaders.get(message.leader);
        return leader === undefined ? undefined : this.#start(leader);
      }
    }
  }

  #follows(follow: Follow): void {
    const key = keyOf(follow.topicId, follow.partition);
    const others = this.#said.get(key)?.filter(({ replica }) => replica !== follow.replica) ?? [];
    this.#said.set(key, [...others, follow]);
    this.#follow(follow, true);
  }

  #follow(follow: Follow, isPositionKnown: boolean): void {
    const key = keyOf(follow.topicId, follow.partition);
    const before = this.#leaderOf.get(key);
    if (before !== undefined && before.id !== follow.leader) this.#unfollow(follow);
    // There is no leader now: the metadata will name one.
    if (follow.leader === NONE || follow.leader === this.#options.nodeId) return;
    let leader = this.#leaders.get(follow.leader);
    if (leader === undefined) {
      const id = follow.leader;
      leader = { id, follows: new Map(), fetcher: undefined, address: this.#addresses.get(id) };
      this.#leaders.set(id, leader);
      this.#spawn(leader);
    }
    leader.follows.set(key, follow);
    this.#leaderOf.set(key, leader);
    leader.fetcher?.tell({ kind: "follow", follow, isPositionKnown });
  }

  /** Of a replica that ends: one that was made after it may have begun to follow before. */
  #unfollowedBy({ topicId, partition, replica }: Unfollow): void {
    const key = keyOf(topicId, partition);
    const said = this.#said.get(key) ?? [];
    const left = said.filter((follow) => follow.replica !== replica);
    if (left.length > 0) this.#said.set(key, left);
    else this.#said.delete(key);
    if (said.at(-1)?.replica !== replica) return;
    const other = left.at(-1);
    if (other === undefined) return this.#unfollow({ topicId, partition });
    // It may be elsewhere than it said, before this one was heard of.
    this.#follow(other, false);
  }

  #unfollow({ topicId, partition }: Pick<Unfollow, "topicId" | "partition">): void {
    const key = keyOf(topicId, partition);
    const leader = this.#leaderOf.get(key);
    if (leader === undefined) return;
    this.#leaderOf.delete(key);
    leader.follows.delete(key);
    if (leader.follows.size > 0) {
      leader.fetcher?.tell({ kind: "unfollow", topicId, partition });
      return;
    }
    this.#leaders.delete(leader.id);
    this.#stop(leader);
  }

  #moved(addresses: ReadonlyMap<NodeId, SocketAddress>): void {
    this.#addresses = addresses;
    for (const leader of this.#leaders.values()) {
      const address = addresses.get(leader.id);
      if (sameAddress(address, leader.address)) continue;
      this.#stop(leader);
      leader.address = address;
      this.#start(leader);
    }
  }

  /** Undefined where nobody knows how to reach the leader, or it is fetched from already. */
  #spawn(leader: Leader): Ref<FetcherRequest> | undefined {
    const { address, id } = leader;
    if (address === undefined || leader.fetcher !== undefined) return undefined;
    const fetcher = this.#context.spawn(
      `fetcher-${id}-${++this.#fetcherNumber}`,
      fetcherActor({ ...this.#options, leader: id, address, brokerEpoch: this.#brokerEpoch }),
      // What it is told is bounded by the partitions of this broker, and must not be lost.
      { mailboxLimit: Number.MAX_SAFE_INTEGER },
    );
    leader.fetcher = fetcher;
    this.#context.watch(fetcher, { kind: "fetcher-ended", leader: id });
    return fetcher;
  }

  /** The partitions may be elsewhere than they said when they began to follow. */
  #start(leader: Leader): void {
    const fetcher = this.#spawn(leader);
    for (const follow of leader.follows.values()) {
      fetcher?.tell({ kind: "follow", follow, isPositionKnown: false });
    }
  }

  #stop(leader: Leader): void {
    const { fetcher } = leader;
    if (fetcher === undefined) return;
    leader.fetcher = undefined;
    this.#context.unwatch(fetcher);
    this.#context.stopChild(fetcher);
  }

  #ended(id: NodeId): void {
    const leader = this.#leaders.get(id);
    if (leader === undefined) return;
    leader.fetcher = undefined;
    this.#context.environment.logger.log("error", "fetcher failed", { leader: id });
    this.#context.startTimer(`start-${id}`, RESTART_DELAY_MS, { kind: "start-again", leader: id });
  }
}

function keyOf(topicId: Uuid, partition: number): string {
  return `${topicId}/${partition}`;
}

function sameAddress(a: SocketAddress | undefined, b: SocketAddress | undefined): boolean {
  return a?.host === b?.host && a?.port === b?.port;
}
