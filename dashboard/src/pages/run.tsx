import { useQueryClient } from "@tanstack/react-query";
import { type ReactNode, useMemo, useState } from "react";
import { ApiError, makeUrl, post } from "../api/client";
import { type RunView, type TaskItem, useCanWrite, useRun, useTask, useWorkflow } from "../api/queries";
import { lookOf } from "../lib/status";
import { countRuns, findLast, hasRun, isBackingOff, nameAttempt } from "../lib/tasks";
import { makeVisible, plural, shortId } from "../lib/text";
import { formatDuration, parseTime } from "../lib/time";
import { href, Link, navigate, setSearch, useParam } from "../router";
import { Ago, Chip, Copy, Empty, Failed, IdText, Notice, RetriesIn, Segments, Status, TaskStatus, Took, Visible } from "../ui/basics";
import { Dialog, Menu, notify, notifyError } from "../ui/dialog";
import { Graph, type GraphTaskLook } from "../ui/graph";
import { Glyph, type IconName } from "../ui/icons";
import { Payload, readPairs } from "../ui/json";
import { useKeys } from "../ui/keys";
import { Logs } from "./logs";
import { StartRun } from "./start-run";
import { Children, TaskPanel } from "./task-panel";
import { Timeline } from "./timeline";

type View = "graph" | "timeline" | "table" | "logs";

const VIEWS: { value: View; label: string; icon: IconName }[] = [
  { value: "graph", label: "Graph", icon: "graph" },
  { value: "timeline", label: "Timeline", icon: "gantt" },
  { value: "table", label: "Table", icon: "table" },
  { value: "logs", label: "Logs", icon: "logs" },
];

const MOST_OUTPUTS = 5;

export default function RunPage({ id }: { id: string }) {
  const run = useRun(id);
  if (run.data) return <Loaded view={run.data} error={run.error} />;
  return (
    <div className="page" aria-busy={run.isPending}>
      {run.error instanceof ApiError && (run.error.status === 404 || run.error.status === 422) ? (
        <Empty icon="search" title="There is no such run" isPage>
          <p><Visible text={run.error.message} /></p>
          <p><Link href={href("runs")}>All runs</Link></p>
        </Empty>
      ) : run.error ? (
        <Failed error={run.error} />
      ) : (
        <div className="skeleton" style={{ width: 280, height: 26 }} />
      )}
    </div>
  );
}

function Loaded({ view, error }: { view: RunView; error: unknown }) {
  const { run, tasks } = view;
  const selectedName = useParam("task");
  const shown = (useParam("view") ?? "graph") as View;
  const selected = tasks.find((task) => task.name === selectedName) ?? null;
  const select = (name: string | null) => setSearch({ task: name, tab: null });
  const show = (value: View) => setSearch({ view: value === "graph" ? null : value });
  const actions = useActions(view);
  const step = (by: number) => () => {
    const place = tasks.findIndex((task) => task.name === selectedName);
    const next = tasks[place < 0 ? 0 : Math.max(0, Math.min(tasks.length - 1, place + by))];
    if (next) select(next.name);
  };
  useKeys({
    "1": () => show("graph"),
    "2": () => show("timeline"),
    "3": () => show("table"),
    l: () => show("logs"),
    j: step(1),
    k: step(-1),
    Escape: () => select(null),
    ...(actions.canWrite ? { c: () => view.cancellable && actions.open("cancel"), r: () => view.replayable && actions.open("replay"), e: () => actions.open("again") } : {}),
  });
  const graphTasks = useMemo(
    () => tasks.map((task) => ({ name: task.name, kind: task.kind, parents: task.parents.map((index) => tasks[index]?.name ?? "") })),
    [tasks],
  );
  const byName = useMemo(() => new Map(tasks.map((task) => [task.name, task])), [tasks]);
  return (
    <div className="page page-wide">
      <header className="page-head">
        <div className="titles">
          <nav className="crumbs" aria-label="Above">
            <Link href={href("runs")}>Runs</Link> /
            <Link className="ellipsis" href={href("workflows", run.workflow)}><Visible text={run.workflow} /></Link>
          </nav>
          <div className="title-line">
            <h1><Visible text={run.workflow} /> <code className="faint" title={run.id}>{shortId(run.id)}</code></h1>
            <Copy text={run.id} label="Copy the run’s id" />
            <Status status={run.status} badge />
          </div>
        </div>
        <div className="actions">{actions.buttons}</div>
      </header>
      <Facts view={view} />
      {error ? <Failed error={error} /> : null}
      <div className="run-layout">
        <section className="panel run-view" aria-label="Tasks">
          <div className="panel-head">
            <Segments label="Show as" value={shown} options={VIEWS} onChange={show} />
            <span className="grow" />
            <span className="faint">{plural(tasks.length, "task")}</span>
          </div>
          {shown === "timeline" ? (
            <Timeline view={view} selected={selectedName} onSelect={select} />
          ) : shown === "table" ? (
            <TaskTable tasks={tasks} selected={selectedName} onSelect={select} />
          ) : shown === "logs" ? (
            <Logs run={run.id} isActive={run.finished_at === null} tall />
          ) : (
            <Graph
              tasks={graphTasks} selected={selectedName} onSelect={select} label="Graph of the tasks"
              look={(name) => lookOfTask(byName.get(name))}
            />
          )}
        </section>
        {selected ? <TaskPanel key={selected.name} view={view} task={selected} onClose={() => select(null)} /> : <RunPanel view={view} onSelect={select} />}
      </div>
      {actions.dialog}
    </div>
  );
}

function lookOfTask(task: TaskItem | undefined): GraphTaskLook {
  const about = aboutTask(task);
  return task && isBackingOff(task) ? { status: "BACKING_OFF", word: <RetriesIn due={task.due_at} />, about } : { status: task?.status, about };
}

function aboutTask(task: TaskItem | undefined): ReactNode {
  if (!task) return null;
  const start = parseTime(task.started_at);
  const end = parseTime(task.finished_at);
  const parts: ReactNode[] = [];
  if (task.status === "RUNNING") parts.push(<Took key="took" start={task.started_at} end={null} />);
  else if (start !== null && end !== null && hasRun(task)) parts.push(formatDuration(end - start));
  const attempt = nameAttempt(task);
  if (attempt > 1) parts.push(`attempt ${attempt}`);
  if (task.children) parts.push(plural(task.children, "child run"));
  if (!parts.length) return null;
  return parts.map((part, place) => <span key={place}>{place > 0 && " · "}{part}</span>);
}

/** One sentence about what holds the run up, when nothing of it runs. */
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

const STARTED_BY: Record<string, { word: string; section: string }> = {
  PARENT: { word: "child of", section: "runs" },
  EVENT: { word: "event", section: "events" },
  CRON: { word: "cron", section: "schedules" },
  SCHEDULED: { word: "scheduled", section: "schedules" },
  REPLAY: { word: "again, from run", section: "runs" },
};

function Facts({ view }: { view: RunView }) {
  const { run, triggered_by: by } = view;
  const look = by && STARTED_BY[by.kind];
  const pairs = readPairs(run.metadata);
  return (
    <dl className="facts">
      <div><dt>triggered</dt><dd><Ago time={run.created_at} /></dd></div>
      <div><dt>{run.finished_at ? "took" : "for"}</dt><dd><Took start={run.created_at} end={run.finished_at} /></dd></div>
      {by && look && (
        <div>
          <dt>{look.word}</dt>
          <dd>
            <Link href={look.section === "schedules" ? href("schedules") : href(look.section, by.id, { task: by.task })}>
              {by.name ? <Visible text={by.name} /> : shortId(by.id)}{by.task && <> / <Visible text={by.task} /></>}
            </Link>
          </dd>
        </div>
      )}
      {run.priority > 1 && <div><dt>priority</dt><dd>{run.priority}</dd></div>}
      <div><dt>version</dt><dd><Link href={href("workflows", run.workflow, { version: String(run.version_id) })}>{run.version_id}</Link></dd></div>
      {pairs.length > 0 && (
        <div>
          <dt>metadata</dt>
          <dd className="chips wrap">
            {pairs.slice(0, 12).map(([key, value]) => <Chip key={key} name={key} value={value} onClick={() => navigate(href("runs", { q: `meta.${key}:${/[\s"]/.test(value) ? JSON.stringify(value) : value}` }))} />)}
          </dd>
        </div>
      )}
    </dl>
  );
}

function RunPanel({ view, onSelect }: { view: RunView; onSelect: (name: string) => void }) {
  const failed = view.tasks.filter((task) => task.status === "FAILED");
  return (
    <aside className="panel run-side" aria-label="The run">
      <div className="side-head">
        <h2>The run</h2>
        <p className="muted">{view.description ? <Visible text={view.description} /> : "Choose a task to see its output, error, attempts and logs."}</p>
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

/** What a completed run came to: the outputs of the tasks that nothing follows. */
function Outputs({ view }: { view: RunView }) {
  const sinks = useMemo(() => findLast(view.tasks), [view.tasks]);
  if (view.run.status !== "COMPLETED") return null;
  return (
    <>
      {sinks.slice(0, MOST_OUTPUTS).map((task) => <Output key={task.name} run={view.run.id} task={task} label={sinks.length === 1 ? "Output" : `Output of ${makeVisible(task.name)}`} />)}
      {sinks.length > MOST_OUTPUTS && <p className="faint">and outputs of {sinks.length - MOST_OUTPUTS} more tasks</p>}
    </>
  );
}

function Output({ run, task, label }: { run: string; task: TaskItem; label: string }) {
  const found = useTask(run, task.index);
  if (found.error) return <Failed error={found.error} />;
  if (!found.data) return null;
  return <Payload label={label} payload={found.data.output} none="none" download={found.data.output ? makeUrl("/api/v1/runs/{run_id}/tasks/{task}/{what}", { run_id: run, task: task.index, what: "output" }) : undefined} />;
}

function TaskTable({ tasks, selected, onSelect }: { tasks: TaskItem[]; selected: string | null; onSelect: (name: string | null) => void }) {
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

function sayAbout(task: TaskItem): string | null {
  if (task.error && task.status !== "COMPLETED") return `${task.error.type}: ${task.error.message}`;
  return task.reason ?? task.why;
}

function About({ text }: { text: string | null }) {
  return text ? <div className="ellipsis" title={makeVisible(text)}><Visible text={text} /></div> : null;
}

type Open = "cancel" | "replay" | "again" | null;

function useActions(view: RunView) {
  const { run } = view;
  const client = useQueryClient();
  const canWrite = useCanWrite();
  const [dialog, setDialog] = useState<Open>(null);
  const close = () => setDialog(null);
  const refresh = () => client.invalidateQueries({ queryKey: ["run", run.id] });
  const cancel = () => {
    close();
    post("/api/v1/runs/{run_id}/cancel", { path: { run_id: run.id }, body: {} }).then((answer) => notify(answer.done ? "The run is cancelled" : "The run had ended already"), notifyError).finally(refresh);
  };
  const replay = (fromStart: boolean) => {
    close();
    post("/api/v1/runs/{run_id}/replay", { path: { run_id: run.id }, body: { from_start: fromStart, tasks: [] } }).then(() => notify("The run goes on"), notifyError).finally(refresh);
  };
  const buttons = canWrite && (
    <>
      <button type="button" className="button" onClick={() => setDialog("again")}><Glyph name="edit" />Run again…</button>
      {run.finished_at !== null && (
        <Menu
          label="Replay" icon="replay"
          items={[
            { label: "What did not complete", hint: view.replayable ? "Completed outputs are kept" : "Everything completed", disabled: !view.replayable, onSelect: () => replay(false) },
            { label: "All tasks, from the start", hint: "In this run, with the same input", onSelect: () => replay(true) },
          ]}
        >
          Replay
        </Menu>
      )}
      {view.cancellable && <button type="button" className="button danger" onClick={() => setDialog("cancel")}><Glyph name="stop" />Cancel</button>}
    </>
  );
  const element =
    dialog === "cancel" ? (
      <Dialog
        title="Cancel this run?" onClose={close}
        foot={<><button type="button" className="button" onClick={close}>Keep it</button><button type="button" className="button danger" onClick={cancel} autoFocus>Cancel the run</button></>}
      >
        <p>Every task that has not ended becomes cancelled{view.children_total > 0 && `, and so do its ${plural(view.children_total, "child run")} that are active`}. Running code is told, and its results are discarded.</p>
        <TaskCounts tasks={view.tasks} />
      </Dialog>
    ) : dialog === "replay" ? (
      <Dialog
        title="Replay this run?" onClose={close}
        foot={<><button type="button" className="button" onClick={close}>Leave it</button><button type="button" className="button primary" onClick={() => replay(false)} autoFocus>Replay</button></>}
      >
        <p>Failed and cancelled tasks run again, and what depends on them. Outputs of completed tasks are kept.</p>
        <TaskCounts tasks={view.tasks} />
      </Dialog>
    ) : dialog === "again" ? (
      <RunAgain view={view} onClose={close} />
    ) : null;
  return { buttons, dialog: element, canWrite, open: setDialog };
}

function TaskCounts({ tasks }: { tasks: TaskItem[] }) {
  const counts = new Map<string, number>();
  for (const task of tasks) counts.set(task.status, (counts.get(task.status) ?? 0) + 1);
  return <div className="row-wrap">{[...counts].map(([status, count]) => <span key={status} className="status" data-tone={lookOf(status).tone}>{count} {lookOf(status).word.toLowerCase()}</span>)}</div>;
}

function RunAgain({ view, onClose }: { view: RunView; onClose: () => void }) {
  const workflow = useWorkflow(view.run.workflow, view.run.version_id);
  const [whole, setWhole] = useState<string | null>(view.input.truncated ? null : view.input.text);
  useMemo(() => {
    // Shown in part only: the whole is fetched as text, never parsed by the browser.
    if (view.input.truncated) void fetch(makeUrl("/api/v1/runs/{run_id}/input", { run_id: view.run.id })).then((answer) => answer.text()).then(setWhole, notifyError);
  }, [view.input.truncated, view.run.id]);
  if (workflow.isPending || whole === null) return null;
  return (
    <StartRun
      title={`Run ${view.run.workflow} again`} note="A new run with the same version and the input below. This run stays as it is." schema={schemaText(workflow.data?.input_schema)} initial={whole}
      metadata={view.run.metadata} priority={view.run.priority} onClose={onClose}
      onStart={async (order) => {
        const { id } = await post("/api/v1/runs/{run_id}/replay", { path: { run_id: view.run.id }, body: { input: order.input, metadata: order.metadata, priority: order.priority, from_start: false, tasks: [] } });
        onClose();
        notify("A new run has started");
        navigate(href("runs", id));
      }}
    />
  );
}

export function schemaText(schema: unknown): string | null {
  return schema === null || schema === undefined ? null : typeof schema === "string" ? schema : JSON.stringify(schema);
}
