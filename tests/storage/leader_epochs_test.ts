import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { MalformedFileError } from "../../storage/checkpoint.ts";
import { LeaderEpochs } from "../../storage/leader_epochs.ts";

const RUNS = 300;

function epochs(...entries: readonly [number, number][]): LeaderEpochs {
  const result = new LeaderEpochs();
  for (const [epoch, start] of entries) result.assign(epoch, start);
  return result;
}

function pairs(value: LeaderEpochs): [number, number][] {
  return value.entries().map(({ epoch, startOffset }) => [epoch, startOffset]);
}

Deno.test("leader epochs: the latest epoch ends at the log end offset", () => {
  assertEquals(epochs([1, 0], [3, 10]).endOffsetFor(3, 25), { epoch: 3, offset: 25 });
});

Deno.test("leader epochs: an epoch in between ends where the next higher one begins", () => {
  const known = epochs([1, 0], [3, 10], [5, 20]);
  assertEquals(known.endOffsetFor(1, 25), { epoch: 1, offset: 10 });
  assertEquals(known.endOffsetFor(3, 25), { epoch: 3, offset: 20 });
});

Deno.test("leader epochs: for an unknown epoch the answer names the epoch found (KIP-279)", () => {
  assertEquals(epochs([1, 0], [3, 10], [5, 20]).endOffsetFor(4, 25), { epoch: 3, offset: 20 });
});

Deno.test("leader epochs: an epoch before all ends where the lowest begins", () => {
  assertEquals(epochs([3, 10], [5, 20]).endOffsetFor(1, 25), { epoch: 1, offset: 10 });
});

Deno.test("leader epochs: an epoch after all, or none, has no end", () => {
  assertEquals(epochs([3, 10]).endOffsetFor(4, 25), undefined);
  assertEquals(epochs().endOffsetFor(0, 25), undefined);
  assertEquals(epochs([3, 10]).endOffsetFor(-1, 25), undefined);
});

Deno.test("leader epochs: assigning drops entries of the same or a later epoch or start", () => {
  const known = epochs([1, 0], [3, 10], [5, 20]);
  assertEquals(known.assign(6, 10), true);
  assertEquals(pairs(known), [[1, 0], [6, 10]]);
  assertEquals(known.assign(6, 15), false);
  assertEquals(known.assign(6, 5), true);
  assertEquals(pairs(known), [[1, 0], [6, 5]]);
  assertThrows(() => known.assign(-1, 5), RangeError);
});

Deno.test("leader epochs: truncating from the end drops entries that begin there or later", () => {
  const known = epochs([1, 0], [3, 10], [5, 20]);
  assertEquals(known.truncateFromEnd(21), false);
  assertEquals(known.truncateFromEnd(20), true);
  assertEquals(pairs(known), [[1, 0], [3, 10]]);
});

Deno.test("leader epochs: truncating from the start keeps the covering entry, moved up", () => {
  const known = epochs([1, 0], [3, 10], [5, 20]);
  assertEquals(known.truncateFromStart(15), true);
  assertEquals(pairs(known), [[3, 15], [5, 20]]);
  assertEquals(known.truncateFromStart(15), false);
  assertEquals(known.truncateFromStart(30), true);
  assertEquals(pairs(known), [[5, 30]]);
});

Deno.test("leader epochs: the epoch of a record is that of the last entry up to it", () => {
  const known = epochs([1, 5], [3, 10]);
  assertEquals([4, 5, 9, 10, 99].map((offset) => known.epochForOffset(offset)), [-1, 1, 1, 3, 3]);
});

Deno.test("leader epochs: the file has Kafka's form", () => {
  const known = epochs([1, 0], [3, 10]);
  assertEquals(known.format(), "0\n2\n1 0\n3 10\n");
  assertEquals(pairs(LeaderEpochs.parse(known.format(), "p")), pairs(known));
});

Deno.test("leader epochs: a file whose entries do not rise, or that is cut off, is refused", () => {
  for (const text of ["", "0\n2\n1 0\n", "0\n2\n1 0\n1 5\n", "0\n2\n1 5\n2 5\n", "0\n1\n1 -5\n"]) {
    assertThrows(() => LeaderEpochs.parse(text, "some-file"), MalformedFileError, "some-file");
  }
});

type Step = readonly ["assign" | "end" | "start", number, number];

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.tuple(
    fc.constantFrom("assign" as const, "assign" as const, "end" as const, "start" as const),
    fc.nat(8),
    fc.nat(20),
  ),
  { maxLength: 20 },
);

/** The rules of guarantees.md, word by word, over a plain array. */
function applyToModel(model: [number, number][], [kind, epoch, offset]: Step): [number, number][] {
  const latest = model[model.length - 1];
  if (kind === "end") return model.filter(([, start]) => start < offset);
  if (kind === "start") {
    const covering = model.filter(([, start]) => start <= offset).pop();
    const later = model.filter(([, start]) => start > offset);
    return covering === undefined ? later : [[covering[0], offset], ...later];
  }
  if (latest !== undefined && latest[0] === epoch && latest[1] <= offset) return model;
  const kept = [...model];
  while (kept.length > 0 && (kept.at(-1)![0] >= epoch || kept.at(-1)![1] >= offset)) kept.pop();
  return [...kept, [epoch, offset]];
}

Deno.test("leader epochs: any sequence of changes leaves what a plain list would hold", () => {
  fc.assert(
    fc.property(steps, fc.nat(9), (sequence, asked) => {
      const known = new LeaderEpochs();
      let model: [number, number][] = [];
      for (const step of sequence) {
        const [kind, epoch, offset] = step;
        if (kind === "assign") known.assign(epoch, offset);
        else if (kind === "end") known.truncateFromEnd(offset);
        else known.truncateFromStart(offset);
        model = applyToModel(model, step);
        assertEquals(pairs(known), model);
      }
      const higher = model.find(([epoch]) => epoch > asked);
      const floor = model.filter(([epoch]) => epoch <= asked).pop();
      const isLatest = model.at(-1)?.[0] === asked;
      const expected = isLatest
        ? { epoch: asked, offset: 100 }
        : higher === undefined
        ? undefined
        : { epoch: floor?.[0] ?? asked, offset: higher[1] };
      assertEquals(known.endOffsetFor(asked, 100), expected);
    }),
    { numRuns: RUNS },
  );
});
