const DONE = "[DONE]";
/** No provider's event is nearly as long. */
const LINE_MAX_CHARS = 4 * 1024 * 1024;

/**
 * The JSON objects of a streamed chat completion (server-sent events, as `fetch` gives them in `response.body`), up to the provider's `[DONE]`. Throws when the
 * stream ends before it, or holds what is no JSON: it was cut.
 */
export async function* readEvents(body: AsyncIterable<Uint8Array>): AsyncGenerator<unknown, void, undefined> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const bytes of body) {
    rest += decoder.decode(bytes, { stream: true });
    if (rest.length > LINE_MAX_CHARS) throw new Error("the stream holds a line that is too long");
    const lines = rest.split(/\r?\n/);
    rest = lines.pop() ?? "";
    for (const line of lines) {
      const data = dataOf(line);
      if (data === DONE) return;
      if (data !== undefined) yield JSON.parse(data);
    }
  }
  throw new Error("the stream was cut before its end");
}

/** What a line says; undefined for comments, other fields and the empty lines between events. Providers write each event in one line. */
function dataOf(line: string): string | undefined {
  if (!line.startsWith("data:")) return undefined;
  const data = line.slice(5).trim();
  return data === "" ? undefined : data;
}
