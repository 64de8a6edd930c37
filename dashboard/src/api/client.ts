/** Typed calls of the API. The types come from `openapi.json`, by `npm run client`. */
import type { components, paths } from "./schema";

export type Schemas = components["schemas"];

type Method = "get" | "post" | "delete";
type PathOf<M extends Method> = { [P in keyof paths]: paths[P] extends Record<M, { responses: unknown }> ? P : never }[keyof paths];
type Json<T> = T extends { content: { "application/json": infer Body } } ? Body : undefined;
type AnswerOf<O> = O extends { responses: infer R }
  ? R extends { 200: infer Ok } ? Json<Ok> : R extends { 201: infer Made } ? Json<Made> : never
  : never;
type ParametersOf<O, Kind extends string> = O extends { parameters: { [K in Kind]?: infer P } } ? P : never;
type BodyOf<O> = O extends { requestBody?: { content: { "application/json": infer B } } } ? B : undefined;

interface Options<O> {
  path?: ParametersOf<O, "path">;
  query?: ParametersOf<O, "query">;
  body?: BodyOf<O>;
  signal?: AbortSignal;
}

export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly type: string,
    message: string,
    readonly hint: string | null = null,
    readonly field: string | null = null,
  ) {
    super(message);
  }
}

/** Called after every request: whether the server was reached, and whether it asks for a sign-in. */
export const reachability = { onChange: (_reached: boolean): void => {}, onUnauthorized: (): void => {} };

export function makeUrl(path: string, parameters: object = {}, query: object = {}): string {
  const filled = path.replace(/\{(\w+)\}/g, (_, name: string) =>
    encodeURIComponent(String((parameters as Record<string, unknown>)[name])),
  );
  const search = new URLSearchParams();
  for (const [key, value] of Object.entries(query as Record<string, unknown>)) {
    if (value === undefined || value === null) continue;
    for (const one of Array.isArray(value) ? value : [value]) search.append(key, String(one));
  }
  const text = search.toString();
  return new URL(filled.replace(/^\//, "") + (text ? `?${text}` : ""), document.baseURI).href;
}

async function call<T>(method: Method, path: string, options: Options<unknown>): Promise<T> {
  let response: Response;
  try {
    response = await fetch(makeUrl(path, options.path, options.query), {
      method: method.toUpperCase(),
      headers: {
        accept: "application/json",
        ...(method === "get" ? {} : { "content-type": "application/json", "x-plait-request": "dashboard" }),
      },
      body: method === "get" ? undefined : JSON.stringify(options.body ?? {}),
      credentials: "same-origin",
      signal: options.signal,
    });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    reachability.onChange(false);
    throw new ApiError(0, "unreachable", "The server cannot be reached.");
  }
  reachability.onChange(true);
  if (response.ok) return (await response.json()) as T;
  if (response.status === 401) reachability.onUnauthorized();
  throw await readProblem(response);
}

async function readProblem(response: Response): Promise<ApiError> {
  try {
    const problem = (await response.json()) as Schemas["Problem"];
    return new ApiError(response.status, problem.type, problem.message, problem.hint, problem.field);
  } catch {
    return new ApiError(response.status, "unknown", `The server answered ${response.status} ${response.statusText}.`);
  }
}

export function get<P extends PathOf<"get">>(path: P, options: Options<paths[P]["get"]> = {}): Promise<AnswerOf<paths[P]["get"]>> {
  return call("get", path, options as Options<unknown>);
}

export function post<P extends PathOf<"post">>(path: P, options: Options<paths[P]["post"]> = {}): Promise<AnswerOf<paths[P]["post"]>> {
  return call("post", path, options as Options<unknown>);
}

export function remove<P extends PathOf<"delete">>(path: P, options: Options<paths[P]["delete"]> = {}): Promise<AnswerOf<paths[P]["delete"]>> {
  return call("delete", path, options as Options<unknown>);
}
