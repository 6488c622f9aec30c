const SEGMENT_NAME = /^([0-9a-f]{12})-(\d{8})\.spool$/;

/** The file name of a writer's segment: in the order of their names is the order of their records. */
export function segmentName(writer: string, sequence: number): string {
  return `${writer}-${String(sequence).padStart(8, "0")}.spool`;
}

/** Whose segment a file is; undefined when it is none. */
export function writerOf(fileName: string): string | undefined {
  return SEGMENT_NAME.exec(fileName)?.[1];
}

/** Where a writer's records lie that the service refused for good. */
export function deadLetterName(writer: string): string {
  return `${writer}.dead-letters.jsonl`;
}
