export interface CompletedFetch {
  readonly sizeInBytes: number;
  readonly nextOffset: number;
  release(): void;
}
