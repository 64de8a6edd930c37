import { useState } from "react";
import { useWorkflows, useWorkflowStats } from "../api/queries";
import { plural } from "../lib/text";
import { formatDuration } from "../lib/time";
import { Command, Empty, Failed, Rate, Rows, Visible } from "../ui/basics";
import { Glyph } from "../ui/icons";
import { useCursor } from "../ui/list";
import { href, Link, navigate } from "../ui/router";
import { Ago } from "../ui/times";

export function WorkflowsPage() {
  const [search, setSearch] = useState("");
  const found = useWorkflows(search.trim());
  const rows = found.data?.pages.flatMap((page) => page.items);
  const cursor = useCursor(rows?.map((row) => row.name) ?? [], (name) => navigate(href("workflows", name)));
  const isEmpty = rows?.length === 0;
  return (
    <div className="page">
      <header className="page-head"><div className="titles"><h1>Workflows</h1></div></header>
      {(!isEmpty || search) && (
        <div className="search">
          <Glyph name="search" />
          <input className="input" data-search="" aria-label="Search workflows" placeholder="Search by name" value={search} onChange={(event) => setSearch(event.target.value)} onKeyDown={(event) => { if (event.key === "Escape") event.currentTarget.blur(); }} />
          <span className="after"><kbd>/</kbd></span>
        </div>
      )}
      {found.error && <Failed error={found.error} />}
      <section className="panel" aria-label="Workflows">
        {isEmpty ? (
          search ? <Empty icon="search" title="No workflow matches" /> : (
            <Empty icon="workflows" title="No workflows yet">
              <p>A workflow is a declared graph of tasks. It appears here when a worker that serves it starts, or when it first runs.</p>
              <Command>plait dev FILE.py</Command>
            </Empty>
          )
        ) : (
          <div className="table-wrap">
            <table aria-label="Workflows">
              <thead>
                <tr><th>Workflow</th><th className="right shrink">Tasks</th><th>Triggers</th><th className="right shrink">Median</th><th className="right shrink">p95</th><th className="right shrink">Failed</th><th className="right shrink">Served since</th></tr>
              </thead>
              <tbody>
                {!rows && <Rows columns={7} />}
                {rows?.map((row) => (
                  <tr key={row.name} data-id={row.name} className={cursor === row.name ? "link cursor" : "link"} onClick={(event) => { if (!(event.target as Element).closest("a, button")) navigate(href("workflows", row.name)); }}>
                    <td>
                      <Link className="main-cell" href={href("workflows", row.name)}><Visible text={row.name} /></Link>
                      {row.description && <div className="faint ellipsis" style={{ maxWidth: "60ch", fontSize: 12 }}><Visible text={row.description} /></div>}
                    </td>
                    <td className="right shrink num">{row.task_count}</td>
                    <td>
                      <div className="chips">
                        {row.on_events.map((key) => <span key={key} className="chip" title="event"><Glyph name="events" className="chip-icon" /><span><Visible text={key} /></span></span>)}
                        {row.crons.map((cron) => <span key={cron} className="chip" title="cron"><Glyph name="clock" className="chip-icon" /><span className="cron-text"><Visible text={cron} /></span></span>)}
                      </div>
                    </td>
                    <StatCells name={row.name} />
                    <td className="right shrink muted">{row.served_at ? <Ago time={row.served_at} /> : <span className="faint">not served</span>}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        )}
        {found.hasNextPage && <div className="more"><button type="button" className="button small" onClick={() => found.fetchNextPage()}>Load more</button></div>}
      </section>
    </div>
  );
}

function StatCells({ name }: { name: string }) {
  const stats = useWorkflowStats(name).data;
  const duration = (ms: number | null | undefined) => (ms === null || ms === undefined ? <span className="faint">–</span> : formatDuration(ms));
  return (
    <>
      <td className="right shrink num">{duration(stats?.p50_ms)}</td>
      <td className="right shrink num">{duration(stats?.p95_ms)}</td>
      <td className="right shrink num" title={stats ? `of the newest ${plural(stats.runs, "finished run")}` : undefined}><Rate rate={stats?.failure_rate} /></td>
    </>
  );
}
