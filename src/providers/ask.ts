/** One bounded question to a provider. */
export interface Question {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Sent as the body of a POST. Absent: a GET. Stays the caller's to wipe. */
  readonly post?: Uint8Array<ArrayBuffer>;
  /** Aborts when the answer is not wanted any more. */
  readonly signal?: AbortSignal | undefined;
  /** From the request's start to the end of what is read of the body. */
  readonly deadlineMs: number;
  /** How much of the body is read, after decompression. */
  readonly bodyMaxBytes: number;
}

/** What came back. `truncated`: the body went on after `bodyText`. */
export interface BoundedAnswer {
  readonly status: number;
  readonly bodyText: string;
  readonly truncated: boolean;
  readonly retryAfter?: string;
}

/** What came back, as bytes. They are the receiver's to wipe. */
export interface BoundedBytes {
  readonly status: number;
  readonly body: Buffer;
  readonly truncated: boolean;
  readonly retryAfter?: string;
}

/** As `askProviderBytes`, with the body as text: for answers that hold no secret. */
export async function askProvider(fetchOne: typeof fetch, question: Question): Promise<BoundedAnswer> {
  const { body, ...answer } = await askProviderBytes(fetchOne, question);
  return { ...answer, bodyText: body.toString("utf8") };
}

/**
 * Sends one GET or POST and reads at most `bodyMaxBytes` of the answer. Redirects are answers, never followed: the credential must reach no host that
 * the provider table does not name. Throws what `fetch` throws, also when the deadline passes or `signal` aborts; the text of it may quote a
 * header, so callers must not hand it on.
 */
export async function askProviderBytes(fetchOne: typeof fetch, question: Question): Promise<BoundedBytes> {
  // A timer of our own, which ends with the question: AbortSignal.timeout would keep one for the whole deadline after every quick answer.
  const ender = new AbortController();
  const end = (): void => ender.abort();
  const timer = setTimeout(end, question.deadlineMs);
  question.signal?.addEventListener("abort", end, { once: true });
  if (question.signal?.aborted === true) end();
  try {
    const { url, headers, post } = question;
    const sent = post === undefined ? { method: "GET" } : { method: "POST", body: post };
    const response = await fetchOne(url, { ...sent, headers, redirect: "manual", signal: ender.signal });
    const retryAfter = response.headers.get("retry-after");
    return {
      status: response.status,
      ...(await readBounded(response.body, question.bodyMaxBytes)),
      ...(retryAfter === null ? {} : { retryAfter }),
    };
  } finally {
    clearTimeout(timer);
    question.signal?.removeEventListener("abort", end);
  }
}

async function readBounded(
  body: ReadableStream<Uint8Array> | null,
  maxBytes: number,
): Promise<{ body: Buffer; truncated: boolean }> {
  if (body === null) return { body: Buffer.alloc(0), truncated: false };
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  // Leaving the loop cancels the stream, and with it the rest of the download.
  for await (const chunk of body) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes > maxBytes) break;
  }
  const read = Buffer.concat(chunks);
  for (const chunk of chunks) chunk.fill(0);
  return { body: read.subarray(0, Math.min(bytes, maxBytes)), truncated: bytes > maxBytes };
}
