/**
 * NoOpRecord: says nothing; it moves the end of the metadata log.
 *
 * @module
 */

import { type Infer, record, struct } from "../../schema.ts";

export const NO_OP_RECORD = record({
  type: 20,
  name: "NoOpRecord",
  versions: "0",
  flexibleVersions: "0+",
  fields: struct({}),
});

export type NoOpRecord = Infer<typeof NO_OP_RECORD>;
