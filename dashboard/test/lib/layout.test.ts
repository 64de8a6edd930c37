import { describe, expect, test } from "vitest";
import { chooseDirection, drawPath, groupAlike, type GraphTask, nameFold, placeGraph } from "../../src/lib/layout";

function task(name: string, parents: string[] = [], kind = "task"): GraphTask {
  return { name, parents, kind };
}

function fan(width: number): GraphTask[] {
  const middle = Array.from({ length: width }, (_, n) => `part_${n}`);
  return [
    task("split"),
    ...middle.map((name) => task(name, ["split"])),
    ...middle.map((name) => task(`${name}_check`, [name])),
    task("join", middle.map((name) => `${name}_check`)),
  ];
}

const DIAMOND = [task("a"), task("b", ["a"]), task("c", ["a"]), task("d", ["b", "c"])];

describe("the layout", () => {
  test("is the same for the same graph", () => {
    expect(placeGraph(DIAMOND)).toEqual(placeGraph(structuredClone(DIAMOND)));
  });

  test("puts parents left of their children, and nothing on top of another", () => {
    const { nodes } = placeGraph([...DIAMOND, task("tell", [], "on_failure")]);
    const at = new Map(nodes.map((node) => [node.id, node]));
    for (const { name, parents } of DIAMOND)
      for (const parent of parents) expect(at.get(parent)!.x + at.get(parent)!.width).toBeLessThan(at.get(name)!.x);
    for (const one of nodes)
      for (const other of nodes)
        if (one !== other)
          expect(one.x + one.width <= other.x || other.x + other.width <= one.x || one.y + one.height <= other.y || other.y + other.height <= one.y).toBe(true);
  });

  test.each(["right", "down"] as const)("keeps siblings in the order of their declaration, going %s", (direction) => {
    const order = (tasks: GraphTask[], ...names: string[]) => {
      const at = new Map(placeGraph(tasks, new Set(), direction).nodes.map((node) => [node.id, direction === "right" ? node.y : node.x]));
      return [...names].sort((a, b) => at.get(a)! - at.get(b)!);
    };
    const wide = [task("a"), task("b", ["a"]), task("c", ["a"]), task("d", ["a"]), task("e", ["b", "c", "d"])];
    expect(order(wide, "d", "b", "c")).toEqual(["b", "c", "d"]);
    const lanes = [task("a"), task("b", ["a"]), task("c", ["a"]), task("d", ["b"]), task("e", ["c"])];
    expect(order(lanes, "c", "b")).toEqual(["b", "c"]);
    expect(order(lanes, "e", "d")).toEqual(["d", "e"]);
    const roots = [task("z"), task("y"), task("x"), task("join", ["z", "y", "x"])];
    expect(order(roots, "x", "y", "z")).toEqual(["z", "y", "x"]);
  });

  test("crosses no edges for the order's sake", () => {
    const { nodes } = placeGraph([task("a"), task("b"), task("b2", ["b"]), task("a2", ["a"])]);
    const at = new Map(nodes.map((node) => [node.id, node.y]));
    expect(Math.sign(at.get("a")! - at.get("b")!)).toBe(Math.sign(at.get("a2")! - at.get("b2")!));
  });

  test("hangs a hook on the sinks", () => {
    const { edges } = placeGraph([...DIAMOND, task("tell", [], "on_failure")]);
    expect(edges.find((edge) => edge.to === "tell")).toMatchObject({ from: "d", isHook: true });
  });

  test("shows a few branches one by one, folds many, and unfolds them", () => {
    expect(placeGraph(fan(3)).nodes).toHaveLength(8);
    const folded = placeGraph(fan(40));
    expect(folded.nodes.map((node) => node.tasks.length)).toEqual([1, 40, 40, 1]);
    expect(folded.edges).toHaveLength(3);
    expect(placeGraph(fan(40), new Set(["fold:part_0"])).nodes).toHaveLength(43);
  });

  test("never unfolds what nobody could read", () => {
    expect(placeGraph(fan(500), new Set(["fold:part_0"])).nodes).toHaveLength(4);
  });

  test("tells apart branches of different shape", () => {
    const groups = groupAlike([...fan(3), task("extra", ["part_0"])]);
    expect(groups.find((group) => group.some(({ name }) => name === "part_0"))).toHaveLength(1);
    expect(groups.find((group) => group.some(({ name }) => name === "part_1"))).toHaveLength(2);
  });

  test("goes down in a high box and right in a wide one", () => {
    const chain = Array.from({ length: 8 }, (_, n) => task(`t${n}`, n ? [`t${n - 1}`] : []));
    expect(chooseDirection(chain, { width: 600, height: 800 })).toBe("down");
    expect(chooseDirection(chain, { width: 2400, height: 300 })).toBe("right");
  });

  test("takes no task at all, and parents that are not there", () => {
    expect(placeGraph([])).toMatchObject({ nodes: [], width: 0 });
    expect(placeGraph([task("a", ["gone"])]).nodes).toHaveLength(1);
  });

  test("draws a path and names a fold", () => {
    expect(drawPath([{ x: 0, y: 0 }, { x: 10, y: 20 }])).toBe("M0 0C5 0 5 20 10 20");
    expect(nameFold(["render_01", "render_02"])).toBe("render_…");
    expect(nameFold(["a", "b"])).toBe("a …");
  });
});
