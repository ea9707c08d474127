/**
 * Keeps the real world out of the simulated one: while a step runs, the globals that read a clock,
 * draw chance or start work throw, and are remembered, so that a handler that catches does not hide
 * it. The lint plugin looks for names; this finds aliases and dependencies.
 *
 * @module
 */

// deno-lint-ignore purity/environment -- replacing globals is this file's purpose
const world = globalThis as unknown as Record<string, unknown>;

/** Members that throw, by the global that has them; the empty name is for globals themselves. */
const FORBIDDEN: Readonly<Record<string, readonly string[]>> = {
  "": [
    "setTimeout",
    "setInterval",
    "setImmediate",
    "queueMicrotask",
    "fetch",
    "Worker",
    "WebSocket",
    "BroadcastChannel",
    "MessageChannel",
    "WeakRef",
    "FinalizationRegistry",
  ],
  Math: ["random"],
  performance: ["now", "mark", "measure"],
  crypto: ["getRandomValues", "randomUUID"],
  Atomics: ["wait", "waitAsync"],
};

/** Something reached for the real world within a simulated step. */
export class PurityError extends Error {
  override readonly name = "PurityError";
}

interface Replaced {
  readonly target: object;
  readonly key: string;
  /** Undefined where it was inherited. */
  readonly descriptor: PropertyDescriptor | undefined;
}

export class PurityGuard {
  #depth = 0;
  #replaced: Replaced[] = [];
  #violation: PurityError | undefined;

  /** Puts the stubs in place until as many calls of `leave`. */
  enter(): void {
    if (this.#depth++ > 0) return;
    for (const [owner, names] of Object.entries(FORBIDDEN)) {
      const target = owner === "" ? world : world[owner];
      if (typeof target !== "object" || target === null) continue;
      for (const name of names) {
        if (!(name in target)) continue;
        const full = owner === "" ? name : `${owner}.${name}`;
        this.#replace(target, name, this.#stub(full));
      }
    }
    this.#replace(world, "Date", this.#date(world["Date"] as DateConstructor));
  }

  leave(): void {
    if (--this.#depth > 0) return;
    for (const { target, key, descriptor } of this.#replaced.reverse()) {
      if (descriptor === undefined) Reflect.deleteProperty(target, key);
      else Object.defineProperty(target, key, descriptor);
    }
    this.#replaced = [];
  }

  /** Throws what was caught since the last call, even if the code it was thrown at caught it. */
  check(): void {
    if (this.#violation === undefined) return;
    const violation = this.#violation;
    this.#violation = undefined;
    throw violation;
  }

  #replace(target: object, key: string, value: unknown): void {
    const descriptor = Object.getOwnPropertyDescriptor(target, key);
    if (descriptor?.configurable === false) return;
    this.#replaced.push({ target, key, descriptor });
    Object.defineProperty(target, key, { value, configurable: true, writable: true });
  }

  #stub(name: string): () => never {
    // A function, for some of them are called with `new`.
    const guard = this as PurityGuard;
    return function () {
      return guard.#refuse(name);
    };
  }

  #refuse(name: string): never {
    const error = new PurityError(`Cannot use ${name} in a simulated step`);
    this.#violation ??= error;
    throw error;
  }

  #date(real: DateConstructor): DateConstructor {
    return new Proxy(real, {
      get: (target, key) => key === "now" ? this.#stub("Date.now") : Reflect.get(target, key),
      apply: () => this.#refuse("Date()"),
      construct: (target, values, newTarget) =>
        values.length === 0
          ? this.#refuse("new Date()")
          : Reflect.construct(target, values, newTarget),
    });
  }
}
