/** Small parts that every page uses. */
import { type ReactNode, useId, useRef, useState } from "react";
import { ApiError } from "../api/client";
import type { TaskDetails } from "../api/queries";
import { lookOf } from "../lib/status";
import { isBackingOff } from "../lib/tasks";
import { makeVisible, shortId, splitPieces } from "../lib/text";
import { Glyph, type IconName, StatusGlyph } from "./icons";
import { RetriesIn } from "./times";

/** Text from users: control and bidi characters are shown by name, and it cannot reorder the text around it. */
export function Visible({ text }: { text: string }) {
  const pieces = splitPieces(text);
  if (pieces.length === 1 && !pieces[0]?.title) return <bdi>{text}</bdi>;
  return (
    <bdi>
      {pieces.map((piece, place) =>
        piece.title ? (
          <span key={place} className="ctl" title={piece.title}>{piece.text}</span>
        ) : (
          piece.text
        ),
      )}
    </bdi>
  );
}

export function Status({ status, badge = false }: { status: string; badge?: boolean }) {
  const { tone, word } = lookOf(status);
  return (
    <span className={badge ? "status badge" : "status"} data-tone={tone}>
      <StatusGlyph tone={tone} />
      {word}
    </span>
  );
}

/** The status of a task of a run, and of one that backs off when it goes on. */
export function TaskStatus({ task, badge = false }: { task: TaskDetails; badge?: boolean }) {
  if (!isBackingOff(task)) return <Status status={task.status} badge={badge} />;
  return (
    <span className={badge ? "status badge" : "status"} data-tone="queued">
      <StatusGlyph tone="queued" />
      <RetriesIn due={task.due_at} />
    </span>
  );
}

export function Notice({ tone = "neutral", children }: { tone?: string; children: ReactNode }) {
  return (
    <div className="notice" data-tone={tone} role={tone === "failed" ? "alert" : undefined}>
      <Glyph name={tone === "failed" || tone === "queued" ? "warning" : "info"} />
      <div className="grow">{children}</div>
    </div>
  );
}

export function Copy({ text, label = "Copy" }: { text: string; label?: string }) {
  const [done, setDone] = useState(false);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      // Without a secure context there is no clipboard: select a hidden field instead.
      const field = document.createElement("textarea");
      field.value = text;
      document.body.append(field);
      field.select();
      document.execCommand("copy");
      field.remove();
    }
    setDone(true);
    window.setTimeout(() => setDone(false), 1500);
  };
  return (
    <button type="button" className="button quiet icon small" onClick={copy} title={label} aria-label={done ? "Copied" : label}>
      <Glyph name={done ? "check" : "copy"} />
    </button>
  );
}

export function IdText({ id }: { id: string }) {
  return (
    <span className="row" title={id}>
      <code className="muted">{shortId(id)}</code>
    </span>
  );
}

export function Command({ children }: { children: string }) {
  return (
    <span className="command">
      <code>{children}</code>
      <Copy text={children} label="Copy the command" />
    </span>
  );
}

export function Empty({ icon, title, children, isPage = false }: { icon: IconName; title: string; children?: ReactNode; isPage?: boolean }) {
  return (
    <div className="empty">
      <Glyph name={icon} className="large" />
      {isPage ? <h1>{title}</h1> : <h2>{title}</h2>}
      {children}
    </div>
  );
}

export function Failed({ error }: { error: unknown }) {
  const problem = error instanceof ApiError ? error : null;
  return (
    <Notice tone="failed">
      <Visible text={error instanceof Error ? error.message : String(error)} />
      {problem?.hint && <div><Visible text={problem.hint} /></div>}
    </Notice>
  );
}

export function Rows({ count = 6, columns }: { count?: number; columns: number }) {
  return (
    <>
      {Array.from({ length: count }, (_, row) => (
        <tr key={row} aria-hidden="true">
          {Array.from({ length: columns }, (_, column) => (
            <td key={column}><div className="skeleton" style={{ width: `${45 + ((row * 7 + column * 13) % 45)}%` }} /></td>
          ))}
        </tr>
      ))}
    </>
  );
}

export function Segments<T extends string>(props: {
  label: string;
  value: T;
  options: { value: T; label: string; icon?: IconName }[];
  onChange: (value: T) => void;
}) {
  return (
    <div className="segments" role="group" aria-label={props.label}>
      {props.options.map((option) => (
        <button key={option.value} type="button" aria-pressed={props.value === option.value} onClick={() => props.onChange(option.value)}>
          {option.icon && <Glyph name={option.icon} />}
          {option.label}
        </button>
      ))}
    </div>
  );
}

export function Tabs<T extends string>(props: {
  label: string;
  value: T;
  tabs: { value: T; label: string; count?: number }[];
  onChange: (value: T) => void;
  children: ReactNode;
  className?: string;
}) {
  const id = useId();
  const list = useRef<HTMLDivElement>(null);
  const move = (step: number) => {
    const place = props.tabs.findIndex((tab) => tab.value === props.value);
    const next = props.tabs[(place + step + props.tabs.length) % props.tabs.length];
    if (!next) return;
    props.onChange(next.value);
    list.current?.querySelector<HTMLElement>(`[data-tab="${next.value}"]`)?.focus();
  };
  return (
    <>
      <div className="tabs" role="tablist" aria-label={props.label} ref={list}>
        {props.tabs.map((tab) => (
          <button
            key={tab.value} type="button" role="tab" id={`${id}-${tab.value}`} data-tab={tab.value}
            aria-selected={props.value === tab.value} aria-controls={`${id}-panel`} tabIndex={props.value === tab.value ? 0 : -1}
            onClick={() => props.onChange(tab.value)}
            onKeyDown={(event) => {
              if (event.key === "ArrowRight") move(1);
              else if (event.key === "ArrowLeft") move(-1);
            }}
          >
            {tab.label}
            {tab.count !== undefined && <span className="count">{tab.count}</span>}
          </button>
        ))}
      </div>
      <div role="tabpanel" id={`${id}-panel`} aria-labelledby={`${id}-${props.value}`} tabIndex={0} className={props.className}>
        {props.children}
      </div>
    </>
  );
}

export function Chip({ name, value, onClick }: { name: string; value: string; onClick?: () => void }) {
  const content = (
    <>
      <b><Visible text={name} /></b>
      <span><Visible text={value} /></span>
    </>
  );
  const title = `${makeVisible(name)}: ${makeVisible(value)}`;
  return onClick ? (
    <button type="button" className="chip" title={`Search for ${title}`} onClick={(event) => { event.stopPropagation(); onClick(); }}>{content}</button>
  ) : (
    <span className="chip" title={title}>{content}</span>
  );
}

export function Rate({ rate }: { rate: number | null | undefined }) {
  if (rate === null || rate === undefined) return <span className="faint">–</span>;
  if (rate === 0) return "0 %";
  const text = rate < 0.01 ? `${(rate * 100).toFixed(1)} %` : `${Math.round(rate * 100)} %`;
  return <span style={{ color: "var(--failed)" }}>{text}</span>;
}
