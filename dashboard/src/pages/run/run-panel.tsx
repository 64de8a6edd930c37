/** Everything about a run that is not about one task. */
import { useMemo } from "react";
import { makeUrl } from "../../api/client";
import { type RunDetails, type TaskDetails, useTask } from "../../api/queries";
import { findLast, findWaiting } from "../../lib/tasks";
import { makeVisible, plural } from "../../lib/text";
import { Failed, Notice, Visible } from "../../ui/basics";
import { Glyph } from "../../ui/icons";
import { Payload } from "../../ui/json";
import { setSearch } from "../../ui/router";
import { Children } from "./task-panel";

const MAX_OUTPUTS = 5;

export function RunPanel({ run, onSelect }: { run: RunDetails; onSelect: (name: string) => void }) {
  const failed = run.tasks.filter((task) => task.status === "FAILED");
  return (
    <aside className="panel run-side" aria-label="This run">
      <div className="side-head">
        <h2>This run</h2>
        <p className="muted">{run.description ? <Visible text={run.description} /> : "Select a task to see its output, error, attempts and logs."}</p>
      </div>
      <div className="side-body" tabIndex={0} role="group" aria-label="Input and more">
        <Waiting tasks={run.tasks} onSelect={onSelect} />
        {failed.map((task) => (
          <section key={task.name} className="stack" style={{ gap: 6 }}>
            <button type="button" className="error-box" style={{ padding: 0, textAlign: "left", background: "none" }} onClick={() => setSearch({ task: task.name, tab: null })}>
              <span className="what"><Glyph name="warning" /><span className="grow"><Visible text={task.name} />{task.error && <>: <Visible text={`${task.error.type}: ${task.error.message}`} /></>}</span></span>
            </button>
          </section>
        )).slice(0, 5)}
        <Outputs run={run} />
        <Payload label="Input" payload={run.input} download={makeUrl("/api/v1/runs/{run_id}/input", { run_id: run.id })} />
        {run.children > 0 && (
          <section className="stack" style={{ gap: 6 }}>
            <h3>{plural(run.children, "child run")}</h3>
            <Children runId={run.id} />
          </section>
        )}
        {run.replays > 0 && (
          <p className="muted">Run again with another input {run.replays === 1 ? "once" : `${run.replays} times`}.</p>
        )}
        <dl className="grid-facts">
          <dt>run</dt><dd><code>{run.id}</code></dd>
          <dt>in a terminal</dt><dd><code>plait runs show {run.id}</code></dd>
        </dl>
      </div>
    </aside>
  );
}

/** Why the run waits, when no task of it runs. */
function Waiting({ tasks, onSelect }: { tasks: TaskDetails[]; onSelect: (name: string) => void }) {
  const task = findWaiting(tasks);
  if (!task?.why) return null;
  return (
    <Notice tone={task.status === "QUEUED" ? "queued" : "neutral"}>
      <button type="button" className="chip" onClick={() => onSelect(task.name)}><span><Visible text={task.name} /></span></button>{" "}
      <Visible text={task.why} />
    </Notice>
  );
}

/** The result of a completed run: the outputs of its last tasks. */
function Outputs({ run }: { run: RunDetails }) {
  const sinks = useMemo(() => findLast(run.tasks), [run.tasks]);
  if (run.status !== "COMPLETED") return null;
  return (
    <>
      {sinks.slice(0, MAX_OUTPUTS).map((task) => <Output key={task.name} runId={run.id} task={task} label={sinks.length === 1 ? "Output" : `Output of ${makeVisible(task.name)}`} />)}
      {sinks.length > MAX_OUTPUTS && <p className="faint">and the outputs of {sinks.length - MAX_OUTPUTS} more tasks</p>}
    </>
  );
}

function Output({ runId, task, label }: { runId: string; task: TaskDetails; label: string }) {
  const found = useTask(runId, task.index);
  if (found.error) return <Failed error={found.error} />;
  if (!found.data) return null;
  return <Payload label={label} payload={found.data.output} none="none" download={found.data.output ? makeUrl("/api/v1/runs/{run_id}/tasks/{index}/{what}", { run_id: runId, index: task.index, what: "output" }) : undefined} />;
}
