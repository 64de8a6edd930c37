/** Everything about a run that is not about one task. */
import { useMemo } from "react";
import { makeUrl } from "../../api/client";
import { type RunView, type TaskItem, useTask } from "../../api/queries";
import { findLast } from "../../lib/tasks";
import { makeVisible, plural } from "../../lib/text";
import { Failed, Notice, Visible } from "../../ui/basics";
import { Glyph } from "../../ui/icons";
import { Payload } from "../../ui/json";
import { setSearch } from "../../ui/router";
import { Children } from "./task-panel";

const MAX_OUTPUTS = 5;

export function RunPanel({ view, onSelect }: { view: RunView; onSelect: (name: string) => void }) {
  const failed = view.tasks.filter((task) => task.status === "FAILED");
  return (
    <aside className="panel run-side" aria-label="This run">
      <div className="side-head">
        <h2>This run</h2>
        <p className="muted">{view.description ? <Visible text={view.description} /> : "Select a task to see its output, error, attempts and logs."}</p>
      </div>
      <div className="side-body" tabIndex={0} role="group" aria-label="Input and more">
        <Waiting tasks={view.tasks} onSelect={onSelect} />
        {failed.map((task) => (
          <section key={task.name} className="stack" style={{ gap: 6 }}>
            <button type="button" className="error-box" style={{ padding: 0, textAlign: "left", background: "none" }} onClick={() => setSearch({ task: task.name, tab: null })}>
              <span className="what"><Glyph name="warning" /><span className="grow"><Visible text={task.name} />{task.error && <>: <Visible text={`${task.error.type}: ${task.error.message}`} /></>}</span></span>
            </button>
          </section>
        )).slice(0, 5)}
        <Outputs view={view} />
        <Payload label="Input" payload={view.input} download={makeUrl("/api/v1/runs/{run_id}/input", { run_id: view.run.id })} />
        {view.children_total > 0 && (
          <section className="stack" style={{ gap: 6 }}>
            <h3>{plural(view.children_total, "child run")}</h3>
            <Children run={view.run.id} />
          </section>
        )}
        {view.replays_total > 0 && (
          <p className="muted">Run again with another input {view.replays_total === 1 ? "once" : `${view.replays_total} times`}.</p>
        )}
        <dl className="grid-facts">
          <dt>run</dt><dd><code>{view.run.id}</code></dd>
          <dt>in a terminal</dt><dd><code>plait runs show {view.run.id}</code></dd>
        </dl>
      </div>
    </aside>
  );
}

/** Why the run waits, when no task of it runs. */
function Waiting({ tasks, onSelect }: { tasks: TaskItem[]; onSelect: (name: string) => void }) {
  if (tasks.some((task) => task.status === "RUNNING")) return null;
  const queued = tasks.find((task) => task.status === "QUEUED" && task.why) ?? tasks.find((task) => task.status === "PENDING" && task.why && !task.why.startsWith("it waits for its parent"));
  if (!queued?.why) return null;
  return (
    <Notice tone={queued.status === "QUEUED" ? "queued" : "neutral"}>
      <button type="button" className="chip" onClick={() => onSelect(queued.name)}><span><Visible text={queued.name} /></span></button>{" "}
      <Visible text={queued.why} />
    </Notice>
  );
}

/** The result of a completed run: the outputs of its last tasks. */
function Outputs({ view }: { view: RunView }) {
  const sinks = useMemo(() => findLast(view.tasks), [view.tasks]);
  if (view.run.status !== "COMPLETED") return null;
  return (
    <>
      {sinks.slice(0, MAX_OUTPUTS).map((task) => <Output key={task.name} run={view.run.id} task={task} label={sinks.length === 1 ? "Output" : `Output of ${makeVisible(task.name)}`} />)}
      {sinks.length > MAX_OUTPUTS && <p className="faint">and the outputs of {sinks.length - MAX_OUTPUTS} more tasks</p>}
    </>
  );
}

function Output({ run, task, label }: { run: string; task: TaskItem; label: string }) {
  const found = useTask(run, task.index);
  if (found.error) return <Failed error={found.error} />;
  if (!found.data) return null;
  return <Payload label={label} payload={found.data.output} none="none" download={found.data.output ? makeUrl("/api/v1/runs/{run_id}/tasks/{task}/{what}", { run_id: run, task: task.index, what: "output" }) : undefined} />;
}
