import { assertEquals } from "@std/assert";
import { ClusterImage } from "../../../actors/controller/cluster_image.ts";
import { differences } from "../../../actors/controller/image_changes.ts";
import type { MetadataRecord } from "../../../actors/controller/metadata_record.ts";
import { SpeculativeImage } from "../../../actors/controller/speculative_image.ts";
import { brokerRecord, idOf, partitionRecord, topicRecord } from "./images.ts";

/** A topic of one partition, as one batch. */
function topic(name: string): MetadataRecord[] {
  return [topicRecord(name), partitionRecord(idOf(name), 0, [1])];
}

function imageOf(...batches: readonly (readonly MetadataRecord[])[]): ClusterImage {
  const image = new ClusterImage();
  for (const record of batches.flat()) image.replay(record);
  return image;
}

function assertSame(image: ClusterImage, expected: ClusterImage): void {
  assertEquals(differences(image, expected), []);
}

const BROKER = [brokerRecord(1)];
const REMOVAL: MetadataRecord[] = [{
  kind: "RemoveTopicRecord",
  value: { topicId: idOf("a") },
}];

function started(): SpeculativeImage {
  const speculative = new SpeculativeImage();
  speculative.apply([...BROKER, ...topic("a")]);
  speculative.append(topic("b"), 5);
  speculative.append(REMOVAL, 6);
  speculative.append(topic("c"), 8);
  return speculative;
}

Deno.test("speculative image: decisions see what is appended before it is committed", () => {
  assertSame(started().image, imageOf(BROKER, topic("b"), topic("c")));
});

Deno.test("speculative image: a lost lead takes back what is not committed, and no more", () => {
  const speculative = started();
  assertEquals(speculative.commit(6), [...topic("b"), ...REMOVAL]);
  assertEquals(speculative.isCommitted, false);
  speculative.rewind();
  assertEquals(speculative.isCommitted, true);
  assertSame(speculative.image, imageOf(BROKER, topic("b")));
});

Deno.test("speculative image: a batch is committed whole or not at all", () => {
  const speculative = started();
  assertEquals(speculative.commit(7), [...topic("b"), ...REMOVAL]);
  assertEquals(speculative.commit(8), topic("c"));
  assertEquals(speculative.commit(9), []);
});

Deno.test("speculative image: a look at what is committed leaves it as it was, to be taken back still", () => {
  const speculative = started();
  speculative.commit(5);
  speculative.atCommitted((image) => assertSame(image, imageOf(BROKER, topic("a"), topic("b"))));
  assertSame(speculative.image, imageOf(BROKER, topic("b"), topic("c")));
  speculative.rewind();
  assertSame(speculative.image, imageOf(BROKER, topic("a"), topic("b")));
});
