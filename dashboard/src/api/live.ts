/**
 * One stream of what changed; it only says which queries to ask again. Without it the pages poll, so nothing depends
 * on it. A burst of changes costs one round of requests per interval: the first at once, the rest together.
 */
import type { QueryClient } from "@tanstack/react-query";
import { useSyncExternalStore } from "react";
import { makeUrl, reachability, type Schemas } from "./client";

export type Connection = "live" | "polling" | "offline";

const PAUSE = 250;
const LIST_PAUSE = 700;
const RETRY = 4000;

const state = { connection: "polling" as Connection, isStreaming: false, isReached: true, listeners: new Set<() => void>() };

function update(change: Partial<Pick<typeof state, "isStreaming" | "isReached">>): void {
  Object.assign(state, change);
  const next: Connection = !state.isReached ? "offline" : state.isStreaming ? "live" : "polling";
  if (next === state.connection) return;
  state.connection = next;
  for (const listener of state.listeners) listener();
}

export function useConnection(): Connection {
  return useSyncExternalStore(
    (listener) => { state.listeners.add(listener); return () => state.listeners.delete(listener); },
    () => state.connection,
  );
}

/** How often a page asks by itself, in milliseconds. */
export function pollInterval(): number {
  return state.connection === "live" ? 20_000 : 2000;
}

/** Call `action` with all keys that were given since its last call: at once, then at most once per `pause`. */
function makeThrottle(pause: number, action: (keys: string[]) => void): (key: string) => void {
  const waiting = new Set<string>();
  let timer = 0;
  const flush = () => {
    timer = 0;
    if (!waiting.size) return;
    const keys = [...waiting];
    waiting.clear();
    action(keys);
    timer = window.setTimeout(flush, pause);
  };
  return (key) => {
    waiting.add(key);
    if (!timer) flush();
  };
}

export function watchChanges(client: QueryClient): void {
  reachability.onChange = (isReached) => update({ isReached });
  const invalidate = (keys: string[]) => {
    for (const key of keys) void client.invalidateQueries({ queryKey: key.split("\n") });
  };
  const soon = makeThrottle(PAUSE, invalidate);
  const later = makeThrottle(LIST_PAUSE, invalidate);
  const lists = () => ["runs", "stats", "children", "queues", "workflow-stats"].forEach((key) => later(key));
  const take = (change: Schemas["StreamChange"]) => {
    switch (change.kind) {
      case "run":
        for (const id of change.ids ?? []) soon(`run\n${id}`);
        lists();
        return later("workers");
      case "runs":
        soon("run");
        return lists();
      case "logs":
        return (change.ids ?? []).forEach((id) => soon(`logs\n${id}`));
      case "workers":
        return later("workers");
      case "events":
        return later("events");
      case "schedules":
        later("crons");
        return later("scheduled");
    }
  };
  let source: EventSource | null = null;
  const open = () => {
    source = new EventSource(makeUrl("/api/v1/stream"));
    source.onopen = () => update({ isStreaming: true, isReached: true });
    source.addEventListener("change", (event) => take(JSON.parse((event as MessageEvent<string>).data)));
    source.addEventListener("reset", () => void client.invalidateQueries());
    source.onerror = () => {
      update({ isStreaming: false });
      // Refused rather than broken off: the browser does not try again by itself.
      if (source?.readyState === EventSource.CLOSED) window.setTimeout(open, RETRY);
    };
  };
  open();
  window.addEventListener("pagehide", () => source?.close());
  window.addEventListener("pageshow", (event) => { if (event.persisted) open(); });
}
