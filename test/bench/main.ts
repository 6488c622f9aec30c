import { writeFileSync } from "node:fs";
import { arch, cpus } from "node:os";
import { type Bench, formatLine, type Line } from "./bench.ts";
import { type Asked, helpText, readArguments } from "./options.ts";
import { openStage, type Stage } from "./stage.ts";
import { SUBJECTS } from "./subjects.ts";

// Every number is told as a ratio to a baseline that was measured in the same run on the same machine, right before or after it.

const asked = readOrComplain();
if (asked?.help) console.log(helpText(SUBJECTS));
else if (asked !== undefined) await run(asked);

function readOrComplain(): Asked | undefined {
  try {
    return readArguments(process.argv.slice(2), SUBJECTS);
  } catch (error) {
    console.error(error instanceof Error ? error.message : String(error));
    process.exitCode = 2;
    return undefined;
  }
}

async function run({ subjects, jsonFile, ...options }: Asked): Promise<void> {
  const lines: Line[] = [];
  let stage: Stage | undefined;
  const bench: Bench = {
    options,
    report(name, value, unit, baseline, conditions) {
      const line = { name, value, unit, baseline, ratio: value / baseline, conditions };
      lines.push(line);
      console.log(formatLine(line));
    },
    async stage() {
      stage ??= await openStage(options);
      return stage;
    },
  };
  console.log(`plori BYOK benchmark on ${cpus().length} cores, ${arch}, Node ${process.version}`);
  try {
    for (const subject of subjects) await subject.run(bench);
  } catch (error) {
    if (stage !== undefined) console.error(stage.service.output());
    throw error;
  } finally {
    await stage?.close();
  }
  if (jsonFile !== undefined) writeFileSync(jsonFile, `${JSON.stringify(lines, undefined, 2)}\n`);
}
