import { useMemo, useState } from "react";
import { ApiError, post, type Schemas } from "../api/client";
import { useCanWrite, useCrons, useDiff, useRuns, useVersions, useWorkflow, useWorkflowStats, type WorkflowDetails } from "../api/queries";
import { plural } from "../lib/text";
import { formatDuration, formatSeconds } from "../lib/time";
import { RunTable } from "../parts/run-table";
import { StartRun } from "../parts/start-run";
import { Empty, Failed, Notice, Rate, Tabs, Visible } from "../ui/basics";
import { notify } from "../ui/dialog";
import { Graph } from "../ui/graph";
import { Glyph } from "../ui/icons";
import { JsonText } from "../ui/json";
import { useKeys } from "../ui/keys";
import { href, Link, navigate, setSearch, useParam } from "../ui/router";
import { Ago } from "../ui/times";

type Tab = "graph" | "runs" | "schema" | "versions";

export default function WorkflowPage({ name }: { name: string }) {
  const version = Number(useParam("version")) || null;
  const workflow = useWorkflow(name, version);
  if (workflow.data) return <Loaded view={workflow.data} version={version} />;
  return (
    <div className="page">
      {workflow.error instanceof ApiError && workflow.error.status === 404 ? (
        <Empty icon="search" title="Workflow not found" isPage><p><Visible text={workflow.error.message} /></p><p><Link href={href("workflows")}>All workflows</Link></p></Empty>
      ) : workflow.error ? <Failed error={workflow.error} /> : <div className="skeleton" style={{ width: 280, height: 26 }} />}
    </div>
  );
}

function Loaded({ view, version }: { view: WorkflowDetails; version: number | null }) {
  const canWrite = useCanWrite();
  const starting = useParam("start") !== null;
  const tab = (useParam("tab") ?? "graph") as Tab;
  const selected = useParam("task");
  const stats = useWorkflowStats(view.name);
  const versions = useVersions(view.name);
  useKeys(canWrite ? { n: () => setSearch({ start: "1" }) } : {});
  const isOld = version !== null && view.served_at === null;
  const tasks = useMemo(
    () => view.tasks.map((task) => ({ name: task.name, kind: task.kind, parents: task.parents })),
    [view.tasks],
  );
  const task = view.tasks.find((one) => one.name === selected) ?? null;
  const byName = new Map(view.tasks.map((one) => [one.name, one]));
  const taskStats = new Map(stats.data?.tasks.map((one) => [one.task, one]));
  return (
    <div className="page page-wide">
      <header className="page-head">
        <div className="titles">
          <nav className="crumbs" aria-label="Breadcrumb"><Link href={href("workflows")}>Workflows</Link></nav>
          <div className="title-line"><h1><Visible text={view.name} /></h1></div>
          {view.description && <p className="muted"><Visible text={view.description} /></p>}
        </div>
        <div className="actions">
          {canWrite && <button type="button" className="button primary" onClick={() => setSearch({ start: "1" })}><Glyph name="play" />Start a run</button>}
        </div>
      </header>
      {view.workers === 0 && (
        <Notice tone="queued">No live worker serves this workflow: its runs stay queued until one starts, for example by <code>plait dev TARGET</code>.</Notice>
      )}
      {isOld && <Notice>This is version {view.version_id}, not the one that is served. <Link href={href("workflows", view.name)}>Show the served version</Link></Notice>}
      <dl className="cards">
        <Stat label="Finished runs measured" value={stats.data ? String(stats.data.runs) : "–"} />
        <Stat label="Median" value={stats.data?.p50_ms != null ? formatDuration(stats.data.p50_ms) : "–"} />
        <Stat label="p95" value={stats.data?.p95_ms != null ? formatDuration(stats.data.p95_ms) : "–"} />
        <Stat label="Failed" value={<Rate rate={stats.data?.failure_rate} />} />
        <Stat label="Workers that serve it" value={String(view.workers)} />
      </dl>
      <div className="columns" style={{ flex: 1, alignItems: "stretch" }}>
        <section className="panel run-view">
          <Tabs
            label="About the workflow" value={tab} onChange={(value) => setSearch({ tab: value === "graph" ? null : value })} className="run-view grow"
            tabs={[{ value: "graph", label: "Graph" }, { value: "runs", label: "Recent runs" }, { value: "schema", label: "Input schema" }, { value: "versions", label: "Versions", count: versions.data?.items.length }]}
          >
            {tab === "graph" && (
              <Graph
                tasks={tasks} selected={selected} onSelect={(name) => setSearch({ task: name })} label="Graph of the tasks"
                look={(name) => {
                  const one = byName.get(name);
                  const p50 = taskStats.get(name)?.p50_ms;
                  return {
                    about: [
                      one?.kind === "on_failure" ? "on failure" : one?.kind === "on_success" ? "on success" : null,
                      p50 != null ? `median ${formatDuration(p50)}` : null,
                      one?.retries ? plural(one.retries, "retry", "retries") : null,
                      one?.wait_for ? "waits" : null,
                    ].filter(Boolean).join(" · ") || "no runs yet",
                  };
                }}
              />
            )}
            {tab === "runs" && <RecentRuns name={view.name} />}
            {tab === "schema" && <div className="panel-body">{view.input_schema ? <JsonText text={view.input_schema} /> : <p className="muted">The workflow takes any JSON object.</p>}</div>}
            {tab === "versions" && <Versions name={view.name} shown={view.version_id} />}
          </Tabs>
        </section>
        {task ? <TaskOptions task={task} stats={taskStats.get(task.name)} /> : <About view={view} />}
      </div>
      {starting && canWrite && (
        <StartRun
          title={`Start a run of ${view.name}`} schema={view.input_schema} initial={null} priority={view.default_priority} onClose={() => setSearch({ start: null })}
          onStart={async (request) => {
            const { id } = await post("/api/v1/runs", { body: { workflow: view.name, input: request.input, metadata: request.metadata, priority: request.priority as 1 } });
            notify("The run has started");
            navigate(href("runs", id));
          }}
        />
      )}
    </div>
  );
}

function Stat({ label, value }: { label: string; value: React.ReactNode }) {
  return <div className="panel stat"><dt>{label}</dt><dd>{value}</dd></div>;
}

function About({ view }: { view: WorkflowDetails }) {
  const crons = useCrons(view.name).data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <aside className="panel run-side" aria-label="About">
      <div className="side-head"><h2>About</h2></div>
      <div className="side-body" tabIndex={0} role="group" aria-label="Facts">
        <dl className="grid-facts">
          <dt>version</dt><dd>{view.version_id} <code className="faint">{view.digest.slice(0, 12)}</code></dd>
          <dt>declared</dt><dd><Ago time={view.created_at} /></dd>
          <dt>served since</dt><dd>{view.served_at ? <Ago time={view.served_at} /> : "not served"}</dd>
          <dt>priority</dt><dd>{view.default_priority}</dd>
          <dt>tasks</dt><dd>{view.tasks.length}</dd>
          {view.on_events.length > 0 && <><dt>events</dt><dd className="chips wrap">{view.on_events.map((key) => <Link key={key} className="chip" href={href("events", { key })}><span><Visible text={key} /></span></Link>)}</dd></>}
          {crons.length > 0 && <><dt>crons</dt><dd>{crons.map((cron) => <div key={cron.id}><Link href={href("schedules")}><Visible text={cron.name} /></Link> <code className="faint"><Visible text={cron.expression} /></code>{cron.paused && " (paused)"}</div>)}</dd></>}
        </dl>
        <p className="muted">Select a task to see its options. In a terminal:</p>
        <code className="muted" style={{ overflowWrap: "anywhere" }}>plait runs list --workflow {view.name}</code>
      </div>
    </aside>
  );
}

function TaskOptions({ task, stats }: { task: WorkflowDetails["tasks"][number]; stats?: Schemas["TaskStats"] }) {
  return (
    <aside className="panel run-side" aria-label={`Task ${task.name}`}>
      <div className="side-head">
        <div className="row">
          <h2 className="grow ellipsis"><Visible text={task.name} /></h2>
          <button type="button" className="button quiet icon small" aria-label="Close the task" onClick={() => setSearch({ task: null })}><Glyph name="close" /></button>
        </div>
      </div>
      <div className="side-body" tabIndex={0} role="group" aria-label="Options">
        <dl className="grid-facts">
          {task.kind !== "task" && <><dt>hook</dt><dd><code>{task.kind}</code></dd></>}
          {task.parents.length > 0 && <><dt>parents</dt><dd className="chips wrap">{task.parents.map((parent) => <button key={parent} type="button" className="chip" onClick={() => setSearch({ task: parent })}><span><Visible text={parent} /></span></button>)}</dd></>}
          <dt>retries</dt><dd>{task.retries || "none"}</dd>
          {task.retries > 0 && <><dt>backoff</dt><dd>{describeBackoff(task)}</dd></>}
          <dt>execution timeout</dt><dd>{formatSeconds(task.execution_timeout)}</dd>
          <dt>schedule timeout</dt><dd>{task.schedule_timeout === null ? "none" : formatSeconds(task.schedule_timeout)}</dd>
          {task.wait_for && <><dt>waits for</dt><dd><Visible text={task.wait_for} /></dd></>}
          {task.skip_if && <><dt>skipped if</dt><dd><Visible text={task.skip_if} /></dd></>}
          {task.cancel_if && <><dt>cancelled if</dt><dd><Visible text={task.cancel_if} /></dd></>}
        </dl>
        {stats && (
          <dl className="grid-facts">
            <dt>median</dt><dd>{stats.p50_ms === null ? "–" : formatDuration(stats.p50_ms)}</dd>
            <dt>p95</dt><dd>{stats.p95_ms === null ? "–" : formatDuration(stats.p95_ms)}</dd>
            <dt>failed</dt><dd>{stats.failed} of {stats.attempts}</dd>
          </dl>
        )}
      </div>
    </aside>
  );
}

function describeBackoff(task: WorkflowDetails["tasks"][number]): string {
  if (task.backoff_factor === null) return "none, it is retried at once";
  const most = task.backoff_max_seconds === null ? "" : `, at most ${formatSeconds(task.backoff_max_seconds)}`;
  return `${task.backoff_factor}ᵏ s before retry k${most}${task.backoff_jitter ? ", with jitter" : ""}`;
}

function RecentRuns({ name }: { name: string }) {
  const runs = useRuns({ workflow: [name] }, 20);
  const rows = runs.data?.pages.flatMap((page) => page.items);
  if (rows?.length === 0 && !runs.hasNextPage) return <Empty icon="runs" title="No runs yet"><p>Start a run with the button above.</p></Empty>;
  return (
    <>
      {runs.error && <Failed error={runs.error} />}
      <RunTable runs={rows} label="Recent runs" showWorkflow={false} />
      <div className="more"><Link href={href("runs", { q: `workflow:${/^[\w.-]+$/.test(name) ? name : JSON.stringify(name)}` })}>All runs of this workflow</Link></div>
    </>
  );
}

function Versions({ name, shown }: { name: string; shown: number }) {
  const found = useVersions(name);
  const list = found.data?.items ?? [];
  const [chosen, setChosen] = useState<number | null>(null);
  const after = chosen ?? list[0]?.id ?? null;
  const place = list.findIndex((one) => one.id === after);
  const before = list[place + 1]?.id ?? null;
  const diff = useDiff(name, before, after);
  return (
    <div className="stack">
      {found.error && <Failed error={found.error} />}
      <div className="table-wrap">
        <table aria-label="Versions">
          <thead><tr><th className="shrink">Version</th><th>Digest</th><th className="right shrink">Tasks</th><th className="right shrink">Declared</th><th className="shrink"><span className="sr-only">Compare</span></th></tr></thead>
          <tbody>
            {list.map((one) => (
              <tr key={one.id} className={one.id === after ? "selected" : undefined}>
                <td className="shrink"><Link href={href("workflows", name, { version: String(one.id) })}>{one.id}</Link>{one.served_at && <span className="chip" style={{ marginLeft: 8 }}><span>served</span></span>}{one.id === shown && <span className="faint"> shown</span>}</td>
                <td><code className="faint">{one.digest.slice(0, 16)}</code></td>
                <td className="right shrink num">{one.task_count}</td>
                <td className="right shrink muted"><Ago time={one.created_at} /></td>
                <td className="shrink"><button type="button" className="button small" aria-pressed={one.id === after} onClick={() => setChosen(one.id)}>What changed</button></td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <div className="panel-body stack">
        {before === null ? (
          <p className="muted">{after === null ? "" : `Version ${after} is the first.`}</p>
        ) : (
          <>
            <h3>From version {before} to {after}</h3>
            {diff.error && <Failed error={diff.error} />}
            {diff.data && diff.data.changes.length + diff.data.tasks.length === 0 && <p className="muted">Nothing in the declaration.</p>}
            <ul className="diff">
              {diff.data?.changes.map((change) => <Change key={change.field} label={change.field} change={change} />)}
              {diff.data?.tasks.map((task) => (
                <li key={task.task} className={task.what}>
                  {task.what === "added" ? "+" : task.what === "removed" ? "−" : "~"} task <Visible text={task.task} /> {task.what}
                  {task.changes.length > 0 && <ul>{task.changes.map((change) => <Change key={change.field} label={change.field} change={change} />)}</ul>}
                </li>
              ))}
            </ul>
          </>
        )}
      </div>
    </div>
  );
}

function Change({ label, change }: { label: string; change: { before: string | null; after: string | null } }) {
  return <li className="changed">{label}: <del><Visible text={change.before ?? "none"} /></del> → <ins><Visible text={change.after ?? "none"} /></ins></li>;
}
