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
  readonly #names = new Map<unknown, string>();
  readonly #values: unknown[] = [];
  readonly #functions: string[] = [];
  #next = 0;

  /** A fresh name with the given beginning. */
  name(prefix: string): string {
    return `${prefix}${this.#next++}`;
  }

  /** The name under which the value is known to the source. */
  constant(value: unknown): string {
    let name = this.#names.get(value);
    if (name === undefined) {
      name = `constant${this.#values.length}`;
      this.#names.set(value, name);
      this.#values.push(value);
    }
    return name;
  }

  /** Adds a function and returns its name. */
  define(prefix: string, parameters: string, body: readonly string[]): string {
    const name = this.name(prefix);
    this.#functions.push(`function ${name}(${parameters}) {\n${body.join("\n")}\n}`);
    return name;
  }

  /** Compiles all that was defined and returns the function of that name. */
  compile<F>(name: string): F {
    const names = this.#values.map((_, index) => `constant${index}`);
    const source = `"use strict";\n${this.#functions.join("\n")}\nreturn ${name};`;
    return new Function(...names, source)(...this.#values) as F;
  }
}

/** The literal of a value that has one: text, finite number, boolean or null. */
export function literal(value: string | number | boolean | null): string {
  return JSON.stringify(value);
}
