import { type ReactNode, useMemo } from "react";
import { ApiError } from "../../api/client";
import { type RunDetails, type TaskDetails, useRun } from "../../api/queries";
import { hasRun, isBackingOff, nameAttempt } from "../../lib/tasks";
import { plural, shortId } from "../../lib/text";
import { formatDuration, parseTime } from "../../lib/time";
import { Copy, Empty, Failed, Segments, Status, Visible } from "../../ui/basics";
import { Graph, type GraphTaskLook } from "../../ui/graph";
import type { IconName } from "../../ui/icons";
import { useKeys } from "../../ui/keys";
import { href, Link, setSearch, useParam } from "../../ui/router";
import { RetriesIn, Took } from "../../ui/times";
import { useActions } from "./actions";
import { Facts } from "./facts";
import { Logs } from "./logs";
import { RunPanel } from "./run-panel";
import { TaskPanel } from "./task-panel";
import { TaskTable } from "./task-table";
import { Timeline } from "./timeline";

type View = "graph" | "timeline" | "table" | "logs";

const VIEWS: { value: View; label: string; icon: IconName }[] = [
  { value: "graph", label: "Graph", icon: "graph" },
  { value: "timeline", label: "Timeline", icon: "gantt" },
  { value: "table", label: "Table", icon: "table" },
  { value: "logs", label: "Logs", icon: "logs" },
];

export default function RunPage({ id }: { id: string }) {
  const found = useRun(id);
  if (found.data) return <Loaded run={found.data} error={found.error} />;
  return (
    <div className="page" aria-busy={found.isPending}>
      {found.error instanceof ApiError && (found.error.status === 404 || found.error.status === 422) ? (
        <Empty icon="search" title="Run not found" isPage>
          <p><Visible text={found.error.message} /></p>
          <p><Link href={href("runs")}>All runs</Link></p>
        </Empty>
      ) : found.error ? (
        <Failed error={found.error} />
      ) : (
        <div className="skeleton" style={{ width: 280, height: 26 }} />
      )}
    </div>
  );
}

function Loaded({ run, error }: { run: RunDetails; error: unknown }) {
  const { tasks } = run;
  const selectedName = useParam("task");
  const shown = (useParam("view") ?? "graph") as View;
  const selected = tasks.find((task) => task.name === selectedName) ?? null;
  const select = (name: string | null) => setSearch({ task: name, tab: null });
  const show = (value: View) => setSearch({ view: value === "graph" ? null : value });
  const actions = useActions(run);
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
    ...(actions.canWrite ? { c: () => run.finished_at === null && actions.open("cancel"), r: () => run.finished_at !== null && actions.open("replay"), e: () => actions.open("again") } : {}),
  });
  const graphTasks = useMemo(
    () => tasks.map((task) => ({ name: task.name, kind: task.kind, parents: task.parents })),
    [tasks],
  );
  const byName = useMemo(() => new Map(tasks.map((task) => [task.name, task])), [tasks]);
  return (
    <div className="page page-wide">
      <header className="page-head">
        <div className="titles">
          <nav className="crumbs" aria-label="Breadcrumb">
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
      <Facts run={run} />
      {error ? <Failed error={error} /> : null}
      <div className="run-layout">
        <section className="panel run-view" aria-label="Tasks">
          <div className="panel-head">
            <Segments label="Show as" value={shown} options={VIEWS} onChange={show} />
            <span className="grow" />
            <span className="faint">{plural(tasks.length, "task")}</span>
          </div>
          {shown === "timeline" ? (
            <Timeline run={run} selected={selectedName} onSelect={select} />
          ) : shown === "table" ? (
            <TaskTable tasks={tasks} selected={selectedName} onSelect={select} />
          ) : shown === "logs" ? (
            <Logs runId={run.id} isActive={run.finished_at === null} tall />
          ) : (
            <Graph
              tasks={graphTasks} selected={selectedName} onSelect={select} label="Graph of the tasks"
              look={(name) => lookOfTask(byName.get(name))}
            />
          )}
        </section>
        {selected ? <TaskPanel key={selected.name} run={run} task={selected} onClose={() => select(null)} /> : <RunPanel run={run} onSelect={select} />}
      </div>
      {actions.dialog}
    </div>
  );
}

function lookOfTask(task: TaskDetails | undefined): GraphTaskLook {
  const about = aboutTask(task);
  return task && isBackingOff(task) ? { status: "BACKING_OFF", word: <RetriesIn due={task.due_at} />, about } : { status: task?.status, about };
}

function aboutTask(task: TaskDetails | undefined): ReactNode {
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
