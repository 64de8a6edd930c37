/** Statuses of runs, tasks and attempts: one word, one colour, one glyph each. */

export type Tone = "neutral" | "waiting" | "queued" | "running" | "completed" | "failed" | "cancelled" | "skipped";

export interface StatusLook {
  tone: Tone;
  word: string;
}

const LOOKS: Record<string, StatusLook> = {
  PENDING: { tone: "waiting", word: "Pending" },
  QUEUED: { tone: "queued", word: "Queued" },
  RUNNING: { tone: "running", word: "Running" },
  COMPLETED: { tone: "completed", word: "Completed" },
  FAILED: { tone: "failed", word: "Failed" },
  CANCELLED: { tone: "cancelled", word: "Cancelled" },
  SKIPPED: { tone: "skipped", word: "Skipped" },
  RETRIED: { tone: "failed", word: "Failed, retried" },
  BACKING_OFF: { tone: "queued", word: "Backing off" },
  LOST: { tone: "failed", word: "Worker lost" },
  RELEASED: { tone: "neutral", word: "Handed back" },
};

export function lookOf(status: string): StatusLook {
  return LOOKS[status.toUpperCase()] ?? { tone: "neutral", word: status };
}

export const TERMINAL_TASK = new Set(["COMPLETED", "FAILED", "CANCELLED", "SKIPPED"]);

/** How a fold of many tasks looks: what needs attention first. */
const ORDER = ["FAILED", "RUNNING", "BACKING_OFF", "QUEUED", "PENDING", "CANCELLED", "SKIPPED", "COMPLETED"];

export function countStatuses(statuses: string[]): [string, number][] {
  const counts = new Map<string, number>();
  for (const status of statuses) counts.set(status, (counts.get(status) ?? 0) + 1);
  return [...counts].sort(([a], [b]) => ORDER.indexOf(a) - ORDER.indexOf(b));
}
