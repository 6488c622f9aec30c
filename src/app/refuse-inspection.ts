/**
 * Takes away what Node offers to whoever can signal this process or read its disk: on SIGUSR1 it would open its debugger, which reads all memory, on
 * a port that every user of the machine can reach; and its diagnostic reports would hold the environment, in which AWS keys may stand.
 */
export function refuseInspection(): void {
  process.on("SIGUSR1", () => {});
  process.report.excludeEnv = true;
}
