import { writeFileSync } from "node:fs";
import { arch, cpus } from "node:os";
import { type Bench, formatLine, type Line } from "./bench.ts";
import { helpText, readArguments } from "./options.ts";
import { openStage, type Stage } from "./stage.ts";
import { SUBJECTS } from "./subjects.ts";

// Every number is told as a ratio to a baseline that was measured in the same run on the same machine, right before or after it.

const { help, subjects, jsonFile, ...options } = readArguments(process.argv.slice(2), SUBJECTS);
if (help) console.log(helpText(SUBJECTS));
else await run();

async function run(): Promise<void> {
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
