/**
 * Declares `parseArgs` of `@std/cli/parse-args`; see std_assert.d.ts for the why.
 *
 * The result is typed from the options, a little more strictly than in the standard library:
 * an option in `default` is never undefined, and dotted names are not taken apart.
 */
declare module "@std/cli/parse-args" {
  /** An option's name, or several. */
  type Names<N extends string> = N | readonly N[];

  export interface ParseOptions<
    B extends string = string,
    S extends string = string,
    C extends string = string,
    N extends string = string,
    D extends Readonly<Record<string, unknown>> = Readonly<Record<string, unknown>>,
    DD extends boolean = boolean,
  > {
    /** Collect what follows `--` under that name instead of in `_`. */
    "--"?: DD;
    /** Other names of an option; only the option's own name is typed in the result. */
    alias?: Readonly<Record<string, string | readonly string[]>>;
    /** Options without a value; false when absent. */
    boolean?: Names<B>;
    /** Options with a value that stays a string. */
    string?: Names<S>;
    /** Options that may be given several times; always an array. */
    collect?: Names<C>;
    /** Options that `--no-…` turns to false. */
    negatable?: Names<N>;
    default?: D;
    /** Leave everything after the first argument that is no option in `_`. */
    stopEarly?: boolean;
    /** Called with what no option claims; return false to leave it out of the result. */
    unknown?: (arg: string, key?: string, value?: unknown) => unknown;
  }

  type Value<K, S, C, N, D> =
    | (K extends C ? (K extends S ? string : unknown)[] : K extends S ? string : boolean)
    | (K extends N ? false : never)
    | (K extends C ? never : K extends keyof D ? D[K] : K extends S ? undefined : never);

  /** What {@linkcode parseArgs} returns: the options by name and the rest in `_`. */
  export type Args<
    B extends string = never,
    S extends string = never,
    C extends string = never,
    N extends string = never,
    D = Record<never, never>,
    DD extends boolean = false,
  > =
    & { [K in B | S | C]: Value<K, S, C, N, D> }
    & { [K in Exclude<keyof D, B | S | C>]: D[K] }
    & { [name: string]: unknown; _: (string | number)[] }
    & (DD extends true ? { "--": string[] } : unknown);

  /** Parses command-line arguments. */
  export function parseArgs<
    B extends string = never,
    S extends string = never,
    C extends string = never,
    N extends string = never,
    D extends Readonly<Record<string, unknown>> = Record<never, never>,
    DD extends boolean = false,
  >(args: readonly string[], options?: ParseOptions<B, S, C, N, D, DD>): Args<B, S, C, N, D, DD>;
}
