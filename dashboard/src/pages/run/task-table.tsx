/** The tasks of a run, one a line. */
import type { TaskDetails } from "../../api/queries";
import { countRuns, hasRun } from "../../lib/tasks";
import { makeVisible } from "../../lib/text";
import { IdText, TaskStatus, Visible } from "../../ui/basics";
import { href, Link } from "../../ui/router";
import { Ago, Took } from "../../ui/times";

export function TaskTable({ tasks, selected, onSelect }: { tasks: TaskDetails[]; selected: string | null; onSelect: (name: string | null) => void }) {
  return (
    <div className="table-wrap grow">
      <table aria-label="Tasks">
        <thead>
          <tr><th className="shrink">Status</th><th>Task</th><th className="right shrink">Duration</th><th className="right shrink">Attempts</th><th>About</th><th className="right shrink">Started</th><th className="shrink">Worker</th></tr>
        </thead>
        <tbody>
          {tasks.map((task) => (
            <tr key={task.name} data-id={task.name} className={selected === task.name ? "link selected" : "link"} onClick={(event) => { if (!(event.target as Element).closest("a, button")) onSelect(task.name); }}>
              <td className="shrink"><TaskStatus task={task} /></td>
              <td className="nowrap">
                <button type="button" className="button quiet small main-cell" data-task={task.name} aria-pressed={selected === task.name} style={{ padding: 0 }} onClick={() => onSelect(selected === task.name ? null : task.name)}><Visible text={task.name} /></button>
              </td>
              <td className="right shrink">{hasRun(task) ? <Took start={task.started_at} end={task.finished_at} open={task.status === "RUNNING"} /> : <span className="faint">–</span>}</td>
              <td className="right shrink num">{countRuns(task) || <span className="faint">–</span>}</td>
              <td className="muted about-cell"><About text={sayAbout(task)} /></td>
              <td className="right shrink muted"><Ago time={hasRun(task) ? task.started_at : null} /></td>
              <td className="shrink">{task.worker_id ? <Link href={href("workers", task.worker_id)}><IdText id={task.worker_id} /></Link> : <span className="faint">–</span>}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function sayAbout(task: TaskDetails): string | null {
  if (task.error && task.status !== "COMPLETED") return `${task.error.type}: ${task.error.message}`;
  return task.reason ?? task.why;
}

function About({ text }: { text: string | null }) {
  return text ? <div className="ellipsis" title={makeVisible(text)}><Visible text={text} /></div> : null;
}
