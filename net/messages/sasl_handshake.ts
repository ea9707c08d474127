/**
 * SaslHandshake: chooses the mechanism by which a client shows who it is.
 *
 * After version 0 tokens follow as bare frames, after version 1 inside SaslAuthenticate (KIP-152).
 *
 * @module
 */

import { api, array, type Infer, int16, string, struct } from "../schema.ts";

export const SASL_HANDSHAKE = api({
  key: 17,
  name: "SaslHandshake",
  versions: "0-1",
  flexibleVersions: "none",
  request: struct({
    mechanism: string(),
  }),
  response: struct({
    errorCode: int16(),
    mechanisms: array(string()),
  }),
});

export type SaslHandshakeRequest = Infer<typeof SASL_HANDSHAKE.request>;
export type SaslHandshakeResponse = Infer<typeof SASL_HANDSHAKE.response>;
