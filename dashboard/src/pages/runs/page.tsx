import { useEffect, useMemo, useRef, useState } from "react";
import { makeRunQuery, useCanWrite, useRuns, useRunStats, useWorkflows } from "../../api/queries";
import { lookOf } from "../../lib/status";
import { formatCount, plural } from "../../lib/text";
import { parseSearch, RUN_STATUSES, setWords, toggleWord } from "../../lib/tokens";
import { RunTable } from "../../parts/run-table";
import { Command, Empty, Failed, Notice, Segments, Visible } from "../../ui/basics";
import { Glyph, StatusGlyph } from "../../ui/icons";
import { useKeys } from "../../ui/keys";
import { useCursor } from "../../ui/list";
import { href, Link, navigate, setSearch, useParam } from "../../ui/router";
import { useNow } from "../../ui/times";
import { BulkBar } from "./bulk";
import { Histogram } from "./histogram";

const SPANS = [
  { value: "1h", label: "1 h" },
  { value: "24h", label: "24 h" },
  { value: "7d", label: "7 d" },
  { value: "", label: "All" },
];

export function RunsPage() {
  const search = useParam("q") ?? "";
  // `since:1h` counts back from this time. It moves in steps, so that the query stays the same for a while.
  const now = Math.floor(useNow() / 30_000) * 30_000;
  const parsed = useMemo(() => parseSearch(search, now), [search, now]);
  const query = useMemo(() => makeRunQuery(parsed.filter), [parsed]);
  // A search with a mistake shows no runs: else "cancel all that match" could hit runs that it was meant to leave out.
  const isUnderstood = parsed.problems.length === 0;
  const runs = useRuns(query, undefined, isUnderstood);
  const stats = useRunStats(query);
  const { status: _, ...unfiltered } = query;
  const counts = useRunStats(unfiltered, 1);
  const canWrite = useCanWrite();
  const rows = useMemo(() => (isUnderstood ? runs.data?.pages.flatMap((page) => page.items) : []), [runs.data, isUnderstood]);
  const ids = useMemo(() => rows?.map((run) => run.id) ?? [], [rows]);
  const [selected, setSelected] = useState<ReadonlySet<string>>(new Set());
  const lastPicked = useRef<string | null>(null);
  useEffect(() => setSelected(new Set()), [search]);
  const setQuery = (next: string) => setSearch({ q: next }, { replace: false });

  const toggle = (id: string, range = false) => {
    const next = new Set(selected);
    const add = !next.has(id);
    const from = range && lastPicked.current ? ids.indexOf(lastPicked.current) : -1;
    const to = ids.indexOf(id);
    for (const one of from >= 0 ? ids.slice(Math.min(from, to), Math.max(from, to) + 1) : [id]) {
      if (add) next.add(one);
      else next.delete(one);
    }
    lastPicked.current = id;
    setSelected(next);
  };
  const isAll = ids.length > 0 && ids.every((id) => selected.has(id));
  const toggleAll = () => setSelected(isAll ? new Set() : new Set(ids));
  const cursor = useCursor(ids, (id) => navigate(href("runs", id)), canWrite ? { x: toggle } : {});
  useKeys({ X: () => canWrite && toggleAll(), ...(selected.size ? { Escape: () => setSelected(new Set()) } : {}) });

  const hasFilter = search.trim() !== "";
  const span = SPANS.find((one) => one.value && new RegExp(`(^|\\s)since:${one.value}(\\s|$)`).test(search))?.value ?? "";
  const isEmpty = !isUnderstood || (rows?.length === 0 && !runs.hasNextPage);
  return (
    <div className="page">
      <header className="page-head">
        <div className="titles"><h1>Runs</h1></div>
        <div className="actions">
          <Segments label="Triggered within" value={span} options={SPANS} onChange={(value) => setQuery(setWords(setWords(search, "until", []), "since", value ? [value] : []))} />
        </div>
      </header>
      <SearchField value={search} id={parsed.id} onChange={setQuery} />
      {parsed.problems.length > 0 && <Notice tone="queued">{parsed.problems.join(". ")}.</Notice>}
      <div className="counts" role="group" aria-label="Runs by status">
        {RUN_STATUSES.map((status) => {
          const { tone, word } = lookOf(status);
          const isOn = parsed.filter.statuses.includes(status);
          const count = counts.data?.counts[status.toLowerCase() as "queued"] ?? 0;
          return (
            <button key={status} type="button" className="count-pill" data-tone={tone} aria-pressed={isOn} onClick={() => setQuery(toggleWord(search, "status", status.toLowerCase()))}>
              <StatusGlyph tone={tone} />
              {word} <b>{counts.data ? formatCount(count) : "–"}</b>
            </button>
          );
        })}
        {counts.data?.capped && <span className="faint row" title="Older runs are not counted">newest runs only</span>}
      </div>
      {runs.error && <Failed error={runs.error} />}
      <section className="panel" aria-label="Runs">
        {stats.data && stats.data.bars.length > 0 && !isEmpty && (
          <Histogram
            stats={stats.data}
            onSpan={(since, until) => setQuery(setWords(setWords(search, "since", [iso(since)]), "until", [iso(until)]))}
          />
        )}
        {isEmpty ? (
          <NoRuns hasFilter={hasFilter} isUnderstood={isUnderstood} onClear={() => setQuery("")} />
        ) : (
          <RunTable
            runs={rows} label="Runs" cursor={cursor}
            selection={canWrite ? { ids: selected, toggle, all: isAll, toggleAll } : undefined}
            onMeta={(key, value) => setQuery(toggleWord(search, `meta.${key}`, value))}
          />
        )}
        {rows && !isEmpty && (
          <div className="more">
            {runs.hasNextPage ? (
              <button type="button" className="button small" disabled={runs.isFetchingNextPage} onClick={() => runs.fetchNextPage()}>
                {runs.isFetchingNextPage ? "Loading…" : runs.data?.pages.at(-1)?.cut ? "Search older runs" : "Load older"}
              </button>
            ) : (
              <span>{plural(rows.length, "run")} in all{hasFilter && " match"}</span>
            )}
          </div>
        )}
      </section>
      {isUnderstood && selected.size > 0 && (
        <BulkBar key={search} ids={[...selected]} query={query} hasFilter={hasFilter} canAll={isAll && runs.hasNextPage} onDone={() => setSelected(new Set())} />
      )}
    </div>
  );
}

function iso(time: number): string {
  return new Date(time).toISOString().replace(".000Z", "Z");
}

function SearchField({ value, id, onChange }: { value: string; id: string | null; onChange: (value: string) => void }) {
  const [text, setText] = useState(value);
  const [focused, setFocused] = useState(false);
  useEffect(() => setText(value), [value]);
  const add = (word: string) => {
    setText(text ? `${text.trimEnd()} ${word}` : word);
    document.querySelector<HTMLInputElement>("[data-search]")?.focus();
  };
  return (
    <form
      role="search" className="search-form"
      onFocus={() => setFocused(true)}
      onBlur={(event) => { if (!event.currentTarget.contains(event.relatedTarget)) setFocused(false); }}
      onSubmit={(event) => {
        event.preventDefault();
        if (document.activeElement instanceof HTMLElement) document.activeElement.blur();
        const only = parseSearch(text, Date.now());
        if (only.id && text.trim() === only.id) navigate(href("runs", only.id));
        else onChange(text.trim());
      }}
    >
      <div className="search">
        <Glyph name="search" />
        <input
          className="input mono" data-search="" aria-label="Search runs" placeholder="status:failed workflow:etl meta.user:42" autoComplete="off" spellCheck={false}
          value={text} onChange={(event) => setText(event.target.value)}
          onKeyDown={(event) => { if (event.key === "Escape") { setText(value); event.currentTarget.blur(); } }}
        />
        <span className="after">
          {text ? (
            <button type="button" className="button quiet icon small" aria-label="Clear the search" onClick={() => { setText(""); onChange(""); }}><Glyph name="close" /></button>
          ) : (
            <kbd>/</kbd>
          )}
        </span>
      </div>
      {focused && (
        <div className="search-hints">
          <span>Add</span>
          {["status:failed", "workflow:", "meta.", "since:24h", "until:"].map((word) => (
            <button key={word} type="button" className="chip mono" onClick={() => add(word)}><span>{word}</span></button>
          ))}
          <span>or paste a run’s id. <kbd>Enter</kbd> searches.</span>
        </div>
      )}
      {id && value.trim() !== id && <Link href={href("runs", id)}>Open run {id}</Link>}
    </form>
  );
}

function NoRuns({ hasFilter, isUnderstood, onClear }: { hasFilter: boolean; isUnderstood: boolean; onClear: () => void }) {
  if (hasFilter)
    return (
      <Empty icon="search" title={isUnderstood ? "No run matches" : "The search cannot be read"}>
        <p>With several values of one key, any of them may match. With several keys, all must match.</p>
        <button type="button" className="button" onClick={onClear}>Show all runs</button>
      </Empty>
    );
  return <NoRunYet />;
}

/** What to do first: start a run of a known workflow, or a worker. */
function NoRunYet() {
  const canWrite = useCanWrite();
  const found = useWorkflows();
  const known = found.data?.pages[0]?.items;
  const name = (known?.find((one) => one.served_at !== null) ?? known?.[0])?.name;
  if (found.isPending) return <Empty icon="runs" title="No runs yet" />;
  if (name === undefined)
    return (
      <Empty icon="runs" title="No runs yet">
        <p>A run is one execution of a workflow, and there is no workflow yet. Start a worker where your code is:</p>
        <Command>plait dev FILE.py</Command>
        <p>then start a run here, from a program, or from a terminal:</p>
        <Command>plait run FILE.py:NAME</Command>
      </Empty>
    );
  return (
    <Empty icon="runs" title="No runs yet">
      <p>A run is one execution of a workflow, such as <Link className="text-link" href={href("workflows", name)}><Visible text={name} /></Link>. It appears here at once, and its tasks run as soon as a worker serves them.</p>
      {canWrite && <Link className="button primary" href={href("workflows", name, { start: "1" })}><Glyph name="play" />Start a run</Link>}
      <p>Or choose another <Link href={href("workflows")}>workflow</Link>, or start a run from a program.</p>
    </Empty>
  );
}
