/** Loaded into a service process with `--import`: its wall clock differs from the machine's by SHIFT_CLOCK_MS milliseconds, ahead or behind. */
const shiftMs = Number(process.env["SHIFT_CLOCK_MS"]);
if (!Number.isInteger(shiftMs)) throw new Error("SHIFT_CLOCK_MS is missing");
const machineNow = Date.now;
Date.now = () => machineNow() + shiftMs;
