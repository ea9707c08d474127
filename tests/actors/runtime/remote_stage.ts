/** Two nodes on one network in memory, and puppets that are told over links. */
import type { ActorContext, AskResult, SpawnOptions } from "../../../actors/runtime/actor.ts";
import type { LinkUp, MessageCodec, RemotingLimits } from "../../../actors/runtime/remoting.ts";
import { type Handshake, type HandshakeStep, Remoting } from "../../../actors/runtime/remoting.ts";
import { jsonMessages } from "../../../actors/runtime/json_messages.ts";
import type { Ref } from "../../../actors/runtime/ref.ts";
import { ActorSystem } from "../../../actors/runtime/system.ts";
import { BufferPool } from "../../../net/buffer_pool.ts";
import { type Choose, ManualEnvironment, ManualWorld } from "./manual_environment.ts";

/** What goes over the link. `note` is all that a receiver keeps; the rest it acts upon. */
export type Word =
  | { readonly kind: "note"; readonly text: string; readonly blob?: Uint8Array }
  | { readonly kind: "answer"; readonly replyTo: Ref<string>; readonly times: number }
  | { readonly kind: "keep"; readonly ref: Ref<Word> | Ref<string> }
  | { readonly kind: "stop" | "fail" }
  /** Only within a node. */
  | { readonly kind: "act"; readonly act: (context: ActorContext<Word>) => void };

export const word = (text: string): Word => ({ kind: "note", text });
export const act = (act: (context: ActorContext<Word>) => void): Word => ({ kind: "act", act });

/** Says its node's number, and what it says twice for good measure. */
export function greeting(node: number, accepts: (peer: number) => boolean): Handshake {
  let heard = 0;
  return {
    begin: () => Uint8Array.of(node),
    heard(bytes): HandshakeStep {
      const [peer] = bytes;
      if (peer === undefined || !accepts(peer)) return { kind: "refused", reason: `not ${peer}` };
      if (++heard === 1) return { kind: "say", bytes: Uint8Array.of(node) };
      return { kind: "accepted", peer };
    },
  };
}

export interface NodeOptions {
  readonly limits?: Partial<RemotingLimits>;
  readonly accepts?: (peer: number) => boolean;
  readonly codec?: MessageCodec;
  readonly choose?: Choose;
}

export class RemoteNode {
  readonly environment: ManualEnvironment;
  readonly system: ActorSystem;
  readonly remoting: Remoting;
  readonly buffers = new BufferPool();
  readonly notes: string[] = [];
  readonly blobs: Uint8Array[] = [];
  readonly kept: (Ref<Word> | Ref<string>)[] = [];

  constructor(readonly world: ManualWorld, readonly node: number, options: NodeOptions = {}) {
    const { choose } = options;
    this.environment = new ManualEnvironment({
      world,
      host: `node-${node}`,
      seed: node,
      ...(choose === undefined ? {} : { choose }),
    });
    this.system = new ActorSystem({ environment: this.environment, node });
    this.remoting = new Remoting({
      system: this.system,
      codec: options.codec ?? jsonMessages,
      buffers: this.buffers,
      handshake: () => greeting(node, options.accepts ?? (() => true)),
      limits: options.limits ?? {},
    });
  }

  listen(): void {
    this.environment.network.listen(
      { host: `node-${this.node}`, port: 9 },
      (connection) => this.remoting.accept(connection),
    );
  }

  /** An actor that notes what it is told. */
  puppet(name: string, options?: SpawnOptions): Ref<Word> {
    return this.system.spawn<Word>(name, (context) => ({
      receive: (word) => this.#receive(context, word),
    }), options);
  }

  #receive(context: ActorContext<Word>, word: Word): void {
    switch (word.kind) {
      case "note":
        this.notes.push(word.text);
        if (word.blob !== undefined) this.blobs.push(word.blob);
        return;
      case "answer":
        for (let i = 1; i <= word.times; i++) {
          this.notes.push(`answer ${i}: ${word.replyTo.tell(`answer ${i}`)}`);
        }
        return;
      case "keep":
        return void this.kept.push(word.ref);
      case "stop":
        return context.stop();
      case "fail":
        throw new Error("told to");
      case "act":
        return word.act(context);
    }
  }

  taken(): string[] {
    return this.notes.splice(0);
  }

  events(event: string): unknown[] {
    return this.environment.lines.filter((line) => line.event === event)
      .map((line) => line.fields.reason);
  }
}

/** Node 1 keeps a link to node 2. */
export class Pair {
  readonly world = new ManualWorld();
  readonly one: RemoteNode;
  readonly two: RemoteNode;
  /** The link of node 1 while it is up. */
  link: LinkUp | undefined = undefined;
  readonly downs: string[] = [];
  close: () => void = () => {};

  constructor(options: { readonly one?: NodeOptions; readonly two?: NodeOptions } = {}) {
    this.one = new RemoteNode(this.world, 1, options.one);
    this.two = new RemoteNode(this.world, 2, options.two);
  }

  connect(): void {
    this.close = this.one.remoting.connect({
      name: "two",
      address: () => ({ host: "node-2", port: 9 }),
      up: (link) => this.link = link,
      down: (reason) => {
        this.link = undefined;
        this.downs.push(reason);
      },
    });
    this.world.run();
  }

  /** Listens, connects, and gives the ref that node 1 has of a puppet published by node 2. */
  start(puppet: Ref<Word>): Ref<Word> {
    this.two.remoting.publish("puppet", puppet);
    this.two.listen();
    this.connect();
    return this.link!.find<Word>("puppet");
  }

  /** Breaks the connection, as both learn. */
  cut(): void {
    this.world.network.reset("node-1", "node-2");
    this.world.run();
  }
}

/** Has a puppet of node 1 ask a ref; the result is noted there. */
export function ask(
  pair: Pair,
  asker: Ref<Word>,
  asked: Ref<Word>,
  times = 1,
  timeoutMs = 1000,
): void {
  asker.tell(act((context: ActorContext<Word>) =>
    context.ask<Word, string>(
      asked,
      timeoutMs,
      (replyTo) => ({ kind: "answer", replyTo, times }),
      (result: AskResult<string>) => word(result.kind === "reply" ? result.reply : result.kind),
    )
  ));
  pair.world.run();
}
