/** A JSON schema, as pydantic writes them, as the fields of a form. What has no field of its own is edited as JSON. */
import { getMember, type Json, NULL, parseJson } from "./json";

interface Common {
  title: string | null;
  description: string | null;
  default: Json | null;
}

export type Field = Common &
  (
    | { kind: "object"; members: Member[]; hasMore: boolean }
    | { kind: "array"; item: Field }
    | { kind: "string"; format: string | null; maxLength: number | null }
    | { kind: "integer" | "number"; minimum: string | null; maximum: string | null }
    | { kind: "boolean" }
    | { kind: "choice"; options: Json[] }
    | { kind: "optional"; field: Field }
    | { kind: "json" }
  );

export interface Member {
  name: string;
  isRequired: boolean;
  field: Field;
}

const MAX_DEPTH = 8;

export function readSchema(text: string): Field {
  const schema = parseJson(text);
  return readField(schema, schema, 0);
}

function readField(schema: Json, root: Json, depth: number): Field {
  const resolved = resolve(schema, root);
  const common: Common = {
    title: getText(schema, "title") ?? getText(resolved, "title"),
    description: getText(schema, "description") ?? getText(resolved, "description"),
    default: getMember(schema, "default") ?? getMember(resolved, "default") ?? null,
  };
  if (depth > MAX_DEPTH) return { ...common, kind: "json" };
  const constant = getMember(resolved, "const");
  if (constant) return { ...common, kind: "choice", options: [constant] };
  const choices = getMember(resolved, "enum");
  if (choices?.kind === "array") return { ...common, kind: "choice", options: choices.items };
  const any = getMember(resolved, "anyOf") ?? getMember(resolved, "oneOf");
  if (any?.kind === "array") return readUnion(any.items, common, root, depth);
  const all = getMember(resolved, "allOf");
  if (all?.kind === "array" && all.items.length === 1)
    return { ...readField(all.items[0] as Json, root, depth + 1), ...dropNulls(common) };
  switch (getText(resolved, "type")) {
    case "object":
      return readObject(resolved, common, root, depth);
    case "array": {
      const items = getMember(resolved, "items");
      if (items?.kind !== "object" || getMember(resolved, "prefixItems")) return { ...common, kind: "json" };
      return { ...common, kind: "array", item: readField(items, root, depth + 1) };
    }
    case "string":
      return { ...common, kind: "string", format: getText(resolved, "format"), maxLength: getSize(resolved, "maxLength") };
    case "integer":
    case "number":
      return {
        ...common,
        kind: getText(resolved, "type") as "integer" | "number",
        minimum: getNumber(resolved, "minimum"),
        maximum: getNumber(resolved, "maximum"),
      };
    case "boolean":
      return { ...common, kind: "boolean" };
    default:
      return { ...common, kind: "json" };
  }
}

function readUnion(members: Json[], common: Common, root: Json, depth: number): Field {
  const others = members.filter((member) => getText(member, "type") !== "null");
  if (others.length !== 1) return { ...common, kind: "json" };
  const field = readField(others[0] as Json, root, depth + 1);
  if (others.length === members.length) return { ...field, ...dropNulls(common) };
  return { ...common, kind: "optional", field, description: common.description ?? field.description };
}

function readObject(schema: Json, common: Common, root: Json, depth: number): Field {
  const properties = getMember(schema, "properties");
  const more = getMember(schema, "additionalProperties");
  const hasMore = more !== undefined && !(more.kind === "literal" && more.text === "false");
  if (properties?.kind !== "object") return hasMore || depth > 0 ? { ...common, kind: "json" } : { ...common, kind: "object", members: [], hasMore };
  const required = getMember(schema, "required");
  const names = required?.kind === "array" ? required.items.map((one) => (one.kind === "string" ? one.value : "")) : [];
  const members = properties.entries.map(([name, member]) => ({
    name,
    isRequired: names.includes(name),
    field: readField(member, root, depth + 1),
  }));
  return { ...common, kind: "object", members, hasMore };
}

function resolve(schema: Json, root: Json): Json {
  let current = schema;
  for (let hops = 0; hops < 20; hops++) {
    const reference = getText(current, "$ref");
    if (!reference?.startsWith("#/")) return current;
    let target: Json | undefined = root;
    for (const part of reference.slice(2).split("/"))
      target = getMember(target, part.replaceAll("~1", "/").replaceAll("~0", "~"));
    if (!target) return { kind: "object", entries: [] };
    current = target;
  }
  return { kind: "object", entries: [] };
}

/** The value that a form starts with: defaults, and nothing where the author gave none. `undefined`: left out. */
export function makeInitial(field: Field): Json | undefined {
  if (field.default) return field.default;
  switch (field.kind) {
    case "object":
      return {
        kind: "object",
        entries: field.members.flatMap(({ name, field: member }): [string, Json][] => {
          const value = makeInitial(member);
          return value === undefined ? [] : [[name, value]];
        }),
      };
    case "array":
      return { kind: "array", items: [] };
    case "boolean":
      return { kind: "literal", text: "false" };
    case "choice":
      return field.options[0];
    case "optional":
      return NULL;
    default:
      return undefined;
  }
}

/** What is wrong with a value, by the path of its field, e.g. "pages.2.title". The server checks again. */
export function findProblems(field: Field, value: Json | undefined, path = ""): Map<string, string> {
  const problems = new Map<string, string>();
  const merge = (more: Map<string, string>) => more.forEach((text, key) => problems.set(key, text));
  if (value === undefined) return problems;
  if (field.kind === "optional") {
    if (!(value.kind === "literal" && value.text === "null")) merge(findProblems(field.field, value, path));
  } else if (field.kind === "object" && value.kind === "object") {
    for (const { name, isRequired, field: member } of field.members) {
      const found = getMember(value, name);
      const at = path ? `${path}.${name}` : name;
      if (found === undefined && isRequired) problems.set(at, "A value is required");
      else merge(findProblems(member, found, at));
    }
  } else if (field.kind === "array" && value.kind === "array") {
    value.items.forEach((item, place) => merge(findProblems(field.item, item, `${path}.${place}`)));
  } else if (field.kind === "integer" || field.kind === "number") {
    const text = value.kind === "number" ? value.text : null;
    if (text === null || !isNumber(text, field.kind)) problems.set(path, `Must be ${field.kind === "integer" ? "an integer" : "a number"}`);
    else if (field.minimum !== null && Number(text) < Number(field.minimum)) problems.set(path, `Must be at least ${field.minimum}`);
    else if (field.maximum !== null && Number(text) > Number(field.maximum)) problems.set(path, `Must be at most ${field.maximum}`);
  }
  return problems;
}

export function isNumber(text: string, kind: "integer" | "number"): boolean {
  return kind === "integer" ? /^-?(0|[1-9]\d*)$/.test(text) : /^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/.test(text);
}

/** The object with one member set, or taken out where `member` is undefined; the order of the others stays. */
export function setMember(value: Json | undefined, name: string, member: Json | undefined): Json {
  const entries = value?.kind === "object" ? value.entries : [];
  if (member === undefined) return { kind: "object", entries: entries.filter(([key]) => key !== name) };
  if (entries.some(([key]) => key === name))
    return { kind: "object", entries: entries.map(([key, old]) => [key, key === name ? member : old]) };
  return { kind: "object", entries: [...entries, [name, member]] };
}

function getText(schema: Json, key: string): string | null {
  const member = getMember(schema, key);
  return member?.kind === "string" ? member.value : null;
}

function getNumber(schema: Json, key: string): string | null {
  const member = getMember(schema, key);
  return member?.kind === "number" ? member.text : null;
}

function getSize(schema: Json, key: string): number | null {
  const text = getNumber(schema, key);
  return text === null ? null : Number(text);
}

function dropNulls(common: Common): Partial<Common> {
  return Object.fromEntries(Object.entries(common).filter(([, value]) => value !== null));
}
