import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { type FormEvent } from "react";
import { makeUrl, post } from "../api/client";
import { useCanWrite, useEvent, useEvents } from "../api/queries";
import { formatJson, tokenize } from "../lib/json";
import { RunTable } from "../parts/run-table";
import { Chip, Command, Empty, Failed, Rows, Visible } from "../ui/basics";
import { Dialog, notify } from "../ui/dialog";
import { Glyph } from "../ui/icons";
import { Payload, readPairs } from "../ui/json";
import { useCursor } from "../ui/list";
import { href, Link, navigate, setSearch, useParam } from "../ui/router";
import { Ago } from "../ui/times";

export function EventsPage({ id }: { id: string | undefined }) {
  const key = useParam("key") ?? "";
  const [text, setText] = useState(key);
  useEffect(() => setText(key), [key]);
  const [pushing, setPushing] = useState(false);
  const canWrite = useCanWrite();
  const found = useEvents(key);
  const rows = found.data?.pages.flatMap((page) => page.items);
  const open = (event: string) => navigate(href("events", event, { key }));
  const cursor = useCursor(rows?.map((row) => row.id) ?? [], open);
  const isEmpty = rows?.length === 0 && !found.hasNextPage;
  return (
    <div className="page">
      <header className="page-head">
        <div className="titles"><h1>Events</h1></div>
        <div className="actions">{canWrite && <button type="button" className="button" onClick={() => setPushing(true)}><Glyph name="plus" />Push an event</button>}</div>
      </header>
      {(!isEmpty || key) && (
        <form className="search" role="search" onSubmit={(event) => { event.preventDefault(); setSearch({ key: text.trim() }); }}>
          <Glyph name="search" />
          <input className="input mono" data-search="" aria-label="Search events by key" placeholder="user:created" spellCheck={false} value={text} onChange={(event) => setText(event.target.value)} onKeyDown={(event) => { if (event.key === "Escape") event.currentTarget.blur(); }} />
          <span className="after">{text ? <button type="button" className="button quiet icon small" aria-label="Clear the search" onClick={() => setSearch({ key: null })}><Glyph name="close" /></button> : <kbd>/</kbd>}</span>
        </form>
      )}
      {found.error && <Failed error={found.error} />}
      <div className={id ? "columns" : "stack"}>
        <section className="panel" aria-label="Events">
          {isEmpty ? (
            key ? <Empty icon="search" title="No event has this key" /> : (
              <Empty icon="events" title="No events yet">
                <p>An event starts the workflows whose <code>on_events</code> match its key, and wakes tasks that wait for it.</p>
                <Command>{`plait.event.push("user:created", {"id": 42})`}</Command>
              </Empty>
            )
          ) : (
            <div className="table-wrap">
              <table aria-label="Events">
                <thead><tr><th>Key</th><th>Payload</th><th className="shrink">Delivered</th><th className="right shrink">Pushed</th></tr></thead>
                <tbody>
                  {!rows && <Rows columns={4} />}
                  {rows?.map((event) => (
                    <tr key={event.id} data-id={event.id} className={["link", event.id === id && "selected", event.id === cursor && "cursor"].filter(Boolean).join(" ")} onClick={(click) => { if (!(click.target as Element).closest("a, button")) open(event.id); }}>
                      <td className="nowrap"><Link className="main-cell" href={href("events", event.id, { key })}><Visible text={event.key} /></Link>{event.scope && <span className="faint"> <Visible text={event.scope} /></span>}</td>
                      <td><div className="ellipsis faint mono" style={{ maxWidth: id ? "26ch" : "64ch" }}><Visible text={event.payload.text} /></div></td>
                      <td className="shrink">{event.delivered ? <span className="status" data-tone="completed"><Glyph name="check" />Yes</span> : <span className="status" data-tone="queued"><Glyph name="clock" />Not yet</span>}</td>
                      <td className="right shrink muted"><Ago time={event.created_at} /></td>
                    </tr>
                  ))}
                </tbody>
              </table>
            </div>
          )}
          {found.hasNextPage && <div className="more"><button type="button" className="button small" disabled={found.isFetchingNextPage} onClick={() => found.fetchNextPage()}>Load older</button></div>}
        </section>
        {id && <EventPanel key={id} id={id} />}
      </div>
      {pushing && <PushEvent onClose={() => setPushing(false)} />}
    </div>
  );
}

function EventPanel({ id }: { id: string }) {
  const found = useEvent(id);
  const key = useParam("key");
  const event = found.data;
  return (
    <aside className="panel run-side" aria-label="Event">
      <div className="side-head">
        <div className="row">
          <h2 className="grow ellipsis">{event ? <Visible text={event.key} /> : "Event"}</h2>
          <button type="button" className="button quiet icon small" aria-label="Close the event" onClick={() => navigate(href("events", { key }))}><Glyph name="close" /></button>
        </div>
      </div>
      <div className="side-body" tabIndex={0} role="group" aria-label="About the event">
        {found.error && <Failed error={found.error} />}
        {event && (
          <>
            <Payload label="Payload" payload={event.payload} download={makeUrl("/api/v1/events/{event_id}/payload", { event_id: id })} />
            <section className="stack" style={{ gap: 6 }}>
              <h3>{event.runs.items.length ? `Runs it started${event.runs.next !== null ? " (newest only)" : ""}` : "It started no run"}</h3>
              {event.runs.items.length > 0 && <div className="panel"><RunTable compact runs={event.runs.items} label="Runs it started" /></div>}
            </section>
            <dl className="grid-facts">
              <dt>pushed</dt><dd><Ago time={event.created_at} /></dd>
              {event.scope && <><dt>scope</dt><dd><Visible text={event.scope} /></dd></>}
              {event.priority !== null && <><dt>priority</dt><dd>{event.priority}</dd></>}
              <dt>event</dt><dd><code>{event.id}</code></dd>
              {readPairs(event.metadata).length > 0 && <><dt>metadata</dt><dd className="chips wrap">{readPairs(event.metadata).map(([name, value]) => <Chip key={name} name={name} value={value} />)}</dd></>}
            </dl>
          </>
        )}
      </div>
    </aside>
  );
}

function PushEvent({ onClose }: { onClose: () => void }) {
  const client = useQueryClient();
  const [payload, setPayload] = useState("{\n  \n}");
  const [error, setError] = useState<unknown>(null);
  let fault: string | null = null;
  try {
    if (tokenize(payload)[0]?.text !== "{") fault = "must be a JSON object";
  } catch (failure) {
    fault = failure instanceof Error ? failure.message : String(failure);
  }
  const submit = async (submitted: FormEvent<HTMLFormElement>) => {
    submitted.preventDefault();
    const form = new FormData(submitted.currentTarget);
    try {
      const event = await post("/api/v1/events", { body: { key: String(form.get("key")), scope: String(form.get("scope") ?? "").trim() || null, payload } });
      onClose();
      notify("The event is pushed");
      void client.invalidateQueries({ queryKey: ["events"] });
      navigate(href("events", event.id));
    } catch (failure) {
      setError(failure);
    }
  };
  return (
    <Dialog
      title="Push an event" onClose={onClose}
      foot={<><button type="button" className="button" onClick={onClose}>Close</button><button type="submit" form="push-event" className="button primary" disabled={fault !== null}>Push</button></>}
    >
      <form id="push-event" className="stack" onSubmit={submit}>
        <div className="field"><label htmlFor="event-key">Key <span className="required">required</span></label><input className="input mono" id="event-key" name="key" required maxLength={500} placeholder="user:created" autoFocus /></div>
        <div className="field">
          <label htmlFor="event-payload">Payload <span className="type">JSON object</span></label>
          <textarea className="textarea code" id="event-payload" rows={6} spellCheck={false} value={payload} aria-invalid={fault !== null} onChange={(event) => setPayload(event.target.value)} onBlur={() => { if (!fault) setPayload(formatJson(payload)); }} />
          {fault && <span className="problem">{fault}</span>}
        </div>
        <div className="field"><label htmlFor="event-scope">Scope</label><input className="input mono" id="event-scope" name="scope" maxLength={500} /></div>
        {error !== null && <Failed error={error} />}
      </form>
    </Dialog>
  );
}
