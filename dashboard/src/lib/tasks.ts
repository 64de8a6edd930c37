/** What follows from the tasks of a run: which ran, which are tried again, which gave its result. */

interface Timed {
  started_at: string | null;
  finished_at: string | null;
}

interface Tried extends Timed {
  status: string;
  attempts: (Timed & { outcome: string; superseded: boolean })[];
  attempts_total: number;
}

/**
 * Whether its code began. A task that is skipped or cancelled before that is noted too: without a start, or by the
 * worker that found it so, at an end that is its start.
 */
export function hasRun(one: Timed & ({ status: string } | { outcome: string })): boolean {
  const end = "status" in one ? one.status : one.outcome;
  if (one.started_at === null || end === "SKIPPED") return false;
  return end !== "CANCELLED" || one.finished_at === null || Date.parse(one.finished_at) > Date.parse(one.started_at);
}

/** How many of its attempts ran. */
export function countRuns(task: Pick<Tried, "attempts" | "attempts_total">): number {
  return task.attempts_total - task.attempts.filter((one) => !hasRun(one)).length;
}

/** It failed, and waits for its next attempt. */
export function isBackingOff(task: Pick<Tried, "status" | "attempts">): boolean {
  const last = task.attempts.at(-1);
  return task.status === "PENDING" && last?.outcome === "RETRIED" && !last.superseded;
}

/** The number of the attempt that runs or comes next; of an ended task, of its last. */
export function nameAttempt(task: Tried): number {
  const goesOn = task.status === "RUNNING" || task.status === "QUEUED" || isBackingOff(task);
  return countRuns(task) + (goesOn ? 1 : 0);
}

interface Linked {
  name: string;
  kind: string;
  parents: string[];
  output: object | null;
}

/**
 * The tasks whose outputs are the result of a run: those that no other task depends on, without those that left no
 * output (a branch that was skipped). Hooks are none of them. When all were left out: the ones without an output.
 */
export function findLast<Task extends Linked>(tasks: Task[]): Task[] {
  const followed = new Set(tasks.flatMap((task) => (task.kind === "task" ? task.parents : [])));
  const last = tasks.filter((task) => task.kind === "task" && !followed.has(task.name));
  const withOutput = last.filter((task) => task.output !== null);
  return withOutput.length ? withOutput : last.slice(0, 1);
}

interface Waiting {
  status: string;
  why: string | null;
  due_at: string | null;
  waits_for: string[];
}

/** The task that the run waits for, when none runs: one in the queue, else one that waits for a time or an event. */
export function findWaiting<Task extends Waiting>(tasks: Task[]): Task | undefined {
  if (tasks.some((task) => task.status === "RUNNING")) return undefined;
  const waiting = tasks.filter((task) => task.why !== null);
  return waiting.find((task) => task.status === "QUEUED") ?? waiting.find((task) => task.status === "PENDING" && (task.due_at !== null || task.waits_for.length > 0));
}
