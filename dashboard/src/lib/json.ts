/**
 * JSON as text. Payloads are never given to `JSON.parse`: it would round 64-bit integers and drop duplicate keys.
 * The tokens keep every number and string as it was written.
 */

export type TokenKind = "key" | "string" | "number" | "literal" | "punctuation";

export interface Token {
  kind: TokenKind;
  text: string;
  start: number;
}

export class JsonError extends Error {
  constructor(
    message: string,
    readonly line: number,
    readonly column: number,
  ) {
    super(`line ${line}, column ${column}: ${message}`);
  }
}

const SPACE = /[ \t\r\n]*/y;
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const STRING = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
const LITERAL = /true|false|null|NaN|-?Infinity/y;

function fail(text: string, at: number, message: string): never {
  const before = text.slice(0, at);
  const line = before.split("\n").length;
  throw new JsonError(message, line, at - before.lastIndexOf("\n"));
}

function take(pattern: RegExp, text: string, at: number): string | null {
  pattern.lastIndex = at;
  return pattern.exec(text)?.[0] ?? null;
}

/** All tokens of one JSON value, checked against the grammar. Raises `JsonError` with the place of the fault. */
export function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  const closers: string[] = [];
  let at = 0;
  // What may come next: a value, a value or the end of an empty array, a key, a key or the end of an empty object, ...
  let expected: "value" | "first item" | "key" | "first key" | "colon" | "more" | "end" = "value";
  for (;;) {
    at += take(SPACE, text, at)?.length ?? 0;
    if (at >= text.length) break;
    const character = text[at] as string;
    const add = (kind: TokenKind, found: string) => {
      tokens.push({ kind, text: found, start: at });
      at += found.length;
    };
    if (expected === "end") fail(text, at, "unexpected text after the value");
    if (expected === "colon") {
      if (character !== ":") fail(text, at, "expected a colon after the key");
      add("punctuation", ":");
      expected = "value";
    } else if (expected === "more") {
      if (character === ",") {
        add("punctuation", ",");
        expected = closers.at(-1) === "}" ? "key" : "value";
      } else if (character === closers.at(-1)) {
        closers.pop();
        add("punctuation", character);
        expected = closers.length ? "more" : "end";
      } else fail(text, at, `expected "," or "${closers.at(-1)}"`);
    } else if (expected === "key" || expected === "first key") {
      if (expected === "first key" && character === "}") {
        closers.pop();
        add("punctuation", "}");
        expected = closers.length ? "more" : "end";
        continue;
      }
      const key = take(STRING, text, at);
      if (key === null) fail(text, at, character === '"' ? "this string does not end" : "expected a key in quotes");
      add("key", key);
      expected = "colon";
    } else if (expected === "first item" && character === "]") {
      closers.pop();
      add("punctuation", "]");
      expected = closers.length ? "more" : "end";
    } else if (character === "{" || character === "[") {
      closers.push(character === "{" ? "}" : "]");
      add("punctuation", character);
      expected = character === "{" ? "first key" : "first item";
    } else {
      const literal = take(LITERAL, text, at);
      const found = literal ?? take(STRING, text, at) ?? take(NUMBER, text, at);
      if (found === null) fail(text, at, character === '"' ? "this string does not end" : "expected a value");
      if (/[\w.]/.test(text[at + found.length] ?? "") && character !== '"') fail(text, at, "this is not a JSON value");
      add(literal !== null ? "literal" : character === '"' ? "string" : "number", found);
      expected = closers.length ? "more" : "end";
    }
  }
  if (expected !== "end") fail(text, text.length, tokens.length ? "the JSON is not complete" : "the JSON is empty");
  return tokens;
}

export interface Line {
  depth: number;
  tokens: Token[];
  /** Index of the line that closes what this line opens. */
  closes?: number;
  /** How many members the value that opens here has. */
  members?: number;
}

/** Tokens as the lines of an indented text. Short arrays of scalars stay on one line. */
export function makeLines(tokens: Token[], width = 88): Line[] {
  const lines: Line[] = [];
  const open: number[] = [];
  let line: Line = { depth: 0, tokens: [] };
  const next = () => {
    lines.push(line);
    line = { depth: open.length, tokens: [] };
  };
  for (let i = 0; i < tokens.length; i++) {
    const token = tokens[i] as Token;
    const isOpen = token.text === "{" || token.text === "[";
    if (token.kind === "punctuation" && isOpen) {
      const flat = findFlat(tokens, i, width - 2 * open.length);
      if (flat > i) {
        line.tokens.push(...tokens.slice(i, flat + 1));
        i = flat;
        continue;
      }
      line.tokens.push(token);
      line.members = 1;
      open.push(lines.length);
      next();
    } else if (token.kind === "punctuation" && (token.text === "}" || token.text === "]")) {
      const opened = open.pop() as number;
      next();
      line.tokens.push(token);
      (lines[opened] as Line).closes = lines.length;
    } else {
      line.tokens.push(token);
      if (token.text === "," && token.kind === "punctuation") {
        const opened = lines[open.at(-1) ?? -1];
        if (opened) opened.members = (opened.members ?? 0) + 1;
        next();
      }
    }
  }
  lines.push(line);
  return lines;
}

/** The index of the token that closes a container at `start`, if all of it fits on one line; else `start`. */
function findFlat(tokens: Token[], start: number, width: number): number {
  let length = 0;
  for (let i = start; i < tokens.length; i++) {
    const token = tokens[i] as Token;
    length += token.text.length + 1;
    if (length > width) return start;
    if (i > start && token.kind === "punctuation") {
      if (token.text === "]" || token.text === "}") return tokens[start]?.text === "[" || i === start + 1 ? i : start;
      if (token.text === "[" || token.text === "{") return start;
    }
  }
  return start;
}

/** The text between two tokens on one line. */
export function spaceAfter(token: Token): string {
  return token.text === ":" || token.text === "," ? " " : "";
}

export function formatJson(text: string): string {
  return makeLines(tokenize(text))
    .map((line) => "  ".repeat(line.depth) + line.tokens.map((token) => token.text + spaceAfter(token)).join("").trimEnd())
    .join("\n");
}

/** A JSON value that keeps its numbers as they were written. */
export type Json =
  | { kind: "object"; entries: [string, Json][] }
  | { kind: "array"; items: Json[] }
  | { kind: "string"; value: string }
  | { kind: "number"; text: string }
  | { kind: "literal"; text: string };

export const NULL: Json = { kind: "literal", text: "null" };

export function parseJson(text: string): Json {
  const tokens = tokenize(text);
  const stack: Json[] = [];
  const keys: string[] = [];
  let result: Json = NULL;
  const put = (value: Json) => {
    const top = stack.at(-1);
    if (!top) result = value;
    else if (top.kind === "array") top.items.push(value);
    else if (top.kind === "object") top.entries.push([keys.pop() as string, value]);
  };
  for (const token of tokens) {
    if (token.kind === "key") keys.push(JSON.parse(token.text) as string);
    else if (token.kind === "string") put({ kind: "string", value: JSON.parse(token.text) as string });
    else if (token.kind === "number") put({ kind: "number", text: token.text });
    else if (token.kind === "literal") put({ kind: "literal", text: token.text });
    else if (token.text === "{" || token.text === "[") {
      const value: Json = token.text === "{" ? { kind: "object", entries: [] } : { kind: "array", items: [] };
      put(value);
      stack.push(value);
    } else if (token.text === "}" || token.text === "]") stack.pop();
  }
  return result;
}

export function writeJson(value: Json): string {
  switch (value.kind) {
    case "object":
      return `{${value.entries.map(([key, member]) => `${JSON.stringify(key)}: ${writeJson(member)}`).join(", ")}}`;
    case "array":
      return `[${value.items.map(writeJson).join(", ")}]`;
    case "string":
      return JSON.stringify(value.value);
    default:
      return value.text;
  }
}

export function getMember(value: Json | undefined, key: string): Json | undefined {
  if (value?.kind !== "object") return undefined;
  return value.entries.findLast(([name]) => name === key)?.[1];
}
