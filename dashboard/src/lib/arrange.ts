/**
 * The places of the nodes of a graph. dagre looks for few crossings, but may turn the declared order around. So several
 * layouts are made, each also mirrored. The one with the fewest crossings is taken, and among those the one that keeps
 * most of the declared order; then neighbours are exchanged. The same graph always gives the same layout.
 */
import dagre from "@dagrejs/dagre";

export interface Point {
  x: number;
  y: number;
}

export interface Shape {
  nodes: string[];
  edges: [from: string, to: string][];
}

export interface Box {
  width: number;
  height: number;
}

export interface Arranged {
  /** The middles of the nodes. */
  at: Map<string, Point>;
  edges: { from: string; to: string; points: Point[] }[];
  width: number;
  height: number;
}

/** Graphs with more edges are laid out once: trying several layouts would take too long. */
const MAX_EDGES = 60;

/** `quick`: one layout, when only the size is needed. */
export function arrange(shape: Shape, node: Box, isRight: boolean, quick = false): Arranged {
  const layouts = [layOut(shape, node, isRight, {})];
  if (!quick && shape.edges.length <= MAX_EDGES) {
    layouts.push(layOut(shape, node, isRight, { disableOptimalOrderHeuristic: true }));
    layouts.push(layOut({ nodes: [...shape.nodes].reverse(), edges: [...shape.edges].reverse() }, node, isRight, {}));
  }
  let best: Arranged | null = null;
  let least = [Number.POSITIVE_INFINITY, 0];
  for (const layout of layouts) {
    const crossings = layouts.length > 1 ? countCrossings(layout) : 0;
    for (const one of [layout, mirror(layout, isRight)]) {
      const cost = [crossings, countTurned(shape.nodes, one.at, isRight)];
      if (best && ((cost[0] as number) > (least[0] as number) || (cost[0] === least[0] && (cost[1] as number) >= (least[1] as number)))) continue;
      best = one;
      least = cost;
    }
  }
  if (best && layouts.length > 1) exchange(shape.nodes, best, least[0] as number, isRight);
  return best as Arranged;
}

/** Exchanges neighbours of one rank that are turned around, wherever that crosses no more edges. */
function exchange(declared: string[], layout: Arranged, crossings: number, isRight: boolean): void {
  const { at } = layout;
  const across = (id: string) => (at.get(id) as Point)[isRight ? "y" : "x"];
  const index = new Map(declared.map((id, place) => [id, place]));
  const ranks = listRanks(declared, at, isRight);
  const moved = new Set<string>();
  for (let again = true; again; ) {
    again = false;
    for (const rank of ranks) {
      rank.sort((a, b) => across(a) - across(b));
      for (let place = 0; place + 1 < rank.length; place++) {
        const [one, next] = [rank[place] as string, rank[place + 1] as string];
        if ((index.get(one) as number) < (index.get(next) as number)) continue;
        const [here, there] = [at.get(one) as Point, at.get(next) as Point];
        at.set(one, there).set(next, here);
        const after = countCrossings(layout);
        if (after > crossings) {
          at.set(one, here).set(next, there);
          continue;
        }
        crossings = after;
        moved.add(one).add(next);
        rank[place] = next;
        rank[place + 1] = one;
        again = true;
      }
    }
  }
  for (const edge of layout.edges) if (moved.has(edge.from) || moved.has(edge.to)) edge.points = withoutEndBends(edge.points);
}

/** dagre bends an edge between two ranks too. The bends beside the ends follow from where its nodes stood. */
function withoutEndBends(points: Point[]): Point[] {
  return [points[0] as Point, ...points.slice(2, -2), points.at(-1) as Point];
}

function layOut(shape: Shape, node: Box, isRight: boolean, options: { disableOptimalOrderHeuristic?: boolean }): Arranged {
  const graph = new dagre.graphlib.Graph();
  graph.setGraph({
    rankdir: isRight ? "LR" : "TB",
    nodesep: isRight ? 16 : 20,
    ranksep: isRight ? 56 : 40,
    edgesep: 12,
    marginx: 8,
    marginy: 8,
  });
  graph.setDefaultEdgeLabel(() => ({}));
  for (const id of shape.nodes) graph.setNode(id, { ...node });
  for (const [from, to] of shape.edges) graph.setEdge(from, to);
  dagre.layout(graph, options);
  const { width = 0, height = 0 } = graph.graph() as Partial<Box>;
  const at = new Map(shape.nodes.map((id) => {
    const { x, y } = graph.node(id) as Point;
    return [id, { x, y }];
  }));
  const edges = graph.edges().map(({ v, w }) => ({ from: v, to: w, points: (graph.edge(v, w) as { points: Point[] }).points }));
  return { at, edges, width, height };
}

function mirror(layout: Arranged, isRight: boolean): Arranged {
  const turn = ({ x, y }: Point): Point => (isRight ? { x, y: layout.height - y } : { x: layout.width - x, y });
  return {
    ...layout,
    at: new Map([...layout.at].map(([id, point]) => [id, turn(point)])),
    edges: layout.edges.map((edge) => ({ ...edge, points: edge.points.map(turn) })),
  };
}

/** The nodes of each rank, in their declared order. */
function listRanks(declared: string[], at: Map<string, Point>, isRight: boolean): string[][] {
  const ranks = new Map<number, string[]>();
  for (const id of declared) {
    const rank = Math.round((at.get(id) as Point)[isRight ? "x" : "y"]);
    ranks.set(rank, [...(ranks.get(rank) ?? []), id]);
  }
  return [...ranks.values()];
}

/** How many pairs of one rank stand the other way round than they were declared. */
function countTurned(declared: string[], at: Map<string, Point>, isRight: boolean): number {
  let turned = 0;
  for (const rank of listRanks(declared, at, isRight)) {
    const places = rank.map((id) => (at.get(id) as Point)[isRight ? "y" : "x"]);
    places.forEach((one, index) => {
      for (const later of places.slice(index + 1)) if (later < one) turned++;
    });
  }
  return turned;
}

function countCrossings({ at, edges }: Arranged): number {
  const parts = edges.flatMap(({ from, to, points }) => {
    const line = [at.get(from) as Point, ...withoutEndBends(points).slice(1, -1), at.get(to) as Point];
    return line.slice(1).map((point, place) => [line[place] as Point, point] as const);
  });
  let crossings = 0;
  parts.forEach(([a, b], place) => {
    for (const [c, d] of parts.slice(place + 1)) if (sideOf(a, b, c) * sideOf(a, b, d) < 0 && sideOf(c, d, a) * sideOf(c, d, b) < 0) crossings++;
  });
  return crossings;
}

/** On which side of the line from `a` to `b` the point lies: -1, 0 or 1. */
function sideOf(a: Point, b: Point, point: Point): number {
  const area = (b.x - a.x) * (point.y - a.y) - (b.y - a.y) * (point.x - a.x);
  return Math.abs(area) < 1e-6 ? 0 : Math.sign(area);
}
