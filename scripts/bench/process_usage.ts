/**
 * What a process has used, as the kernel counts it. Linux only: elsewhere figures of processors and
 * memory are left out.
 */

/** Of one process since it began. */
export interface ProcessUsage {
  /** User and system time, of all its threads. */
  readonly cpuMs: number;
  readonly rssBytes: number;
  /** The largest RSS so far. */
  readonly peakRssBytes: number;
  readonly openFiles: number;
}

/** The kernel counts processor time in hundredths of a second wherever Linux runs Deno. */
const MS_PER_TICK = 10;

/** Undefined where there is no /proc, or no such process. */
export function usageOf(pid: number): ProcessUsage | undefined {
  try {
    const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
    // The name, in parentheses, may hold anything; after it the third field comes first.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const status = Deno.readTextFileSync(`/proc/${pid}/status`);
    return {
      cpuMs: (Number(fields[11]) + Number(fields[12])) * MS_PER_TICK,
      rssBytes: kibibytes(status, "VmRSS") * 1024,
      peakRssBytes: kibibytes(status, "VmHWM") * 1024,
      openFiles: countEntries(`/proc/${pid}/fd`),
    };
  } catch {
    return undefined;
  }
}

function kibibytes(status: string, name: string): number {
  return Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(status)?.[1] ?? Number.NaN);
}

function countEntries(folder: string): number {
  let count = 0;
  for (const _ of Deno.readDirSync(folder)) count++;
  return count;
}
