/** The shape of the source: imports point one way. */
import ts from "typescript";
import { describe, expect, test } from "vitest";
import map from "../../ARCHITECTURE.md?raw";

/** From the lowest floor to the highest: each folder of src imports only from folders before it, and from itself. */
const FLOORS = ["styles", "lib", "api", "ui", "parts", "pages", "app"];

const TEXTS = import.meta.glob<string>("../src/**/*.{ts,tsx,css}", { query: "?raw", import: "default", eager: true });
const FILES = new Map(Object.entries(TEXTS).map(([path, text]) => [path.replace("../src/", ""), text]));

/** What a file imports, also for types alone and by a call: the paths as they are written. */
function listSpecifiers(path: string, text: string): string[] {
  const found: string[] = [];
  const take = (node: ts.Node | undefined) => {
    if (node && ts.isStringLiteralLike(node)) found.push(node.text);
    else if (node) throw new Error(`${path}: an import whose path is not a plain text`);
  };
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) take(node.moduleSpecifier);
    else if (ts.isImportTypeNode(node)) take(ts.isLiteralTypeNode(node.argument) ? node.argument.literal : node.argument);
    else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) take(node.arguments[0]);
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile(path, text, ts.ScriptTarget.Latest, false, path.endsWith("x") ? ts.ScriptKind.TSX : ts.ScriptKind.TS));
  return found;
}

/** The files of src that a file imports. */
function listImports(path: string, text: string): string[] {
  if (path.endsWith(".css")) return [];
  return listSpecifiers(path, text).filter((one) => one.startsWith(".")).map((one) => {
    const target = new URL(one, `file:///${path}`).pathname.slice(1);
    const file = [target, `${target}.ts`, `${target}.tsx`].find((name) => FILES.has(name));
    if (file === undefined) throw new Error(`${path}: there is no file ${one}`);
    return file;
  });
}

const IMPORTS = new Map([...FILES].map(([path, text]) => [path, listImports(path, text)]));
const PAIRS = [...IMPORTS].flatMap(([from, targets]) => targets.map((to) => [from, to] as const));

const floorOf = (path: string) => FLOORS.indexOf(path.split("/")[0] as string);
const pageOf = (path: string) => /^pages\/([^/.]+)/.exec(path)?.[1];
const show = (pairs: (readonly [string, string])[]) => pairs.map(([from, to]) => `${from} imports ${to}`);

/** A circle of imports, if there is one. */
function findCircle(imports: Map<string, string[]>): string[] | null {
  const done = new Set<string>();
  const visit = (path: string, way: string[]): string[] | null => {
    if (way.includes(path)) return [...way.slice(way.indexOf(path)), path];
    if (done.has(path)) return null;
    for (const target of imports.get(path) ?? []) {
      const circle = visit(target, [...way, path]);
      if (circle) return circle;
    }
    done.add(path);
    return null;
  };
  for (const path of imports.keys()) {
    const circle = visit(path, []);
    if (circle) return circle;
  }
  return null;
}

describe("the floors", () => {
  test("hold every file", () => {
    expect([...FILES.keys()].filter((path) => floorOf(path) < 0 || !path.includes("/"))).toEqual([]);
    expect(FLOORS.filter((floor) => ![...FILES.keys()].some((path) => path.startsWith(`${floor}/`)))).toEqual([]);
  });

  test("are imported from above alone", () => {
    expect(PAIRS.length).toBeGreaterThan(100);
    expect(show(PAIRS.filter(([from, to]) => floorOf(to) > floorOf(from)))).toEqual([]);
  });

  test("hold no circle", () => {
    expect(findCircle(IMPORTS)).toBeNull();
    expect(findCircle(new Map([["a", ["b"]], ["b", ["c"]], ["c", ["b"]]]))).toEqual(["b", "c", "b"]);
  });

  test("a page imports no other page", () => {
    expect(show(PAIRS.filter(([from, to]) => pageOf(from) && pageOf(to) && pageOf(from) !== pageOf(to)))).toEqual([]);
  });

  test("are the map of ARCHITECTURE.md, in its order", () => {
    const lines = map.slice(map.indexOf("\ndashboard/src/")).split("\n").slice(2);
    const end = lines.findIndex((line) => !line.startsWith("  "));
    expect(lines.slice(0, end).flatMap((line) => /^ {2}(\w+)\//.exec(line)?.[1] ?? [])).toEqual(FLOORS);
  });
});

test("imports for types and by a call are counted", () => {
  const text = 'import a from "./a"; import type { B } from "./b"; export * from "./c"; type D = import("./d").D; const e = () => import("./e");';
  expect(listSpecifiers("x.ts", text)).toEqual(["./a", "./b", "./c", "./d", "./e"]);
});
