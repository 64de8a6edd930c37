/** What the pages ask for. The first part of a key names what a change of the stream invalidates. */
import { keepPreviousData, useInfiniteQuery, useQuery } from "@tanstack/react-query";
import type { RunFilter } from "../lib/tokens";
import { get, type Schemas } from "./client";

export type RunSummary = Schemas["RunSummary"];
export type RunDetails = Schemas["RunDetails"];
export type TaskDetails = Schemas["TaskDetails"];
export type AttemptDetails = Schemas["AttemptDetails"];
export type WorkflowDetails = Schemas["WorkflowDetails"];
export type LogLine = Schemas["LogLine"];

export interface RunQuery {
  status?: RunSummary["status"][];
  workflow?: string[];
  metadata?: string[];
  triggered_by?: string;
  since?: string;
  until?: string;
}

export function makeRunQuery(filter: RunFilter): RunQuery {
  return {
    status: filter.statuses.length ? (filter.statuses as RunSummary["status"][]) : undefined,
    workflow: filter.workflows.length ? filter.workflows : undefined,
    metadata: filter.metadata.length ? filter.metadata.map(([key, value]) => `${key}:${value}`) : undefined,
    since: filter.since ?? undefined,
    until: filter.until ?? undefined,
  };
}

const PAGE = 50;

export function useRuns(query: RunQuery, limit = PAGE, enabled = true) {
  return useInfiniteQuery({
    queryKey: ["runs", query, limit],
    queryFn: ({ pageParam, signal }) => get("/api/v1/runs", { query: { ...query, limit, before: pageParam ?? undefined }, signal }),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next,
    placeholderData: keepPreviousData,
    enabled,
  });
}

export function useRunStats(query: RunQuery, bars = 60) {
  return useQuery({
    queryKey: ["stats", query, bars],
    queryFn: ({ signal }) => get("/api/v1/runs/stats", { query: { ...query, bars }, signal }),
    placeholderData: keepPreviousData,
  });
}

export function useRun(id: string) {
  return useQuery({
    queryKey: ["run", id],
    queryFn: ({ signal }) => get("/api/v1/runs/{run_id}", { path: { run_id: id }, signal }),
  });
}

export function useTask(id: string, index: number | null) {
  return useQuery({
    queryKey: ["run", id, "task", index],
    queryFn: ({ signal }) => get("/api/v1/runs/{run_id}/tasks/{index}", { path: { run_id: id, index: index ?? 0 }, signal }),
    enabled: index !== null,
  });
}

export function useChildren(id: string) {
  return useInfiniteQuery({
    queryKey: ["children", id],
    queryFn: ({ pageParam, signal }) =>
      get("/api/v1/runs/{run_id}/children", { path: { run_id: id }, query: { after: pageParam ?? undefined, limit: PAGE }, signal }),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next,
  });
}

const MAX_LOG_PAGES = 10;

/** The lines of a run or one of its tasks, oldest first: at most `MAX_LOG_PAGES` pages. */
export function useLogs(id: string, options: { task?: string; search?: string }) {
  return useQuery({
    queryKey: ["logs", id, options],
    queryFn: async ({ signal }) => {
      const lines: LogLine[] = [];
      let after: string | undefined;
      for (let page = 0; ; page++) {
        const found: Schemas["Page_LogLine_"] = await get("/api/v1/runs/{run_id}/logs", {
          path: { run_id: id },
          query: { task: options.task, search: options.search || undefined, after, limit: 500 },
          signal,
        });
        lines.push(...found.items);
        if (found.next === null || page === MAX_LOG_PAGES - 1) return { lines, more: found.next !== null };
        after = found.next;
      }
    },
    placeholderData: keepPreviousData,
  });
}

export function useWorkflows(search?: string) {
  return useInfiniteQuery({
    queryKey: ["workflows", search ?? ""],
    queryFn: ({ pageParam, signal }) =>
      get("/api/v1/workflows", { query: { search: search || undefined, after: pageParam ?? undefined, limit: 100 }, signal }),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next,
    placeholderData: keepPreviousData,
  });
}

export function useWorkflow(name: string, version: number | null) {
  return useQuery({
    queryKey: ["workflow", name, version],
    queryFn: ({ signal }): Promise<WorkflowDetails> =>
      version === null
        ? get("/api/v1/workflows/{name}", { path: { name }, signal })
        : get("/api/v1/workflows/{name}/versions/{version_id}", { path: { name, version_id: version }, signal }),
    enabled: name !== "",
  });
}

export function useWorkflowStats(name: string) {
  return useQuery({
    queryKey: ["workflow-stats", name],
    queryFn: ({ signal }) => get("/api/v1/workflows/{name}/stats", { path: { name }, signal }),
  });
}

export function useVersions(name: string) {
  return useQuery({
    queryKey: ["versions", name],
    queryFn: ({ signal }) => get("/api/v1/workflows/{name}/versions", { path: { name }, query: { limit: 50 }, signal }),
  });
}

export function useDiff(name: string, before: number | null, after: number | null) {
  return useQuery({
    queryKey: ["diff", name, before, after],
    queryFn: ({ signal }) =>
      get("/api/v1/workflows/{name}/diff", { path: { name }, query: { before: before ?? 0, after: after ?? 0 }, signal }),
    enabled: before !== null && after !== null,
  });
}

export function useWorkers(ended: boolean) {
  return useQuery({
    queryKey: ["workers", "list", ended],
    queryFn: ({ signal }) => get("/api/v1/workers", { query: { ended, limit: 200 }, signal }),
    refetchInterval: 5000,
  });
}

export function useWorker(id: string) {
  return useQuery({
    queryKey: ["workers", "one", id],
    queryFn: ({ signal }) => get("/api/v1/workers/{worker_id}", { path: { worker_id: id }, signal }),
    refetchInterval: 5000,
  });
}

export function useQueues() {
  return useQuery({ queryKey: ["queues"], queryFn: ({ signal }) => get("/api/v1/queues", { signal }) });
}

export function useEvents(key: string) {
  return useInfiniteQuery({
    queryKey: ["events", "list", key],
    queryFn: ({ pageParam, signal }) =>
      get("/api/v1/events", { query: { key: key || undefined, before: pageParam ?? undefined, limit: PAGE }, signal }),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next,
    placeholderData: keepPreviousData,
  });
}

export function useEvent(id: string) {
  return useQuery({
    queryKey: ["events", "one", id],
    queryFn: ({ signal }) => get("/api/v1/events/{event_id}", { path: { event_id: id }, signal }),
    enabled: id !== "",
  });
}

export function useCrons(workflow?: string) {
  return useInfiniteQuery({
    queryKey: ["crons", workflow ?? ""],
    queryFn: ({ pageParam, signal }) =>
      get("/api/v1/crons", { query: { workflow, after: pageParam ?? undefined, limit: PAGE }, signal }),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next,
  });
}

export function useScheduled() {
  return useInfiniteQuery({
    queryKey: ["scheduled"],
    queryFn: ({ pageParam, signal }) => get("/api/v1/scheduled", { query: { before: pageParam ?? undefined, limit: PAGE }, signal }),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next,
  });
}

export function useSession() {
  return useQuery({ queryKey: ["session"], queryFn: ({ signal }) => get("/api/v1/session", { signal }), staleTime: Infinity, refetchInterval: false });
}

export function useCanWrite(): boolean {
  return useSession().data?.role === "write";
}
