import { describe, expect, test } from "vitest";
import { type GanttTask, makeGantt, makeSegments } from "../../src/lib/gantt";
import { makeTicks } from "../../src/lib/time";

const T0 = Date.parse("2026-11-24T15:00:00Z");
const at = (ms: number) => new Date(T0 + ms).toISOString();

function attempt(number: number, outcome: string, queued: number, started: number | null, finished: number) {
  return { attempt: number, outcome, queued_at: at(queued), started_at: started === null ? null : at(started), finished_at: at(finished) };
}

function task(status: string, attempts: GanttTask["attempts"], open: Partial<GanttTask> = {}): GanttTask {
  return { name: "t", status, queued_at: null, started_at: null, due_at: null, attempts, ...open };
}

function spans(one: GanttTask, now = 10_000) {
  return makeSegments(one, T0 + now).map(({ kind, start, end, isOpen }) => [kind, start - T0, end - T0, isOpen]);
}

describe("the timeline", () => {
  test("shows queued, running and backing off", () => {
    const done = task("COMPLETED", [attempt(1, "RETRIED", 0, 10, 110), attempt(2, "COMPLETED", 1110, 1120, 1200)]);
    expect(spans(done)).toEqual([
      ["queued", 0, 10, false],
      ["running", 10, 110, false],
      ["backoff", 110, 1110, false],
      ["queued", 1110, 1120, false],
      ["running", 1120, 1200, false],
    ]);
  });

  test("goes on to now while a task runs, waits for a retry, or is queued", () => {
    expect(spans(task("RUNNING", [], { queued_at: at(0), started_at: at(50) }))).toEqual([["queued", 0, 50, false], ["running", 50, 10_000, true]]);
    expect(spans(task("QUEUED", [], { queued_at: at(0) }))).toEqual([["queued", 0, 10_000, true]]);
    expect(spans(task("PENDING", [attempt(1, "RETRIED", 0, 0, 100)])).at(-1)).toEqual(["backoff", 100, 10_000, true]);
  });

  test("a lost worker is no backing off", () => {
    expect(spans(task("COMPLETED", [attempt(1, "LOST", 0, 0, 100), attempt(2, "COMPLETED", 3000, 3000, 3100)])).map(([kind]) => kind)).toEqual(["running", "running"]);
  });

  test("shows nothing of a task that never started", () => {
    expect(spans(task("PENDING", []))).toEqual([]);
    expect(spans(task("SKIPPED", [{ attempt: 1, outcome: "SKIPPED", queued_at: null, started_at: null, finished_at: at(5) }]))).toEqual([]);
  });

  test("spans the run, and clocks that disagree", () => {
    const gantt = makeGantt([task("COMPLETED", [attempt(1, "COMPLETED", -5, 0, 100)])], T0, T0 + 90, T0 + 500);
    expect([gantt.start - T0, gantt.end - T0]).toEqual([-5, 100]);
  });

  test("has round ticks, not too many", () => {
    expect(makeTicks(1050, 8)).toEqual([0, 200, 400, 600, 800, 1000]);
    expect(makeTicks(9e10, 8).length).toBeLessThanOrEqual(9);
  });
});
