/** Loaded into a service process with `--expose-gc --import`: collects all garbage when it is told to, and says so on standard error. */
process.on("SIGUSR2", () => {
  const { gc } = globalThis;
  if (gc === undefined) throw new Error("--expose-gc is missing");
  gc();
  gc();
  process.stderr.write("garbage collected\n");
});
