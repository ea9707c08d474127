/**
 * The regular expressions by which members subscribe to topics (KIP-848), in the syntax of RE2 as
 * far as topic names need it: literals, `.`, classes, `\d \w \s`, groups, `|`, `* + ? {m,n}`.
 *
 * Matched in time that is linear in the name, whatever the expression, and mostly by what is known
 * from other names: a client must not be able to keep the broker busy. A whole name must match.
 * Without captures greedy and lazy are the same.
 *
 * @module
 */

/** The text is no expression that is understood. */
export class InvalidPatternError extends Error {
  override readonly name = "InvalidPatternError";

  constructor(pattern: string, reason: string) {
    super(`Cannot subscribe by ${pattern}: ${reason}`);
  }
}

type Test = (code: number) => boolean;

type Node =
  | { readonly kind: "test"; readonly test: Test }
  | { readonly kind: "sequence"; readonly parts: readonly Node[] }
  | { readonly kind: "choice"; readonly options: readonly Node[] }
  | { readonly kind: "repeat"; readonly part: Node; readonly min: number; readonly max: number }
  | { readonly kind: "start" }
  | { readonly kind: "end" };

/** States of the machine: what comes next, and what must be read to get there. */
interface State {
  readonly kind: "test" | "split" | "start" | "end" | "match";
  readonly test?: Test;
  next: number;
  other: number;
}

/** All states that a name may be in after some of its characters. */
interface Situation {
  /** Those that wait for something: in rising order, each once. */
  readonly states: Uint16Array;
  /** What each character that was seen here leads to. */
  readonly next: Map<number, Situation>;
  /** Whether a name that ends here matches; undefined while nobody has asked. */
  isMatch: boolean | undefined;
}

const PATTERN_LENGTH_MAX = 1000;
/** As many as a text of that length makes, if it repeats little. */
const STATES_MAX = 1000;
const REPEAT_MAX = 1000;
/** So many are kept: names are alike, and what is known of one helps with the next. */
const SITUATIONS_MAX = 500;

/** A compiled pattern. */
export class TopicPattern {
  readonly #states: State[] = [];
  readonly #begin: Situation;
  readonly #situations = new Map<string, Situation>();
  /** The look around in which a state was last entered. */
  readonly #entered: Uint32Array;
  #look = 0;

  /** @throws {InvalidPatternError} */
  constructor(pattern: string) {
    if (pattern.length > PATTERN_LENGTH_MAX) {
      const reason = `it has ${pattern.length} characters`;
      throw new InvalidPatternError(pattern.slice(0, 20), reason);
    }
    const tree = new Parser(pattern).parse();
    const match = this.#add({ kind: "match", next: -1, other: -1 });
    const first = this.#compile(tree, match, pattern);
    this.#entered = new Uint32Array(this.#states.length);
    this.#begin = this.#situation(this.#reached([first], "start"));
  }

  /** Whether all of a name matches. */
  matches(name: string): boolean {
    let at = this.#begin;
    for (let index = 0; index < name.length; index++) {
      const code = name.charCodeAt(index);
      at = at.next.get(code) ?? this.#read(at, code);
      if (at.states.length === 0) return false;
    }
    if (name.length === 0) return this.#isMatch(at, true);
    return at.isMatch ??= this.#isMatch(at, false);
  }

  #isMatch({ states }: Situation, isEmpty: boolean): boolean {
    const reached = this.#reached(states, isEmpty ? "both" : "end");
    return reached.some((at) => this.#states[at]!.kind === "match");
  }

  /** What a character leads to. */
  #read(from: Situation, code: number): Situation {
    const read: number[] = [];
    for (const at of from.states) {
      const { kind, test, next } = this.#states[at] as State;
      if (kind === "test" && test!(code)) read.push(next);
    }
    const to = this.#situation(this.#reached(read, "within"));
    from.next.set(code, to);
    return to;
  }

  #situation(reached: readonly number[]): Situation {
    const states = Uint16Array.from(reached).sort();
    const key = String.fromCharCode(...states);
    const known = this.#situations.get(key);
    if (known !== undefined) return known;
    if (this.#situations.size >= SITUATIONS_MAX) {
      this.#situations.clear();
      this.#begin.next.clear();
    }
    const situation = { states, next: new Map(), isMatch: undefined };
    this.#situations.set(key, situation);
    return situation;
  }

  /** The states that wait for something, reached without reading at a place of the name. */
  #reached(from: Iterable<number>, place: "start" | "within" | "end" | "both"): number[] {
    if (this.#look === 0xffffffff) this.#entered.fill(this.#look = 0);
    const look = ++this.#look;
    const isStart = place === "start" || place === "both";
    const isEnd = place === "end" || place === "both";
    const waiting: number[] = [];
    const stack = [...from];
    for (let at = stack.pop(); at !== undefined; at = stack.pop()) {
      if (this.#entered[at] === look) continue;
      this.#entered[at] = look;
      const { kind, next, other } = this.#states[at] as State;
      if (kind === "split") stack.push(other, next);
      else if (kind === "start") {
        if (isStart) stack.push(next);
      } else if (kind === "end" && isEnd) stack.push(next);
      else waiting.push(at);
    }
    return waiting;
  }

  #add(state: State): number {
    this.#states.push(state);
    return this.#states.length - 1;
  }

  /** The state from which `node` is read on the way to `next`. */
  #compile(node: Node, next: number, pattern: string): number {
    if (this.#states.length > STATES_MAX) {
      const reason = `it takes over ${STATES_MAX} states`;
      throw new InvalidPatternError(pattern, reason);
    }
    switch (node.kind) {
      case "test":
        return this.#add({ kind: "test", test: node.test, next, other: -1 });
      case "start":
      case "end":
        return this.#add({ kind: node.kind, next, other: -1 });
      case "sequence":
        return node.parts.reduceRight((to, part) => this.#compile(part, to, pattern), next);
      case "choice":
        return node.options.map((option) => this.#compile(option, next, pattern))
          .reduce((a, b) => this.#add({ kind: "split", next: a, other: b }));
      case "repeat":
        return this.#compileRepeat(node, next, pattern);
    }
  }

  #compileRepeat(
    { part, min, max }: Extract<Node, { kind: "repeat" }>,
    next: number,
    pattern: string,
  ): number {
    let to = next;
    if (max === Infinity) {
      const loop = this.#add({ kind: "split", next: -1, other: next });
      (this.#states[loop] as State).next = this.#compile(part, loop, pattern);
      to = loop;
    } else {
      for (let count = min; count < max; count++) {
        to = this.#add({ kind: "split", next: this.#compile(part, to, pattern), other: next });
      }
    }
    for (let count = 0; count < min; count++) to = this.#compile(part, to, pattern);
    return to;
  }
}

const DIGIT: Test = (code) => code >= 48 && code <= 57;
const WORD: Test = (code) =>
  DIGIT(code) || code >= 65 && code <= 90 || code >= 97 && code <= 122 || code === 95;
const SPACE: Test = (code) => code === 32 || code >= 9 && code <= 13;
const not = (test: Test): Test => (code) => !test(code);

const CLASSES: Readonly<Record<string, Test>> = {
  d: DIGIT,
  D: not(DIGIT),
  w: WORD,
  W: not(WORD),
  s: SPACE,
  S: not(SPACE),
};

const ESCAPES: Readonly<Record<string, number>> = { t: 9, n: 10, v: 11, f: 12, r: 13, a: 7 };

class Parser {
  readonly #text: string;
  #position = 0;
  #depth = 0;

  constructor(text: string) {
    this.#text = text;
  }

  parse(): Node {
    const node = this.#choice();
    if (this.#position < this.#text.length) this.#fail("a group ends that has not begun");
    return node;
  }

  #fail(reason: string): never {
    throw new InvalidPatternError(this.#text, reason);
  }

  #peek(): string | undefined {
    return this.#text[this.#position];
  }

  #take(): string {
    const char = this.#text[this.#position++];
    return char ?? this.#fail("it ends too early");
  }

  #takes(text: string): boolean {
    if (!this.#text.startsWith(text, this.#position)) return false;
    this.#position += text.length;
    return true;
  }

  #choice(): Node {
    const options = [this.#sequence()];
    while (this.#takes("|")) options.push(this.#sequence());
    return options.length === 1 ? options[0] as Node : { kind: "choice", options };
  }

  #sequence(): Node {
    const parts: Node[] = [];
    for (let char = this.#peek(); char !== undefined && char !== "|" && char !== ")";) {
      parts.push(this.#repeated(this.#atom()));
      char = this.#peek();
    }
    return { kind: "sequence", parts };
  }

  #repeated(atom: Node): Node {
    const bounds = this.#bounds();
    if (bounds === undefined) return atom;
    this.#takes("?");
    const [min, max] = bounds;
    if (this.#bounds() !== undefined) this.#fail("a repetition is repeated");
    return { kind: "repeat", part: atom, min, max };
  }

  #bounds(): [min: number, max: number] | undefined {
    if (this.#takes("*")) return [0, Infinity];
    if (this.#takes("+")) return [1, Infinity];
    if (this.#takes("?")) return [0, 1];
    const found = /^\{(\d{1,4})(,(\d{1,4})?)?\}/.exec(this.#text.slice(this.#position));
    if (found === null) return undefined;
    this.#position += found[0].length;
    const min = Number(found[1]);
    const max = found[2] === undefined ? min : found[3] === undefined ? Infinity : Number(found[3]);
    if (min > max || min > REPEAT_MAX || max !== Infinity && max > REPEAT_MAX) {
      this.#fail(`the repetition ${found[0]} is out of bounds`);
    }
    return [min, max];
  }

  #atom(): Node {
    const char = this.#take();
    switch (char) {
      case "(":
        return this.#group();
      case "[":
        return { kind: "test", test: this.#class() };
      case ".":
        return { kind: "test", test: (code) => code !== 10 };
      case "^":
        return { kind: "start" };
      case "$":
        return { kind: "end" };
      case "\\":
        return this.#escape();
      case "*":
      case "+":
      case "?":
        return this.#fail(`${char} repeats nothing`);
      default: {
        const literal = char.charCodeAt(0);
        return { kind: "test", test: (code) => code === literal };
      }
    }
  }

  #group(): Node {
    if (++this.#depth > 100) this.#fail("its groups are nested too deeply");
    if (this.#takes("?:") || this.#takes("?")) {
      const isPlain = this.#text.slice(this.#position - 2, this.#position) === "?:";
      const name = /^(?:P?<\w+>)/.exec(this.#text.slice(this.#position));
      if (!isPlain && name === null) this.#fail("a kind of group is not known");
      if (!isPlain) this.#position += name![0].length;
    }
    const node = this.#choice();
    if (!this.#takes(")")) this.#fail("a group does not end");
    this.#depth--;
    return node;
  }

  #escape(): Node {
    const char = this.#take();
    if (char === "A") return { kind: "start" };
    if (char === "z") return { kind: "end" };
    return { kind: "test", test: this.#escaped(char) };
  }

  #escaped(char: string): Test {
    const known = CLASSES[char];
    if (known !== undefined) return known;
    const code = ESCAPES[char];
    if (code !== undefined) return (other) => other === code;
    if (/[A-Za-z0-9]/.test(char)) this.#fail(`\\${char} is not known`);
    const literal = char.charCodeAt(0);
    return (other) => other === literal;
  }

  /** Up to the bracket that closes it. */
  #class(): Test {
    const isNegated = this.#takes("^");
    const tests: Test[] = [];
    for (let isFirst = true; isFirst || this.#peek() !== "]"; isFirst = false) {
      const char = this.#take();
      if (char === "\\" && CLASSES[this.#peek() ?? ""] !== undefined) {
        tests.push(CLASSES[this.#take()] as Test);
        continue;
      }
      const from = this.#classCode(char);
      let to = from;
      if (this.#peek() === "-" && this.#text[this.#position + 1] !== "]") {
        this.#take();
        to = this.#classCode(this.#take());
      }
      if (to < from) this.#fail("a range of a class goes backwards");
      tests.push((code) => code >= from && code <= to);
    }
    this.#take();
    const any: Test = (code) => tests.some((test) => test(code));
    return isNegated ? not(any) : any;
  }

  #classCode(char: string): number {
    if (char === "[" && this.#peek() === ":") this.#fail("named classes are not known");
    if (char !== "\\") return char.charCodeAt(0);
    const escaped = this.#take();
    const code = ESCAPES[escaped];
    if (code === undefined && /[A-Za-z0-9]/.test(escaped)) this.#fail(`\\${escaped} is not known`);
    return code ?? escaped.charCodeAt(0);
  }
}
