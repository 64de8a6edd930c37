/**
 * Where the tasks of a graph stand. The places follow from the graph alone, never from statuses, so that nothing
 * moves while a run goes on. Tasks that play the same part many times are folded into one node.
 */
import { arrange, type Point } from "./arrange";

export interface GraphTask {
  name: string;
  parents: string[];
  kind: string;
}

export interface PlacedNode {
  id: string;
  x: number;
  y: number;
  width: number;
  height: number;
  /** The tasks that it stands for: one, or all of a fold. */
  tasks: string[];
}

export interface PlacedEdge {
  id: string;
  from: string;
  to: string;
  /** To a hook: it follows the end of the run rather than its parents. */
  isHook: boolean;
  points: { x: number; y: number }[];
}

export interface Placed {
  nodes: PlacedNode[];
  edges: PlacedEdge[];
  width: number;
  height: number;
}

const NODE_WIDTH = 224;
const NODE_HEIGHT = 52;
const FOLD_FROM = 8;
/** More than this many are never shown one by one. */
export const UNFOLD_UP_TO = 120;

/**
 * Groups of tasks that cannot be told apart by the shape of the graph (colour refinement: same kind, parents of the
 * same groups, children of the same groups). The members of each group are in the order of `tasks`.
 */
export function groupAlike(tasks: GraphTask[]): GraphTask[][] {
  const index = new Map(tasks.map((task, place) => [task.name, place]));
  const parents = tasks.map((task) => task.parents.map((name) => index.get(name) ?? -1).filter((one) => one >= 0));
  const children: number[][] = tasks.map(() => []);
  parents.forEach((list, child) => {
    for (const parent of list) children[parent]?.push(child);
  });
  let colours: number[] = tasks.map((task) => (task.kind === "task" ? 0 : task.kind === "on_success" ? 1 : 2));
  let count = new Set(colours).size;
  for (;;) {
    const known = new Map<string, number>();
    const colourOf = (list: number[] | undefined) =>
      (list ?? [])
        .map((one) => colours[one] as number)
        .sort((a, b) => a - b)
        .join(",");
    const next = tasks.map((_, place) => {
      const signature = `${colours[place]}|${colourOf(parents[place])}|${colourOf(children[place])}`;
      const colour = known.get(signature) ?? known.size;
      known.set(signature, colour);
      return colour;
    });
    colours = next;
    if (known.size === count) break;
    count = known.size;
  }
  const groups = new Map<number, GraphTask[]>();
  tasks.forEach((task, place) => {
    const colour = colours[place] as number;
    groups.set(colour, [...(groups.get(colour) ?? []), task]);
  });
  return [...groups.values()];
}

function foldId(members: GraphTask[]): string {
  return `fold:${members[0]?.name}`;
}

export type Direction = "right" | "down";

/** Lay the graph out. `unfolded` holds the ids of folds that are shown task by task. */
export function placeGraph(
  tasks: GraphTask[],
  unfolded: ReadonlySet<string> = new Set(),
  direction: Direction = "right",
  quick = false,
): Placed {
  const nodeOf = new Map<string, string>();
  const members = new Map<string, string[]>();
  for (const group of groupAlike(tasks)) {
    const fold = foldId(group);
    const folded = group.length >= FOLD_FROM && (!unfolded.has(fold) || group.length > UNFOLD_UP_TO);
    for (const task of group) {
      const id = folded ? fold : task.name;
      nodeOf.set(task.name, id);
      members.set(id, [...(members.get(id) ?? []), task.name]);
    }
  }
  const isRight = direction === "right";
  const isHook = new Map<string, boolean>();
  const pairs = new Map<string, [string, string]>();
  for (const task of tasks) {
    const to = nodeOf.get(task.name) as string;
    const hook = task.kind !== "task";
    for (const parent of hook && !task.parents.length ? findSinks(tasks) : task.parents) {
      const from = nodeOf.get(parent);
      if (from === undefined || from === to) continue;
      pairs.set(`${from}\n${to}`, [from, to]);
      isHook.set(`${from}\n${to}`, hook);
    }
  }
  const ids = [...new Set(tasks.map((task) => nodeOf.get(task.name) as string))];
  const arranged = arrange({ nodes: ids, edges: [...pairs.values()] }, { width: NODE_WIDTH, height: NODE_HEIGHT }, isRight, quick);
  const nodes = [...members].map(([id, names]) => {
    const { x, y } = arranged.at.get(id) as Point;
    return { id, x: x - NODE_WIDTH / 2, y: y - NODE_HEIGHT / 2, width: NODE_WIDTH, height: NODE_HEIGHT, tasks: names };
  });
  const edges = arranged.edges.map(({ from, to, points }) => {
    const id = `${from}\n${to}`;
    return { id, from, to, isHook: isHook.get(id) ?? false, points };
  });
  const nodeAt = new Map(nodes.map((node) => [node.id, node]));
  for (const edge of edges) trimEdge(edge, nodeAt.get(edge.from) as PlacedNode, nodeAt.get(edge.to) as PlacedNode, isRight);
  return { nodes, edges, width: tasks.length ? arranged.width : 0, height: tasks.length ? arranged.height : 0 };
}

/** Ends in the middle of the sides (dagre ends edges where a straight line would meet the border), and no needless bends. */
function trimEdge(edge: PlacedEdge, from: PlacedNode, to: PlacedNode, isRight: boolean): void {
  const start = isRight
    ? { x: from.x + from.width, y: from.y + from.height / 2 }
    : { x: from.x + from.width / 2, y: from.y + from.height };
  const end = isRight ? { x: to.x, y: to.y + to.height / 2 } : { x: to.x + to.width / 2, y: to.y };
  const spans = isRight ? end.x - start.x : end.y - start.y;
  const inner = edge.points
    .slice(1, -1)
    .filter((point) => (isRight ? point.x > start.x + 8 && point.x < end.x - 8 : point.y > start.y + 8 && point.y < end.y - 8));
  edge.points = spans < 80 ? [start, end] : [start, ...inner, end];
}

function findSinks(tasks: GraphTask[]): string[] {
  const withChildren = new Set(tasks.flatMap((task) => task.parents));
  return tasks.filter((task) => task.kind === "task" && !withChildren.has(task.name)).map((task) => task.name);
}

/** An SVG path through the points, along the direction of the graph at each of them. */
export function drawPath(points: { x: number; y: number }[], direction: Direction = "right"): string {
  const round = (value: number) => Math.round(value * 10) / 10;
  let path = "";
  points.forEach((point, place) => {
    const before = points[place - 1];
    const [x, y] = [round(point.x), round(point.y)];
    if (!before) path = `M${x} ${y}`;
    else if (direction === "right") {
      const middle = round((before.x + point.x) / 2);
      path += `C${middle} ${round(before.y)} ${middle} ${y} ${x} ${y}`;
    } else {
      const middle = round((before.y + point.y) / 2);
      path += `C${round(before.x)} ${middle} ${x} ${middle} ${x} ${y}`;
    }
  });
  return path;
}

/** The direction in which a graph is shown the largest in a box. */
export function chooseDirection(tasks: GraphTask[], box: { width: number; height: number }): Direction {
  const scaleOf = (direction: Direction) => {
    const { width, height } = placeGraph(tasks, undefined, direction, true);
    return Math.min(1, box.width / width, box.height / height);
  };
  return scaleOf("down") > scaleOf("right") * 1.1 ? "down" : "right";
}

/** The name of a fold: what its members' names have in common. */
export function nameFold(names: string[]): string {
  let prefix = names[0] ?? "";
  for (const name of names) while (!name.startsWith(prefix)) prefix = prefix.slice(0, -1);
  prefix = prefix.replace(/\d+$/, "");
  return prefix.length >= 2 ? `${prefix}…` : `${names[0]} …`;
}
