/** Starting a run: a form made from the workflow's input schema, or JSON. Also for running one again. */
import { type FormEvent, useMemo, useState } from "react";
import { ApiError } from "../api/client";
import { formatJson, type Json, JsonError, parseJson, writeJson } from "../lib/json";
import { findProblems, makeInitial, readSchema } from "../lib/schema";
import { Failed, Segments, Visible } from "../ui/basics";
import { Dialog } from "../ui/dialog";
import { Glyph } from "../ui/icons";
import { SchemaForm } from "../ui/schema-form";

export interface StartRequest {
  input: string;
  metadata: string | null;
  priority: number | null;
}

export function StartRun(props: {
  title: string;
  note?: string;
  schema: string | null;
  /** JSON text to begin with; else the defaults of the schema. */
  initial: string | null;
  metadata?: string | null;
  priority: number;
  onStart: (request: StartRequest) => Promise<void>;
  onClose: () => void;
}) {
  const field = useMemo(() => {
    try {
      return props.schema === null ? null : readSchema(props.schema);
    } catch {
      return null;
    }
  }, [props.schema]);
  const [value, setValue] = useState<Json | undefined>(() => (props.initial === null ? (field && makeInitial(field)) ?? { kind: "object", entries: [] } : readJson(props.initial)));
  const [tab, setTab] = useState<"form" | "json">(field && value !== undefined ? "form" : "json");
  const [text, setText] = useState(() => (value ? formatJson(writeJson(value)) : (props.initial ?? "{}")));
  const [metadata, setMetadata] = useState(props.metadata ? tryFormat(props.metadata) : "");
  const [priority, setPriority] = useState(props.priority);
  const [tried, setTried] = useState(false);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const textFault = tab === "json" ? findFault(text) : null;
  const metadataFault = metadata.trim() === "" ? null : findFault(metadata, true);
  const problems = field && tab === "form" ? findProblems(field, value) : new Map<string, string>();

  const choose = (next: "form" | "json") => {
    if (next === "json" && value) setText(formatJson(writeJson(value)));
    if (next === "form") {
      if (textFault) return;
      setValue(parseJson(text));
    }
    setTab(next);
  };
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setTried(true);
    if (problems.size || textFault || metadataFault) return;
    setBusy(true);
    setError(null);
    try {
      await props.onStart({ input: tab === "json" ? text : writeJson(value ?? { kind: "object", entries: [] }), metadata: metadata.trim() || null, priority });
    } catch (failure) {
      setError(failure);
      setBusy(false);
    }
  };
  return (
    <Dialog
      title={props.title} className="wide" onClose={props.onClose}
      foot={
        <>
          {tried && problems.size > 0 && <span className="grow" style={{ color: "var(--failed)" }}>{[...problems].map(([path, what]) => `${path}: ${what.toLowerCase()}`).slice(0, 2).join("; ")}</span>}
          <button type="button" className="button" onClick={props.onClose}>Close</button>
          <button type="submit" form="start-run" className="button primary" disabled={busy || textFault !== null || metadataFault !== null}><Glyph name="play" />Start the run</button>
        </>
      }
    >
      <form id="start-run" className="stack" onSubmit={submit}>
        {props.note && <p className="muted">{props.note}</p>}
        {field && (
          <Segments label="Input as" value={tab} options={[{ value: "form", label: "Form" }, { value: "json", label: "JSON" }]} onChange={choose} />
        )}
        {tab === "form" && field ? (
          <SchemaForm field={field} value={value} onChange={setValue} problems={tried ? problems : new Map()} />
        ) : (
          <div className="field">
            <label htmlFor="start-json">Input <span className="type">JSON</span></label>
            <textarea
              id="start-json" className="textarea code" rows={Math.min(22, Math.max(7, text.split("\n").length + 1))} spellCheck={false} aria-invalid={textFault !== null} value={text}
              onChange={(event) => setText(event.target.value)}
              onKeyDown={(event) => { if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) event.currentTarget.form?.requestSubmit(); }}
            />
            {textFault ? <span className="problem">{textFault}</span> : (
              <span><button type="button" className="button quiet small" onClick={() => setText(formatJson(text))}>Format</button></span>
            )}
          </div>
        )}
        <details>
          <summary className="muted">Metadata and priority</summary>
          <div className="fieldset" style={{ marginTop: 10 }}>
            <div className="field">
              <label htmlFor="start-meta">Metadata <span className="type">JSON object</span></label>
              <textarea id="start-meta" className="textarea code" rows={2} spellCheck={false} placeholder={'{"user": "42"}'} value={metadata} aria-invalid={metadataFault !== null} onChange={(event) => setMetadata(event.target.value)} />
              {metadataFault && <span className="problem">{metadataFault}</span>}
            </div>
            <div className="field">
              <label htmlFor="start-priority">Priority</label>
              <select id="start-priority" className="select" value={priority} onChange={(event) => setPriority(Number(event.target.value))}>
                <option value={1}>1, low</option>
                <option value={2}>2, medium</option>
                <option value={3}>3, high</option>
              </select>
            </div>
          </div>
        </details>
        {error !== null && <Failed error={error} />}
        {error instanceof ApiError && error.field && <p className="faint"><Visible text={error.field} /></p>}
      </form>
    </Dialog>
  );
}

function readJson(text: string): Json | undefined {
  try {
    return parseJson(text);
  } catch {
    return undefined;
  }
}

function tryFormat(text: string): string {
  try {
    return formatJson(text);
  } catch {
    return text;
  }
}

function findFault(text: string, mustBeObject = false): string | null {
  try {
    const value = parseJson(text);
    return mustBeObject && value.kind !== "object" ? "must be a JSON object" : null;
  } catch (failure) {
    return failure instanceof JsonError ? failure.message : String(failure);
  }
}
