import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "./recipes.ts";

/** What a recipe did. */
export interface Ran {
  /** 0 when every command of it succeeded. Undefined: the shell did not get so far. */
  readonly exitCode: number | undefined;
  /** Standard output and standard error, as they came. */
  readonly output: string;
}

/** Runs the commands one after the other in one shell, as somebody types them into one terminal: what one sets, the next ones see. */
export async function runRecipes(
  commands: readonly string[],
  directory: string,
  maxMs: number,
): Promise<readonly Ran[]> {
  const file = (kind: string, index: number): string => join(directory, `${kind}-${index}`);
  const script = commands.map((command, index) => {
    writeFileSync(file("recipe", index), `${command}\n`);
    return `failed=0; . ${file("recipe", index)} >> ${file("output", index)} 2>&1; echo $failed > ${file("code", index)}`;
  });
  // A recipe of several commands has failed when one of them has, not only the last.
  const shell = spawn("bash", ["-c", ["trap 'failed=$?' ERR", ...script].join("\n")], {
    cwd: ROOT,
    stdio: ["ignore", "ignore", "inherit"],
    timeout: maxMs,
  });
  await once(shell, "exit");
  return commands.map((_command, index) => ({
    exitCode: existsSync(file("code", index)) ? Number(readFileSync(file("code", index), "utf8")) : undefined,
    output: existsSync(file("output", index)) ? readFileSync(file("output", index), "utf8") : "",
  }));
}
