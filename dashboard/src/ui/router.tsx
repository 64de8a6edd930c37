/** A small router: paths below the page's <base>, and search parameters that stay what the user typed. */
import { type AnchorHTMLAttributes, type MouseEvent, useSyncExternalStore } from "react";

const BASE = new URL(document.baseURI).pathname.replace(/[^/]*$/, "");

export interface Place {
  /** Decoded parts of the path below the base, e.g. ["runs", "0198..."]. */
  parts: string[];
  search: URLSearchParams;
  key: string;
}

const listeners = new Set<() => void>();
let place = readPlace();

function readPlace(): Place {
  const { pathname, search } = window.location;
  const below = pathname.startsWith(BASE) ? pathname.slice(BASE.length) : "";
  return {
    parts: below.split("/").filter(Boolean).map(decodePart),
    search: new URLSearchParams(search),
    key: pathname + search,
  };
}

function decodePart(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

function changed(): void {
  const next = readPlace();
  if (next.key === place.key) return;
  place = next;
  for (const listener of listeners) listener();
}

window.addEventListener("popstate", changed);

/** An address of this application: `href("runs", id)`, `href("runs", {q: "status:failed"})`. */
export function href(...parts: (string | Record<string, string | null | undefined>)[]): string {
  const path: string[] = [];
  const search = new URLSearchParams();
  for (const part of parts) {
    if (typeof part === "string") path.push(encodeURIComponent(part));
    else for (const [key, value] of Object.entries(part)) if (value) search.set(key, value);
  }
  const query = search.toString().replaceAll("%3A", ":").replaceAll("%2C", ",");
  return BASE + path.join("/") + (query ? `?${query}` : "");
}

export function navigate(to: string, options: { replace?: boolean } = {}): void {
  const before = window.location.pathname;
  if (options.replace) window.history.replaceState(null, "", to);
  else window.history.pushState(null, "", to);
  changed();
  if (window.location.pathname !== before) {
    window.scrollTo(0, 0);
    document.getElementById("main")?.focus({ preventScroll: true });
  }
}

/** Change parameters of this page; `null` takes one away. */
export function setSearch(change: Record<string, string | null>, options: { replace?: boolean } = { replace: true }): void {
  const search = new URLSearchParams(window.location.search);
  for (const [key, value] of Object.entries(change)) {
    if (value === null || value === "") search.delete(key);
    else search.set(key, value);
  }
  const query = search.toString().replaceAll("%3A", ":").replaceAll("%2C", ",");
  navigate(window.location.pathname + (query ? `?${query}` : ""), options);
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function usePlace(): Place {
  return useSyncExternalStore(subscribe, () => place);
}

export function useParam(name: string): string | null {
  return usePlace().search.get(name);
}

export function Link({ href: to, onClick, ...rest }: AnchorHTMLAttributes<HTMLAnchorElement> & { href: string }) {
  const click = (event: MouseEvent<HTMLAnchorElement>) => {
    onClick?.(event);
    if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey)
      return;
    event.preventDefault();
    navigate(to);
  };
  return <a href={to} onClick={click} {...rest} />;
}
