/**
 * What a client's script is made of: trials, each of one capability, and one line of JSON for what
 * became of each.
 *
 * Invariant: a line is printed for each trial, also where one before it threw or is late.
 *
 * @module
 */

/** Where the trials take place. */
export interface Place {
  /** `host:port,…` */
  readonly bootstrap: string;
  readonly brokers: readonly string[];
  /** How many nodes the cluster has. */
  readonly nodes: number;
  /** A name that nobody else has: for topics, groups and transactional ids. */
  fresh(name: string): string;
  /** Has a node of the cluster killed, as a crash would; it comes back by `restart`. */
  kill(node: number): Promise<void>;
  restart(node: number): Promise<void>;
  /** Has a topic made, for a client that cannot. */
  create(topic: string, partitions: number): Promise<void>;
}

/** What is shown of one capability; it throws where it cannot be. */
export type Trial = (place: Place) => Promise<void>;

/** Why a client cannot show a capability. */
export type Cannot = { readonly cannot: string };

export type Trials = Readonly<Record<string, Trial | Cannot>>;

/**
 * Reads a topic as part of a group, from its start where nothing is committed, in a session of 6 s,
 * and tells of each record before that can be committed. Resolves with what has it leave.
 */
export type JoinGroup = (
  place: Place,
  topic: string,
  group: string,
  read: (partition: number, offset: number) => void,
  protocol: string,
) => Promise<() => Promise<void>>;

const TRIAL_MS = 45_000;

/**
 * Runs the trials named on the command line, or all, one after the other. Arguments: the bootstrap
 * addresses, the number of nodes, and names. Failures are printed, not thrown. With `--member`, the
 * addresses, a topic and a group it is a member of that group instead.
 */
export async function run(trials: Trials, member?: JoinGroup): Promise<void> {
  if (member && Deno.args[0] === "--member") return await beMember(member, Deno.args.slice(1));
  const [bootstrap = "127.0.0.1:9092", nodes = "1", ...names] = Deno.args;
  const place = placeAt(bootstrap, Number(nodes));
  for (const [capability, trial] of Object.entries(trials)) {
    if (names.length > 0 && !names.includes(capability)) continue;
    if ("cannot" in trial) {
      print({ capability, outcome: "cannot", reason: trial.cannot });
      continue;
    }
    const begun = performance.now();
    try {
      await within(TRIAL_MS, trial(place));
      print({ capability, outcome: "passed", ms: Math.round(performance.now() - begun) });
    } catch (error) {
      const reason = error instanceof Error ? error.stack ?? error.message : String(error);
      print({ capability, outcome: "failed", reason });
    }
  }
  // Whatever a client left running.
  Deno.exit(0);
}

/** Joins until it is told to leave. */
async function beMember(join: JoinGroup, args: readonly string[]): Promise<void> {
  const [bootstrap = "", topic = "", group = "", protocol = "classic"] = args;
  const told = new Promise<void>((resolve) => Deno.addSignalListener("SIGTERM", resolve));
  const read = (partition: number, offset: number) => console.log(`=[${partition},${offset}]`);
  const leave = await join(placeAt(bootstrap, 1), topic, group, read, protocol);
  await told;
  await leave();
  Deno.exit(0);
}

/** Throws unless both are the same as JSON. */
export function same(actual: unknown, expected: unknown, what = "It"): void {
  const [is, due] = [JSON.stringify(actual), JSON.stringify(expected)];
  if (is !== due) throw new Error(`${what} is ${short(is)}, not ${short(due)}`);
}

/** Asks again until it is so. */
export async function until(what: string, ask: () => boolean | Promise<boolean>): Promise<void> {
  const end = performance.now() + 30_000;
  while (!await ask()) {
    if (performance.now() > end) throw new Error(`Not within 30 s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** The numbers from 0 up, as texts. */
export function texts(count: number, prefix = "v"): string[] {
  return Array.from({ length: count }, (_, index) => `${prefix}${index}`);
}

function placeAt(bootstrap: string, nodes: number): Place {
  const life = crypto.randomUUID().slice(0, 8);
  let number = 0;
  return {
    bootstrap,
    brokers: bootstrap.split(","),
    nodes,
    fresh: (name) => `${name}-${life}-${++number}`,
    kill: (node) => order({ kill: node }),
    restart: (node) => order({ restart: node }),
    create: (create, partitions) => order({ create, partitions }),
  };
}

/** Asks whoever runs the script, on its stdout; the answer is a line on stdin. */
async function order(what: Readonly<Record<string, unknown>>): Promise<void> {
  print(what);
  const answer = new Uint8Array(64);
  await Deno.stdin.read(answer);
}

function print(line: Readonly<Record<string, unknown>>): void {
  console.log(`@${JSON.stringify(line)}`);
}

async function within<T>(ms: number, promise: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`Not done within ${ms / 1000} s`)), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

function short(text: string): string {
  return text.length > 300 ? `${text.slice(0, 300)}…` : text;
}
