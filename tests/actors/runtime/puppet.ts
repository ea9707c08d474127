/** An actor that does what it is told: each message is a piece of its behaviour. */
import type { ActorContext, Behaviour, SpawnOptions } from "../../../actors/runtime/actor.ts";
import type { Ref } from "../../../actors/runtime/ref.ts";
import { ActorSystem } from "../../../actors/runtime/system.ts";
import { ManualEnvironment, type ManualOptions } from "./manual_environment.ts";

export type Act = (context: ActorContext<Act>) => void;
export type Puppet = Ref<Act>;

/** A system, its environment, and what its puppets noted. */
export class Stage {
  readonly environment: ManualEnvironment;
  readonly system: ActorSystem;
  readonly notes: string[] = [];

  constructor(options: ManualOptions & { readonly node?: number } = {}) {
    this.environment = new ManualEnvironment(options);
    this.system = new ActorSystem({
      environment: this.environment,
      node: options.node ?? 1,
    });
  }

  /** Notes when it runs. */
  note(text: string): Act {
    return () => void this.notes.push(text);
  }

  behaviour(name: string, begin?: Act): Behaviour<Act> {
    return (context) => {
      begin?.(context);
      return {
        receive: (act) => act(context),
        stopped: () => void this.notes.push(`${name} stopped`),
      };
    };
  }

  puppet(name: string, options?: SpawnOptions, begin?: Act): Puppet {
    return this.system.spawn(name, this.behaviour(name, begin), options);
  }

  /** Has a puppet do something, and everything that follows from it. */
  act(puppet: Puppet, act: Act): void {
    puppet.tell(act);
    this.environment.run();
  }

  run(): void {
    this.environment.run();
  }

  /** What was noted since the last call. */
  taken(): string[] {
    return this.notes.splice(0);
  }
}

export const fail = (message: string): Act => () => {
  throw new TypeError(message);
};

export const restarting = (limit: number, withinMs = 1000): SpawnOptions => ({
  supervision: { kind: "restart", limit, withinMs },
});
