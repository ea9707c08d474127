/**
 * The classic groups of one coordinator as their records say: what is left of them when the
 * coordinator is another.
 *
 * @module
 */

import type { GroupMetadataValue } from "../../../net/messages/records/group_metadata_value.ts";
import type { Replayed } from "../machine.ts";
import type { GroupMetadataRecord } from "./records.ts";

/** A fold of GroupMetadata records. */
export class GroupMetadataStore {
  readonly #groups = new Map<string, GroupMetadataValue>();

  get all(): Iterable<[groupId: string, value: GroupMetadataValue]> {
    return this.#groups;
  }

  has(groupId: string): boolean {
    return this.#groups.has(groupId);
  }

  replay({ key, value }: GroupMetadataRecord, { undo }: Replayed): void {
    const before = this.#groups.get(key.group);
    this.#set(key.group, value ?? undefined);
    undo?.push(() => this.#set(key.group, before));
  }

  #set(groupId: string, value: GroupMetadataValue | undefined): void {
    if (value === undefined) this.#groups.delete(groupId);
    else this.#groups.set(groupId, value);
  }
}
