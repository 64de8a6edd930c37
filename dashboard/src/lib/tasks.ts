/** What follows from the tasks of a run. */

interface Linked {
  kind: string;
  parents: number[];
  output_size: number | null;
}

/**
 * The tasks whose outputs are the result of a run: those that no other task depends on, without those that left no
 * output (a branch that was skipped). Hooks are none of them. When all were left out: the ones without an output.
 */
export function findLast<Task extends Linked>(tasks: Task[]): Task[] {
  const followed = new Set(tasks.flatMap((task) => (task.kind === "task" ? task.parents : [])));
  const last = tasks.filter((task, index) => task.kind === "task" && !followed.has(index));
  const withOutput = last.filter((task) => task.output_size !== null);
  return withOutput.length ? withOutput : last.slice(0, 1);
}
