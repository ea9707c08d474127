/**
 * TransactionLogKey: the key of a transactional id in `__transaction_state`.
 *
 * @module
 */

import { type Infer, string, struct, table } from "../../schema.ts";

export const TRANSACTION_LOG_KEY = table({
  name: "TransactionLogKey",
  versions: "0",
  flexibleVersions: "none",
  fields: struct({
    transactionalId: string({ versions: "0" }),
  }),
});

export type TransactionLogKey = Infer<typeof TRANSACTION_LOG_KEY>;
