/**
 * The kinds of option that a command can have: what each is called in help texts, and how its text
 * becomes a value.
 *
 * @module
 */

/** A command line that cannot be understood: exit code 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** An option whose values are of one type. Its name is the key that it stands under in a table. */
export interface Option<Value> {
  /** What stands for the value in help texts; undefined for a flag, which has none. */
  readonly placeholder?: string;
  readonly help: string;
  /** Shown in help texts. */
  readonly defaultText?: string;
  readonly isRequired?: boolean;
  readonly isRepeatable?: boolean;
  /**
   * The value of the texts given, of which there are none where the option is absent.
   * @throws {UsageError}
   */
  read(texts: readonly string[], name: string): Value;
}

// deno-lint-ignore no-explicit-any -- a table holds options of many types
export type OptionTable = Readonly<Record<string, Option<any>>>;

/** The values of a table of options, by name. */
export type OptionValues<Table extends OptionTable> = {
  readonly [Name in keyof Table]: Table[Name] extends Option<infer Value> ? Value : never;
};

/** True when given. */
export function flag(help: string): Option<boolean> {
  return { help, read: (texts) => texts.length > 0 };
}

export function text(placeholder: string, help: string): Option<string | undefined> {
  return { placeholder, help, read: ([text]) => text };
}

export function textOr(placeholder: string, defaultText: string, help: string): Option<string> {
  return { placeholder, help, defaultText, read: ([text]) => text ?? defaultText };
}

export function requiredText(placeholder: string, help: string): Option<string> {
  return { placeholder, help, isRequired: true, read: ([text]) => text ?? "" };
}

/** Any number of values. */
export function texts(placeholder: string, help: string): Option<readonly string[]> {
  return { placeholder, help, isRepeatable: true, read: (texts) => texts };
}

/** What a whole number must be. */
export interface Range {
  readonly min?: number;
  readonly max?: number;
}

export function integer(
  placeholder: string,
  help: string,
  range: Range = {},
): Option<number | undefined> {
  return {
    placeholder,
    help,
    read: ([text], name) => text === undefined ? undefined : readInteger(text, name, range),
  };
}

export function requiredInteger(
  placeholder: string,
  help: string,
  range: Range = {},
): Option<number> {
  return {
    placeholder,
    help,
    isRequired: true,
    read: ([text = ""], name) => readInteger(text, name, range),
  };
}

export function choice<Value extends string>(
  values: readonly Value[],
  defaultText: Value,
  help: string,
): Option<Value> {
  return {
    placeholder: values.join("|"),
    help,
    defaultText,
    read: ([text], name) => {
      const chosen = values.find((value) => value === (text ?? defaultText));
      if (chosen !== undefined) return chosen;
      throw new UsageError(`--${name} is ${values.join(", ")}, not ${text}`);
    },
  };
}

/** As `choice`, with no default. */
export function maybeChoice<Value extends string>(
  values: readonly Value[],
  help: string,
): Option<Value | undefined> {
  return {
    placeholder: values.join("|"),
    help,
    read: ([text], name) => {
      const chosen = values.find((value) => value === text);
      if (chosen !== undefined || text === undefined) return chosen;
      throw new UsageError(`--${name} is ${values.join(", ")}, not ${text}`);
    },
  };
}

/** Any number of `key=value`. */
export function pairs(help: string): Option<ReadonlyMap<string, string>> {
  return {
    placeholder: "KEY=VALUE",
    help,
    isRepeatable: true,
    read: (texts, name) => {
      const map = new Map<string, string>();
      for (const text of texts) {
        const at = text.indexOf("=");
        if (at < 1) throw new UsageError(`--${name} ${text} is no key=value`);
        const key = text.slice(0, at).trim();
        if (map.has(key)) throw new UsageError(`--${name} sets ${key} twice`);
        map.set(key, text.slice(at + 1).trim());
      }
      return map;
    },
  };
}

/** A moment, in milliseconds since 1970. A time without a zone is UTC. */
export function instant(help: string): Option<number | undefined> {
  return {
    placeholder: "ISO",
    help,
    read: ([text], name) => {
      if (text === undefined) return undefined;
      const time = /^\d{4}-\d\d(-\d\d)?(T|$)/.test(text)
        ? Date.parse(/T.*(Z|[+-]\d\d:?\d\d)$/.test(text) || !text.includes("T") ? text : `${text}Z`)
        : NaN;
      if (Number.isNaN(time)) {
        throw new UsageError(`--${name} ${text} is no time such as 2026-01-31T12:00:00Z`);
      }
      return time;
    },
  };
}

function readInteger(text: string, name: string, { min, max }: Range): number {
  const value = Number(text);
  if (!/^-?\d+$/.test(text) || !Number.isSafeInteger(value)) {
    throw new UsageError(`--${name} ${text} is no whole number`);
  }
  if (min !== undefined && value < min) {
    throw new UsageError(`--${name} ${text} is less than ${min}`);
  }
  if (max !== undefined && value > max) {
    throw new UsageError(`--${name} ${text} is more than ${max}`);
  }
  return value;
}

/** `fromBeginning` is given as `--from-beginning`. */
export function optionName(key: string): string {
  return key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** Where to listen or connect. */
export interface HostAndPort {
  readonly host: string;
  readonly port: number;
}

/** `HOST:PORT`, of which the host may be left out, as may the port with its colon. */
export function address(defaultText: string, help: string): Option<HostAndPort> {
  const { read, ...rest } = maybeAddress(defaultText, help);
  return {
    ...rest,
    defaultText,
    read: ([text = defaultText], name) => read([text], name) as HostAndPort,
  };
}

/** As `address`, for what depends on more where it is absent; the default is that of its parts. */
export function maybeAddress(defaultText: string, help: string): Option<HostAndPort | undefined> {
  return {
    placeholder: "HOST:PORT",
    help,
    read: ([text], name) => {
      if (text === undefined) return undefined;
      const match = /^(\[[^\]]+\]|[^:[\]]*)(?::(\d{1,5}))?$/.exec(text);
      const fallback = defaultText.split(":");
      const host = match?.[1]?.replace(/^\[|\]$/g, "") || fallback[0] || "";
      const port = Number(match?.[2] ?? fallback[1]);
      if (match === null || port > 65_535) {
        throw new UsageError(`--${name} ${text} is no host:port`);
      }
      return { host, port };
    },
  };
}
