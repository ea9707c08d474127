/**
 * Builds functions from generated source: the means by which tables become code.
 *
 * The source is made from tables alone, which are constants of this program (never from what came
 * over a wire), and every name in it is checked to be a plain identifier. Values that cannot be
 * written down are passed in as constants. Compiled code is what makes decoded objects share one
 * shape and spares a loop over field descriptions per message.
 *
 * @module
 */

/** Collects the functions of one compilation and the constants that they use. */
export class SourceBuilder {
  readonly #constants = new Map<unknown, string>();
  readonly #functions: string[] = [];
  readonly #made = new Map<string, Map<unknown, string>>();

  /** The name under which the value is known to the source. */
  constant(value: unknown): string {
    let name = this.#constants.get(value);
    if (name === undefined) {
      name = `constant${this.#constants.size}`;
      this.#constants.set(value, name);
    }
    return name;
  }

  /** Adds a function under a name of its own that starts with the prefix, and returns the name. */
  define(prefix: string, parameters: string, body: readonly string[]): string {
    const name = `${prefix}${this.#functions.length}`;
    this.#functions.push(`function ${name}(${parameters}) {\n${body.join("\n")}\n}`);
    return name;
  }

  /** The name that `define` returned for this purpose and key, the first time. */
  once(purpose: string, key: unknown, define: () => string): string {
    let names = this.#made.get(purpose);
    if (names === undefined) {
      names = new Map();
      this.#made.set(purpose, names);
    }
    let name = names.get(key);
    if (name === undefined) {
      name = define();
      names.set(key, name);
    }
    return name;
  }

  /** Compiles all that was defined and returns the function of that name. */
  compile<F>(name: string): F {
    const source = `"use strict";\n${this.#functions.join("\n")}\nreturn ${name};`;
    return new Function(...this.#constants.values(), source)(...this.#constants.keys()) as F;
  }
}

/** The literal of a value that has one: text, finite number, boolean or null. */
export function literal(value: string | number | boolean | null): string {
  return JSON.stringify(value);
}

/** Functions compiled from tables, made on first use and kept by table and version. */
export class Compiled<Key extends object, F> {
  readonly #make: (key: Key, version: number) => F;
  readonly #functions = new WeakMap<Key, F[]>();

  constructor(make: (key: Key, version: number) => F) {
    this.#make = make;
  }

  get(key: Key, version: number): F {
    let versions = this.#functions.get(key);
    if (versions === undefined) {
      versions = [];
      this.#functions.set(key, versions);
    }
    return versions[version] ??= this.#make(key, version);
  }
}
