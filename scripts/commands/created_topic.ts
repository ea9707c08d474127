/**
 * A topic that was just created, as soon as brokers know it: Kafka's answer that it was created
 * before they have heard of it from the controller.
 *
 * @module
 */

import { type Admin, type TopicDescription, UnknownTopicError } from "../../mod.ts";

const TRIES = 50;
const WAIT_MS = 100;

/** @throws {UnknownTopicError} if nobody knows it after some seconds */
export async function createdTopic(
  admin: Pick<Admin, "describeTopics">,
  name: string,
  wait: () => Promise<void> = () => new Promise((resolve) => setTimeout(resolve, WAIT_MS)),
): Promise<TopicDescription> {
  for (let tries = 1;; tries++) {
    try {
      const [topic] = await admin.describeTopics([name]);
      return topic!;
    } catch (error) {
      if (!(error instanceof UnknownTopicError) || tries === TRIES) throw error;
      await wait();
    }
  }
}
