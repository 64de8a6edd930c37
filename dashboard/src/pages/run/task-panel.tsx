/** Everything about one task of a run. */
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { makeUrl, post } from "../../api/client";
import { type AttemptDetails, type RunDetails, type TaskDetails, useCanWrite, useChildren, useTask } from "../../api/queries";
import { lookOf, TERMINAL_TASK } from "../../lib/status";
import { countRuns, hasRun } from "../../lib/tasks";
import { formatBytes, plural } from "../../lib/text";
import { formatDuration, parseTime } from "../../lib/time";
import { RunTable } from "../../parts/run-table";
import { Copy, Failed, IdText, Notice, Status, Tabs, TaskStatus, Visible } from "../../ui/basics";
import { notify, notifyError } from "../../ui/dialog";
import { Glyph } from "../../ui/icons";
import { Payload } from "../../ui/json";
import { href, Link, setSearch, useParam } from "../../ui/router";
import { Ago, Took } from "../../ui/times";
import { Logs } from "./logs";

type Tab = "task" | "attempts" | "logs" | "children";

export function TaskPanel({ run, task, onClose }: { run: RunDetails; task: TaskDetails; onClose: () => void }) {
  const id = run.id;
  const full = useTask(id, task.index);
  const client = useQueryClient();
  const canWrite = useCanWrite();
  const wanted = (useParam("tab") ?? "task") as Tab;
  const isTerminal = TERMINAL_TASK.has(task.status);
  const tabs: { value: Tab; label: string; count?: number }[] = [
    { value: "task", label: "Task" },
    { value: "attempts", label: "Attempts", count: countRuns(task) },
    { value: "logs", label: "Logs" },
    ...(task.children ? [{ value: "children" as const, label: "Child runs", count: task.children }] : []),
  ];
  const tab = tabs.some((one) => one.value === wanted) ? wanted : "task";
  const details = full.data;
  const parents = run.tasks.filter((one) => task.parents.includes(one.name));
  const act = (promise: Promise<unknown>, said: string) => {
    promise.then(() => notify(said), notifyError).finally(() => client.invalidateQueries({ queryKey: ["run", id] }));
  };
  return (
    <aside className="panel run-side" aria-label={`Task ${task.name}`}>
      <div className="side-head">
        <div className="row">
          <h2 className="ellipsis grow" title={task.name}><Visible text={task.name} /></h2>
          <TaskStatus task={task} badge />
          <button type="button" className="button quiet icon small" aria-label="Close the task" onClick={onClose}><Glyph name="close" /></button>
        </div>
        <dl className="facts">
          {hasRun(task) && <div><dt>duration</dt><dd><Took start={task.started_at} end={task.finished_at} open={task.status === "RUNNING"} /></dd></div>}
          {countRuns(task) > 1 && <div><dt>attempts</dt><dd>{countRuns(task)} of {task.max_attempts}</dd></div>}
          {task.kind !== "task" && <div><dt>hook</dt><dd><code>{task.kind}</code></dd></div>}
        </dl>
        {canWrite && (
          <div className="row-wrap">
            {isTerminal && run.finished_at !== null && (
              <button type="button" className="button small" onClick={() => act(post("/api/v1/runs/{run_id}/replay", { path: { run_id: id }, body: { tasks: [task.name], from_start: false } }), "The task and all that depend on it run again")}>
                <Glyph name="replay" />Replay from here
              </button>
            )}
            {!isTerminal && (
              <button type="button" className="button small danger" onClick={() => act(post("/api/v1/runs/{run_id}/tasks/{index}/cancel", { path: { run_id: id, index: task.index } }), "The task is cancelled")}>
                <Glyph name="stop" />Cancel the task
              </button>
            )}
          </div>
        )}
      </div>
      <Tabs label="About the task" value={tab} tabs={tabs} onChange={(value) => setSearch({ tab: value === "task" ? null : value })} className="side-body">
        {full.error && <Failed error={full.error} />}
        {tab === "task" && (
          <>
            {task.why && <Notice tone={task.status === "QUEUED" ? "queued" : "neutral"}><Visible text={task.why} /></Notice>}
            {task.reason && <Notice tone={lookOf(task.status).tone}>{lookOf(task.status).word}: <Visible text={task.reason} /></Notice>}
            {(details?.error ?? task.error) && <ErrorBox error={(details?.error ?? task.error) as NonNullable<TaskDetails["error"]>} />}
            {details && (
              <Payload
                label="Output" payload={details.output} none={isTerminal ? "none" : "none yet"}
                download={details.output ? makeUrl("/api/v1/runs/{run_id}/tasks/{index}/{what}", { run_id: id, index: task.index, what: "output" }) : undefined}
              />
            )}
            {parents.length > 0 && (
              <section className="stack" style={{ gap: 6 }}>
                <h3>Input: the run’s, and its parents’ outputs</h3>
                {parents.slice(0, 20).map((parent) => <ParentOutput key={parent.name} runId={id} parent={parent} />)}
                {parents.length > 20 && <p className="faint">and {parents.length - 20} more</p>}
              </section>
            )}
            {parents.length === 0 && <Payload label="Input" payload={run.input} download={makeUrl("/api/v1/runs/{run_id}/input", { run_id: id })} />}
            {details && (details.wait_for || details.skip_if || details.cancel_if) && (
              <dl className="grid-facts">
                {details.wait_for && <><dt>waits for</dt><dd><Visible text={details.wait_for} /></dd></>}
                {details.skip_if && <><dt>skipped if</dt><dd><Visible text={details.skip_if} /></dd></>}
                {details.cancel_if && <><dt>cancelled if</dt><dd><Visible text={details.cancel_if} /></dd></>}
              </dl>
            )}
            <dl className="grid-facts">
              {task.queued_at && <><dt>queued</dt><dd><Ago time={task.queued_at} /></dd></>}
              {hasRun(task) && <><dt>started</dt><dd><Ago time={task.started_at} /></dd></>}
              {task.finished_at && <><dt>ended</dt><dd><Ago time={task.finished_at} /></dd></>}
              {task.due_at && !isTerminal && <><dt>due</dt><dd><Ago time={task.due_at} /></dd></>}
              {task.worker_id && <><dt>worker</dt><dd><Link href={href("workers", task.worker_id)}><IdText id={task.worker_id} /></Link></dd></>}
              <dt>task run</dt><dd className="row"><code className="ellipsis">{`${id}:${task.index}`}</code><Copy text={`${id}:${task.index}`} label="Copy the task run’s id" /></dd>
            </dl>
          </>
        )}
        {tab === "attempts" && <Attempts task={details ?? task} />}
        {tab === "logs" && <Logs runId={id} task={task.name} isActive={!isTerminal} />}
        {tab === "children" && <Children runId={id} task={task.name} />}
      </Tabs>
    </aside>
  );
}

/** Loaded when it is opened: outputs can be large. */
function ParentOutput({ runId, parent }: { runId: string; parent: TaskDetails }) {
  const [open, setOpen] = useState(false);
  const found = useTask(runId, open ? parent.index : null);
  return (
    <details onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary><Visible text={parent.name} /> <span className="faint">{parent.output === null ? lookOf(parent.status).word.toLowerCase() : formatBytes(parent.output.size)}</span></summary>
      {open && (
        <div className="stack" style={{ gap: 6, paddingTop: 6 }}>
          {found.error && <Failed error={found.error} />}
          {found.data && <Payload label="Output" payload={found.data.output} none="none" />}
          <div><button type="button" className="button quiet small" onClick={() => setSearch({ task: parent.name, tab: null })}>Go to {parent.name}</button></div>
        </div>
      )}
    </details>
  );
}

function ErrorBox({ error }: { error: NonNullable<TaskDetails["error"]> }) {
  return (
    <section className="error-box" aria-label="Error">
      <div className="what">
        <Glyph name="warning" />
        <div className="grow"><b><Visible text={error.type} /></b>{error.message && <>: <Visible text={error.message} /></>}</div>
        {error.trace && <Copy text={error.trace} label="Copy the traceback" />}
      </div>
      {error.trace && (
        <pre className="text code" tabIndex={0} role="group" aria-label="Traceback">
          {error.trace.trimEnd().split("\n").map((line, place) => (
            <span key={place} className={/^ {2}File /.test(line) ? "tb-frame" : undefined}><Visible text={line} />{"\n"}</span>
          ))}
        </pre>
      )}
    </section>
  );
}

function Attempts({ task }: { task: TaskDetails }) {
  const attempts = task.attempts.filter(hasRun).reverse();
  return (
    <>
      {task.status === "RUNNING" && (
        <article className="attempt">
          <header><Status status="RUNNING" /><span className="after"><Took start={task.started_at} end={null} /></span></header>
        </article>
      )}
      {attempts.length === 0 && task.status !== "RUNNING" && <p className="muted">There is no attempt{TERMINAL_TASK.has(task.status) ? "" : " yet"}. An attempt is one execution of the task by a worker.</p>}
      {attempts.map((attempt) => <AttemptBox key={attempt.attempt} attempt={attempt} />)}
      {attempts.length < countRuns(task) && <p className="faint">{plural(countRuns(task) - attempts.length, "older attempt")} not shown</p>}
    </>
  );
}

function AttemptBox({ attempt }: { attempt: AttemptDetails }) {
  const queued = parseTime(attempt.queued_at);
  const started = parseTime(attempt.started_at);
  const end = parseTime(attempt.finished_at) ?? 0;
  const waited = queued !== null && started !== null ? Math.max(0, started - queued) : 0;
  const ran = started !== null ? Math.max(0, end - started) : 0;
  const total = waited + ran || 1;
  return (
    <article className={attempt.superseded ? "attempt superseded" : "attempt"} aria-label={`Attempt ${attempt.attempt}`}>
      <header>
        <b className="num">#{attempt.attempt}</b>
        <Status status={attempt.outcome} />
        <span className="after"><Ago time={attempt.finished_at} /></span>
      </header>
      {attempt.superseded && <span className="faint">Replaced by a replay</span>}
      {started !== null && (
        <>
          <div className="timing" aria-hidden="true">
            <i data-tone="queued" style={{ width: `${(waited / total) * 100}%` }} />
            <i data-tone={lookOf(attempt.outcome).tone} style={{ width: `${(ran / total) * 100}%` }} />
          </div>
          <dl className="facts">
            {queued !== null && <div><dt>queued for</dt><dd className="num">{formatDuration(waited)}</dd></div>}
            <div><dt>ran for</dt><dd className="num">{formatDuration(ran)}</dd></div>
            {attempt.worker_id && <div><dt>worker</dt><dd><Link href={href("workers", attempt.worker_id)}><IdText id={attempt.worker_id} /></Link></dd></div>}
          </dl>
        </>
      )}
      {attempt.reason && <div className="muted"><Visible text={attempt.reason} /></div>}
      {attempt.error && <ErrorBox error={attempt.error} />}
    </article>
  );
}

export function Children({ runId, task }: { runId: string; task?: string }) {
  const found = useChildren(runId);
  const rows = found.data?.pages.flatMap((page) => page.items).filter((child) => task === undefined || child.task === task);
  return (
    <div className="panel">
      {found.error && <Failed error={found.error} />}
      <RunTable compact runs={rows?.map((child) => child.run)} label="Child runs" />
      {found.hasNextPage && <div className="more"><button type="button" className="button small" onClick={() => found.fetchNextPage()}>Load more</button></div>}
    </div>
  );
}
