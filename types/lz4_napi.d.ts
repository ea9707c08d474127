/**
 * Declares the functions of `lz4-napi` that the project uses.
 *
 * The package's own types ask for Node's `Buffer` where its code takes any `Uint8Array`.
 * Both functions speak the LZ4 frame format.
 */
declare module "lz4-napi" {
  export interface FrameCompressOptions {
    contentChecksum?: boolean;
    blockChecksums?: boolean;
  }
  export function compressFrameSync(
    data: string | Uint8Array,
    options?: FrameCompressOptions,
  ): Uint8Array<ArrayBuffer>;
  /** Throws an `Error` for what is no frame. */
  export function decompressFrameSync(data: Uint8Array): Uint8Array<ArrayBuffer>;
}
