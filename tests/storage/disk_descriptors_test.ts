import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { DescriptorBudget, DescriptorSlot } from "../../storage/disk_descriptors.ts";

/** A budget whose slots are named by their descriptors, and what it closed. */
function budgetOf(max: number) {
  const closed: number[] = [];
  const budget = new DescriptorBudget(max, (descriptor) => closed.push(descriptor));
  const admit = (descriptor: number) => {
    const slot = new DescriptorSlot();
    budget.admit(slot, descriptor);
    return slot;
  };
  return { budget, closed, admit };
}

Deno.test("descriptors: the least recently used goes first", () => {
  const { budget, closed, admit } = budgetOf(3);
  const first = admit(1);
  admit(2);
  admit(3);
  budget.touch(first);
  admit(4);
  assertEquals(closed, [2]);
  admit(5);
  assertEquals(closed, [2, 3]);
  assertEquals([first.descriptor, budget.held], [1, 3]);
  assert(budget.evict());
  assertEquals([first.descriptor, closed.at(-1)], [-1, 1]);
});

Deno.test("descriptors: one that is pinned stays, and one more is held where all are", () => {
  const { budget, closed, admit } = budgetOf(2);
  const slots = [admit(1), admit(2)];
  slots.forEach((slot) => budget.pin(slot));
  admit(3);
  assertEquals([closed, budget.held], [[], 3]);
  budget.unpin(slots[1]!);
  assertEquals([closed, budget.held], [[2], 2]);
  admit(4);
  assertEquals(closed, [2, 3]);
  budget.unpin(slots[0]!);
  assertEquals(slots[0]!.descriptor, 1);
});

Deno.test("descriptors: a slot released while pinned closes with its last pin", () => {
  const { budget, closed, admit } = budgetOf(4);
  const slot = admit(1);
  budget.pin(slot);
  budget.pin(slot);
  budget.release(slot);
  budget.unpin(slot);
  assertEquals([slot.descriptor, closed], [1, []]);
  budget.unpin(slot);
  assertEquals([slot.descriptor, closed], [-1, [1]]);
  budget.release(slot);
  assertEquals(closed, [1]);
});

Deno.test("descriptors: one is left for operations that cannot wait", () => {
  const { budget, admit } = budgetOf(3);
  const [a, b, c] = [admit(1), admit(2), admit(3)];
  budget.pin(a);
  assert(budget.mayPin(b));
  budget.pin(b);
  assert(!budget.mayPin(c));
  assert(budget.mayPin(a));
  budget.unpin(b);
  assert(budget.mayPin(c));
  assertThrows(() => new DescriptorBudget(1, () => {}), RangeError, "at least 2");
});

Deno.test("descriptors: releasing all leaves those that are pinned, until they are not", () => {
  const { budget, closed, admit } = budgetOf(4);
  const [, pinned] = [admit(1), admit(2), admit(3)];
  budget.pin(pinned!);
  budget.releaseAll();
  assertEquals([closed, budget.held], [[1, 3], 1]);
  budget.unpin(pinned!);
  assertEquals([closed, budget.held], [[1, 3, 2], 0]);
});

Deno.test("descriptors: whatever is used, the budget and the order of use hold", () => {
  const uses = fc.array(fc.integer({ min: 0, max: 7 }), { maxLength: 60 });
  fc.assert(
    fc.property(uses, fc.integer({ min: 2, max: 5 }), (order, max) => {
      const { budget } = budgetOf(max);
      const slots = Array.from({ length: 8 }, () => new DescriptorSlot());
      let recent: number[] = [];
      for (const index of order) {
        const slot = slots[index]!;
        assertEquals(slot.descriptor >= 0, recent.includes(index));
        if (slot.descriptor >= 0) budget.touch(slot);
        else budget.admit(slot, index);
        recent = [index, ...recent.filter((other) => other !== index)].slice(0, max);
        assertEquals(budget.held, recent.length);
      }
      const held = slots.flatMap((slot, index) => slot.descriptor >= 0 ? [index] : []);
      assertEquals(held, recent.toSorted());
    }),
  );
});
