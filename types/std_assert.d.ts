/**
 * Declares the functions of `@std/assert` that the project uses.
 *
 * The package behind that name carries the code of the standard library without its types;
 * `compilerOptions.types` of deno.json names this file, and the compiler takes the module from
 * here. The signatures are those of the standard library. Add a function when it is first needed.
 */
declare module "@std/assert" {
  // deno-lint-ignore no-explicit-any -- a class with whatever constructor arguments
  type Class<T> = abstract new (...args: any[]) => T;
  type Falsy = false | 0 | 0n | "" | null | undefined;

  /** What every assertion throws. */
  export class AssertionError extends Error {}

  export function assert(expr: unknown, msg?: string): asserts expr;
  export function assertFalse(expr: unknown, msg?: string): asserts expr is Falsy;
  export function fail(msg?: string): never;
  export function unreachable(msg?: string): never;

  /** Deep equality. */
  export function equal(a: unknown, b: unknown): boolean;
  export function assertEquals<T>(actual: T, expected: T, msg?: string): void;
  export function assertNotEquals<T>(actual: T, expected: T, msg?: string): void;
  export function assertStrictEquals<T>(
    actual: unknown,
    expected: T,
    msg?: string,
  ): asserts actual is T;
  export function assertNotStrictEquals<T>(actual: T, expected: T, msg?: string): void;
  export function assertObjectMatch(
    // deno-lint-ignore no-explicit-any -- interfaces have no index signature
    actual: Record<PropertyKey, any>,
    expected: Record<PropertyKey, unknown>,
    msg?: string,
  ): void;

  export function assertExists<T>(actual: T, msg?: string): asserts actual is NonNullable<T>;
  export function assertInstanceOf<T>(
    actual: unknown,
    expectedType: Class<T>,
    msg?: string,
  ): asserts actual is T;

  export function assertAlmostEquals(
    actual: number,
    expected: number,
    tolerance?: number,
    msg?: string,
  ): void;
  export function assertGreater<T>(actual: T, expected: T, msg?: string): void;
  export function assertGreaterOrEqual<T>(actual: T, expected: T, msg?: string): void;
  export function assertLess<T>(actual: T, expected: T, msg?: string): void;
  export function assertLessOrEqual<T>(actual: T, expected: T, msg?: string): void;

  export function assertStringIncludes(actual: string, expected: string, msg?: string): void;
  export function assertMatch(actual: string, expected: RegExp, msg?: string): void;
  export function assertNotMatch(actual: string, expected: RegExp, msg?: string): void;
  export function assertArrayIncludes<T>(
    actual: ArrayLike<T> & object,
    expected: ArrayLike<T> & object,
    msg?: string,
  ): void;

  /** Returns what `fn` threw; `msgIncludes` must occur in its message. */
  export function assertThrows(fn: () => unknown, msg?: string): unknown;
  export function assertThrows<E extends Error = Error>(
    fn: () => unknown,
    errorClass: Class<E>,
    msgIncludes?: string,
    msg?: string,
  ): E;
  /** Resolves to what the promise of `fn` rejected with. */
  export function assertRejects(fn: () => PromiseLike<unknown>, msg?: string): Promise<unknown>;
  export function assertRejects<E extends Error = Error>(
    fn: () => PromiseLike<unknown>,
    errorClass: Class<E>,
    msgIncludes?: string,
    msg?: string,
  ): Promise<E>;
}
