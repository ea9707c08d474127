/**
 * Power cuts for real: a file system in an image file, mounted through a loop device, and copied
 * while it is mounted. The copy holds what had reached the device at one moment and nothing that
 * was only in the page cache; mounting it replays the journal, as a start after a power cut does.
 *
 * That the copy is of one moment is checked, not hoped for: the device's counters say whether
 * anything was written or under way during the copy, and then the copy is made again. A writer in
 * another process must be stopped meanwhile (SIGSTOP); what the kernel writes back by itself is
 * fine. Only what was acknowledged before the copy began may be asked of it afterwards.
 *
 * Not shown by this rig: a device that loses what it accepted before a flush.
 *
 * Needs Linux, root and loop devices; `powerCutSupported` says what is missing.
 *
 * @module
 */

const COPIES_MAX = 200;
const FOLDER_PREFIX = "strom-power-cut-";

/** Why power cuts cannot be made on this machine; undefined where they can. Tries it. */
export function powerCutSupported(): string | undefined {
  if (Deno.build.os !== "linux") return `loop devices are Linux's, this is ${Deno.build.os}`;
  if (Deno.uid() !== 0) return "only root can mount";
  let folder: string | undefined;
  try {
    folder = powerCutFolder();
    createImage(`${folder}/probe.img`, 4 << 20);
    mount(`${folder}/probe.img`, `${folder}/probe`);
    copyWhileMounted(`${folder}/probe.img`, `${folder}/copy.img`);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  } finally {
    if (folder !== undefined) cleanUp(folder);
  }
}

/**
 * Makes a folder for images and mount points, in memory where the system has room for that. Give it
 * to `cleanUp` at the end. What a killed run left behind is cleaned up now.
 */
export function powerCutFolder(): string {
  const dir = isFolder("/dev/shm") ? "/dev/shm" : Deno.realPathSync(tempFolder());
  for (const { name } of Deno.readDirSync(dir)) {
    const pid = name.startsWith(FOLDER_PREFIX)
      ? name.slice(FOLDER_PREFIX.length).split("-")[0]
      : "";
    if (/^\d+$/.test(pid!) && !isFolder(`/proc/${pid}`)) cleanUp(`${dir}/${name}`);
  }
  return Deno.makeTempDirSync({ dir, prefix: `${FOLDER_PREFIX}${Deno.pid}-` });
}

/** Makes an image with an empty ext4 file system. It takes room only for what is written. */
export function createImage(image: string, bytes: number): void {
  Deno.writeFileSync(image, new Uint8Array(0), { createNew: true });
  Deno.truncateSync(image, bytes);
  // Without the lazy options nothing writes to the device in the background.
  run("mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0,nodiscard", image);
}

/** Mounts an image on a folder, which is made where it is missing. Replays the journal. */
export function mount(image: string, folder: string): void {
  Deno.mkdirSync(folder, { recursive: true });
  const device = run("losetup", "--find", "--show", image);
  try {
    run("mount", "-t", "ext4", device, folder);
  } finally {
    // The device stays while it is mounted, and goes with the mount however that ends.
    run("losetup", "--detach", device);
  }
}

/**
 * Copies what has reached the device of a mounted image, as of one moment: a power cut.
 *
 * @param pausedPid a process that writes there; it is stopped meanwhile, and stays so: kill it or
 * send it SIGCONT
 */
export function copyWhileMounted(image: string, copy: string, pausedPid?: number): void {
  if (pausedPid !== undefined) Deno.kill(pausedPid, "SIGSTOP");
  const device = deviceOf(image);
  for (let attempt = 0; attempt < COPIES_MAX; attempt++) {
    const before = activity(device);
    run("cp", "--sparse=always", image, copy);
    const after = activity(device);
    if (before.underWay === 0 && after.underWay === 0 && before.changes === after.changes) return;
  }
  throw new Error(`Cannot copy ${image} as of one moment: it is written to all the time`);
}

/** Unmounts what is mounted on a folder; fine where nothing is. */
export function unmount(folder: string): void {
  if (!mountPoints().includes(folder)) return;
  try {
    run("umount", folder);
  } catch {
    // Somebody still has a file open there: it goes when they let go of it.
    run("umount", "--lazy", folder);
  }
}

/** Unmounts whatever is mounted in a folder and removes it. Throws nothing. */
export function cleanUp(folder: string): void {
  try {
    const within = mountPoints().filter((point) => point.startsWith(`${folder}/`));
    for (const point of within.reverse()) unmount(point);
    Deno.removeSync(folder, { recursive: true });
  } catch (error) {
    console.warn(`Cannot clean up ${folder}:`, error);
  }
}

/** The name of the loop device that shows an image, as in /sys/block. */
function deviceOf(image: string): string {
  const device = run("losetup", "--noheadings", "--output", "NAME", "--associated", image);
  if (!/^\/dev\/loop\d+$/.test(device)) throw new Error(`Cannot find one loop device of ${image}`);
  return device.slice("/dev/".length);
}

/** How many writes, discards and flushes a device has done, and what it is doing. */
function activity(device: string): { readonly changes: number; readonly underWay: number } {
  const stat = Deno.readTextFileSync(`/sys/block/${device}/stat`).trim().split(/\s+/).map(Number);
  return { changes: stat[4]! + (stat[11] ?? 0) + (stat[15] ?? 0), underWay: stat[8]! };
}

function mountPoints(): string[] {
  return Deno.readTextFileSync("/proc/self/mountinfo").split("\n").flatMap((line) => {
    const point = line.split(" ")[4];
    return point === undefined ? [] : [point.replaceAll("\\040", " ")];
  });
}

function isFolder(path: string): boolean {
  try {
    return Deno.statSync(path).isDirectory;
  } catch {
    return false;
  }
}

function tempFolder(): string {
  return Deno.env.get("TMPDIR") ?? "/tmp";
}

/** Runs a command; returns what it printed. */
function run(command: string, ...args: string[]): string {
  const { success, stdout, stderr } = new Deno.Command(command, { args }).outputSync();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes).trim();
  if (!success) throw new Error(`Cannot run ${command} ${args.join(" ")}: ${text(stderr)}`);
  return text(stdout);
}
