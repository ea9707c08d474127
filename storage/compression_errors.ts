/**
 * How a codec fails: what it was given is corrupt, what it would give is too much, or the codec is
 * not on this machine. A broker answers each differently, so each is a class.
 *
 * @module
 */

/** The codecs of a RecordBatch, by the names that `compression.type` gives them. */
export type Compression = "none" | "gzip" | "snappy" | "lz4" | "zstd";

/** Whatever keeps a codec from its work. */
export abstract class CompressionError extends Error {
  readonly codec: Compression;

  constructor(codec: Compression, message: string, options?: ErrorOptions) {
    super(message, options);
    this.codec = codec;
  }
}

/** The bytes are not what the codec would have written. */
export class CorruptCompressionError extends CompressionError {
  override name = "CorruptCompressionError";

  constructor(codec: Compression, reason: string, options?: ErrorOptions) {
    super(codec, `Cannot decompress ${codec}: ${reason}`, options);
  }
}

/** The bytes decompress, or claim to, to more than the reader allows. */
export class DecompressionBombError extends CompressionError {
  override name = "DecompressionBombError";
  /** The most bytes that the caller allowed. */
  readonly bytesMax: number;

  constructor(codec: Compression, bytesMax: number, options?: ErrorOptions) {
    super(codec, `Cannot decompress ${codec}: more than ${bytesMax} bytes would come out`, options);
    this.bytesMax = bytesMax;
  }
}

/** This platform, or its permissions, has no native code for the codec. */
export class CodecUnavailableError extends CompressionError {
  override name = "CodecUnavailableError";

  constructor(codec: Compression, options?: ErrorOptions) {
    super(codec, `Cannot load codec ${codec}: its native addon does not start here`, options);
  }
}
