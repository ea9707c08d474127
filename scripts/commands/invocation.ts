/**
 * How people run the command line on this machine, for commands that they are shown.
 *
 * @module
 */

/** What stands in place of `strom`: as it was started, with npm only or with Deno. */
export function invocation(npmCommand = Deno.env.get("npm_command")): string {
  const deno = npmCommand === "exec" ? `npx -y deno@${Deno.version.deno}` : "deno";
  return `${deno} task strom`;
}

/** Arguments as a shell takes them. */
export function quoted(args: readonly string[]): string {
  return args.map((arg) => /^[\w@%+=:,./-]+$/.test(arg) ? arg : `'${arg.replaceAll("'", "'\\''")}'`)
    .join(" ");
}
