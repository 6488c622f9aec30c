/** The JSON payloads of a text of server-sent events, in order. Comments and the closing "[DONE]" are passed over. */
export function readEvents(text: string): readonly unknown[] {
  return text
    .split(/\r?\n\r?\n/)
    .flatMap((block) => block.split(/\r?\n/))
    .filter((line) => line.startsWith("data: ") && line !== "data: [DONE]")
    .map((line): unknown => JSON.parse(line.slice("data: ".length)));
}
