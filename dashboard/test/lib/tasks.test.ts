import { describe, expect, test } from "vitest";
import { countRuns, findLast, findWaiting, hasRun, isBackingOff, nameAttempt } from "../../src/lib/tasks";

function task(name: string, parents: string[] = [], output: object | null = {}, kind = "task") {
  return { name, parents, output, kind };
}

const namesOf = (tasks: ReturnType<typeof task>[]) => findLast(tasks).map((one) => one.name);

describe("the result of a run", () => {
  test("is what the tasks gave that nothing follows", () => {
    expect(namesOf([task("a"), task("b", ["a"]), task("c", ["a"]), task("d", ["b"])])).toEqual(["c", "d"]);
  });

  test("is not what a hook gave, and a hook follows nothing", () => {
    expect(namesOf([task("a"), task("tell", ["a"], {}, "on_success")])).toEqual(["a"]);
  });

  test("leaves out a branch that was skipped", () => {
    expect(namesOf([task("a"), task("cheap", ["a"], null), task("dear", ["a"])])).toEqual(["dear"]);
    expect(namesOf([task("a"), task("b", ["a"], null)])).toEqual(["b"]);
  });
});

const AT = "2026-01-01T00:00:00Z";
const LATER = "2026-01-01T00:00:01Z";

function attempt(outcome: string, started_at: string | null = AT, finished_at = LATER, superseded = false) {
  return { outcome, started_at, finished_at, superseded };
}

function tried(status: string, ...attempts: ReturnType<typeof attempt>[]) {
  return { status, attempts, attempts_total: attempts.length, started_at: null, finished_at: null };
}

describe("the attempts of a task", () => {
  test("do not count what was skipped or cancelled before it began", () => {
    expect(countRuns(tried("SKIPPED", attempt("SKIPPED")))).toBe(0);
    expect(countRuns(tried("CANCELLED", attempt("CANCELLED", null)))).toBe(0);
    expect(countRuns(tried("CANCELLED", attempt("CANCELLED", AT, AT)))).toBe(0);
    expect(countRuns(tried("CANCELLED", attempt("RETRIED"), attempt("CANCELLED", null)))).toBe(1);
    expect(countRuns(tried("CANCELLED", attempt("CANCELLED")))).toBe(1);
  });

  test("count what failed or completed at once", () => {
    expect(hasRun(attempt("COMPLETED", AT, AT))).toBe(true);
    expect(hasRun(attempt("FAILED", AT, AT))).toBe(true);
  });

  test("of a task that backs off: the next one is named", () => {
    const task = tried("PENDING", attempt("RETRIED"), attempt("RETRIED"));
    expect(isBackingOff(task)).toBe(true);
    expect(nameAttempt(task)).toBe(3);
  });

  test("that a replay superseded are not followed by a retry", () => {
    expect(isBackingOff(tried("PENDING", attempt("RETRIED", AT, LATER, true)))).toBe(false);
    expect(isBackingOff(tried("PENDING", attempt("LOST")))).toBe(false);
    expect(isBackingOff(tried("RUNNING", attempt("RETRIED")))).toBe(false);
  });
});

function held(status: string, why: string | null, due_at: string | null = null, waits_for: string[] = []) {
  return { status, why, due_at, waits_for };
}

describe("what a run waits for", () => {
  const parent = held("PENDING", "It waits for its parent draft (pending).");
  const event = held("PENDING", "It waits for event 'approved'.", null, ["event 'approved'"]);
  const retry = held("PENDING", "It waits for its next attempt, after 1 failed attempt.", LATER);
  const queued = held("QUEUED", "No live worker has this task's code.");

  test("is a task in the queue, else one that waits for a time or an event", () => {
    expect(findWaiting([parent, event, queued])).toBe(queued);
    expect(findWaiting([parent, event])).toBe(event);
    expect(findWaiting([parent, retry])).toBe(retry);
  });

  test("is nothing while a task runs, and no task that waits for its parents", () => {
    expect(findWaiting([held("RUNNING", null), event])).toBeUndefined();
    expect(findWaiting([held("COMPLETED", null), parent])).toBeUndefined();
  });
});
