/** A run on a time axis: what each task did when. All times are milliseconds since the epoch. */
import { hasRun } from "./tasks";
import { parseTime } from "./time";

export type SegmentKind = "queued" | "running" | "backoff" | "waiting";

export interface Segment {
  kind: SegmentKind;
  start: number;
  end: number;
  /** It goes on: `end` is now. */
  isOpen: boolean;
  attempt: number;
  outcome: string;
}

export interface GanttAttempt {
  attempt: number;
  outcome: string;
  queued_at: string | null;
  started_at: string | null;
  finished_at: string | null;
}

export interface GanttTask {
  name: string;
  status: string;
  queued_at: string | null;
  started_at: string | null;
  due_at: string | null;
  attempts: GanttAttempt[];
}

export interface GanttRow {
  name: string;
  status: string;
  segments: Segment[];
}

export interface Gantt {
  rows: GanttRow[];
  start: number;
  end: number;
}

const OPEN = new Set(["PENDING", "QUEUED", "RUNNING"]);

export function makeGantt(tasks: GanttTask[], runStart: number, runEnd: number | null, now: number): Gantt {
  const rows = tasks.map((task) => ({ name: task.name, status: task.status, segments: makeSegments(task, now) }));
  const last = rows.flatMap((row) => row.segments.map((segment) => segment.end));
  const end = Math.max(runEnd ?? now, runStart + 1, ...last.slice(0, 50_000));
  return { rows, start: Math.min(runStart, ...rows.flatMap((row) => row.segments.map((one) => one.start))), end };
}

export function makeSegments(task: GanttTask, now: number): Segment[] {
  const segments: Segment[] = [];
  let before: { end: number; outcome: string } | null = null;
  for (const attempt of task.attempts) {
    const start = parseTime(attempt.started_at);
    const end = parseTime(attempt.finished_at);
    const queued = parseTime(attempt.queued_at);
    const common = { isOpen: false, attempt: attempt.attempt, outcome: attempt.outcome };
    if (before?.outcome === "RETRIED" && queued !== null && queued > before.end)
      segments.push({ ...common, kind: "backoff", start: before.end, end: queued, outcome: "" });
    if (queued !== null && (start ?? end) !== null && (start ?? end ?? 0) > queued)
      segments.push({ ...common, kind: "queued", start: queued, end: start ?? end ?? queued, outcome: "" });
    if (start !== null && end !== null && hasRun(attempt)) segments.push({ ...common, kind: "running", start, end: Math.max(start, end) });
    if (end !== null) before = { end, outcome: attempt.outcome };
  }
  if (OPEN.has(task.status)) addOpen(task, segments, before, now);
  return segments;
}

function addOpen(
  task: GanttTask,
  segments: Segment[],
  before: { end: number; outcome: string } | null,
  now: number,
): void {
  const attempt = (task.attempts.at(-1)?.attempt ?? 0) + 1;
  const common = { isOpen: true, attempt, outcome: "" };
  const queued = parseTime(task.queued_at);
  const started = parseTime(task.started_at);
  const add = (kind: SegmentKind, start: number, end: number) => {
    if (end > start) segments.push({ ...common, kind, start, end });
  };
  if (task.status === "PENDING") {
    if (before?.outcome === "RETRIED") add("backoff", before.end, now);
    else if (queued !== null) add("waiting", queued, now);
    return;
  }
  if (before?.outcome === "RETRIED" && queued !== null) add("backoff", before.end, Math.min(queued, now));
  if (queued !== null) add("queued", queued, task.status === "RUNNING" ? (started ?? now) : now);
  if (task.status === "RUNNING" && started !== null) add("running", started, Math.max(now, started + 1));
  for (const segment of segments) if (segment.isOpen && segment.kind !== lastKind(task.status)) segment.isOpen = false;
}

function lastKind(status: string): SegmentKind {
  return status === "RUNNING" ? "running" : "queued";
}
