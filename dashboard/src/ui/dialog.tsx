/** Dialogs, menus and toasts, on the browser's own <dialog>: it keeps the focus, and Escape closes it. */
import { type ReactNode, useEffect, useId, useRef, useState, useSyncExternalStore } from "react";
import { Visible } from "./basics";
import { Glyph, type IconName } from "./icons";

export function Dialog(props: {
  title: string;
  onClose: () => void;
  children: ReactNode;
  foot?: ReactNode;
  className?: string;
  bare?: boolean;
}) {
  const element = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    const dialog = element.current;
    const before = document.activeElement;
    dialog?.showModal();
    // The first field, or what asks for it; the browser would choose the button that closes.
    dialog?.querySelector<HTMLElement>("[data-first], .dialog-body :is(input, textarea, select), input, .dialog-foot .button:last-child")?.focus();
    return () => {
      dialog?.close();
      if (before instanceof HTMLElement) before.focus();
    };
  }, []);
  return (
    <dialog
      ref={element} className={props.className} aria-labelledby={props.bare ? undefined : id} aria-label={props.bare ? props.title : undefined}
      onCancel={(event) => { event.preventDefault(); props.onClose(); }}
      onMouseDown={(event) => { if (event.target === element.current) props.onClose(); }}
    >
      {!props.bare && (
        <div className="dialog-head">
          <h2 id={id}>{props.title}</h2>
          <button type="button" className="button quiet icon" aria-label="Close" onClick={props.onClose}><Glyph name="close" /></button>
        </div>
      )}
      {props.bare ? props.children : <div className="dialog-body">{props.children}</div>}
      {props.foot && <div className="dialog-foot">{props.foot}</div>}
    </dialog>
  );
}

export interface MenuItem {
  label: string;
  hint?: string;
  disabled?: boolean;
  onSelect: () => void;
}

export function Menu({ label, icon, items, children }: { label: string; icon?: IconName; items: MenuItem[]; children?: ReactNode }) {
  const [open, setOpen] = useState(false);
  const element = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (!open) return;
    element.current?.querySelector<HTMLElement>("[role=menuitem]:not(:disabled)")?.focus();
    const away = (event: Event) => {
      if (!element.current?.contains(event.target as Node)) setOpen(false);
    };
    document.addEventListener("pointerdown", away);
    return () => document.removeEventListener("pointerdown", away);
  }, [open]);
  const onKeyDown = (event: React.KeyboardEvent) => {
    const entries = [...(element.current?.querySelectorAll<HTMLElement>("[role=menuitem]:not(:disabled)") ?? [])];
    const place = entries.indexOf(document.activeElement as HTMLElement);
    if (event.key === "Escape" && open) {
      event.stopPropagation();
      setOpen(false);
      element.current?.querySelector("button")?.focus();
    } else if (event.key === "ArrowDown") entries[(place + 1) % entries.length]?.focus();
    else if (event.key === "ArrowUp") entries[(place - 1 + entries.length) % entries.length]?.focus();
    else return;
    event.preventDefault();
  };
  return (
    <div className="menu" ref={element} onKeyDown={onKeyDown}>
      <button
        type="button" className={children ? "button" : "button icon"} aria-haspopup="menu" aria-expanded={open} aria-label={children ? undefined : label}
        title={children ? undefined : label} onClick={() => setOpen(!open)}
      >
        {icon && <Glyph name={icon} />}
        {children}
        {children && <Glyph name="chevron" />}
      </button>
      {open && (
        <div className="menu-list" role="menu" aria-label={label}>
          {items.map((item) => (
            <button
              key={item.label} type="button" role="menuitem" disabled={item.disabled}
              onClick={() => { setOpen(false); item.onSelect(); }}
            >
              {item.label}
              {item.hint && <small>{item.hint}</small>}
            </button>
          ))}
        </div>
      )}
    </div>
  );
}

interface Toast {
  id: number;
  tone: string;
  text: string;
}

let toasts: Toast[] = [];
let lastToast = 0;
const watchers = new Set<() => void>();

function setToasts(next: Toast[]): void {
  toasts = next;
  for (const watcher of watchers) watcher();
}

export function notify(text: string, tone: "completed" | "failed" = "completed"): void {
  const id = ++lastToast;
  setToasts([...toasts.slice(-3), { id, tone, text }]);
  window.setTimeout(() => dismiss(id), tone === "failed" ? 12_000 : 5000);
}

function dismiss(id: number): void {
  setToasts(toasts.filter((toast) => toast.id !== id));
}

export function notifyError(error: unknown): void {
  notify(error instanceof Error ? error.message : String(error), "failed");
}

export function Toasts() {
  const shown = useSyncExternalStore(
    (watcher) => { watchers.add(watcher); return () => watchers.delete(watcher); },
    () => toasts,
  );
  return (
    <div className="toasts" role="status" aria-live="polite">
      {shown.map((toast) => (
        <div key={toast.id} className="toast" data-tone={toast.tone}>
          <Glyph name={toast.tone === "failed" ? "warning" : "check"} />
          <div className="grow"><Visible text={toast.text} /></div>
          <button type="button" className="button quiet icon small" aria-label="Dismiss" onClick={() => dismiss(toast.id)}><Glyph name="close" /></button>
        </div>
      ))}
    </div>
  );
}
