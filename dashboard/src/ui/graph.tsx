/** A graph that can be moved and zoomed: nodes are buttons, arrows are one SVG behind them. */
import { memo, type PointerEvent, type ReactNode, useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from "react";
import { chooseDirection, type Direction, drawPath, type GraphTask, nameFold, type Placed, type PlacedNode, placeGraph, UNFOLD_UP_TO } from "../lib/layout";
import { countStatuses, lookOf } from "../lib/status";
import { formatCount, makeVisible } from "../lib/text";
import { Visible } from "./basics";
import { Glyph, StatusGlyph } from "./icons";

interface View {
  x: number;
  y: number;
  scale: number;
}

const MIN_SCALE = 0.15;
const MAX_SCALE = 2;

function fitView(placed: Placed, box: { width: number; height: number }): View {
  // Small enough to read; what does not fit then begins at its roots.
  const scale = Math.min(1.1, Math.max(0.45, Math.min((box.width - 32) / placed.width, (box.height - 32) / placed.height)));
  const centre = (whole: number, part: number) => Math.max(12, (whole - part * scale) / 2);
  return { scale, x: centre(box.width, placed.width), y: centre(box.height, placed.height) };
}

export interface GraphTaskLook {
  /** Undefined before any run: the graph alone. */
  status?: string;
  /** In place of the status's own word. */
  word?: ReactNode;
  about: ReactNode;
}

export function Graph(props: {
  tasks: GraphTask[];
  look: (name: string) => GraphTaskLook;
  selected: string | null;
  onSelect: (name: string | null) => void;
  label: string;
}) {
  const { tasks, look, selected } = props;
  const [unfolded, setUnfolded] = useState<ReadonlySet<string>>(new Set());
  // The layout follows from the graph alone: a new status moves nothing.
  const shape = JSON.stringify(tasks.map((task) => [task.name, task.parents, task.kind]));
  const frame = useRef<HTMLDivElement>(null);
  const [direction, setDirection] = useState<Direction>("right");
  const placed = useMemo(() => placeGraph(tasks, unfolded, direction), [shape, unfolded, direction]);
  // Chosen once for a graph: it must not turn while somebody looks at it.
  useLayoutEffect(() => {
    const box = frame.current?.getBoundingClientRect();
    if (box?.width) setDirection(chooseDirection(tasks, box));
  }, [shape]);
  const [view, setView] = useState<View>({ x: 0, y: 0, scale: 1 });
  const touched = useRef(false);
  const fit = useCallback(() => {
    const box = frame.current?.getBoundingClientRect();
    if (box?.width && placed.width) setView(fitView(placed, box));
  }, [placed]);
  useLayoutEffect(() => {
    touched.current = false;
    fit();
    const observer = new ResizeObserver(() => { if (!touched.current) fit(); });
    if (frame.current) observer.observe(frame.current);
    return () => observer.disconnect();
  }, [fit]);
  const zoom = useCallback((factor: number, at?: { x: number; y: number }) => {
    touched.current = true;
    const box = frame.current?.getBoundingClientRect();
    if (!box) return;
    const point = at ?? { x: box.width / 2, y: box.height / 2 };
    setView((old) => {
      const scale = Math.min(MAX_SCALE, Math.max(MIN_SCALE, old.scale * factor));
      const ratio = scale / old.scale;
      return { scale, x: point.x - (point.x - old.x) * ratio, y: point.y - (point.y - old.y) * ratio };
    });
  }, []);
  useEffect(() => {
    // React listens passively to wheels; this one must keep the page from scrolling while it zooms.
    const element = frame.current;
    const onWheel = (event: WheelEvent) => {
      if (!event.ctrlKey && !event.metaKey) return;
      event.preventDefault();
      const box = (element as HTMLElement).getBoundingClientRect();
      zoom(Math.exp(-event.deltaY * 0.004), { x: event.clientX - box.left, y: event.clientY - box.top });
    };
    element?.addEventListener("wheel", onWheel, { passive: false });
    return () => element?.removeEventListener("wheel", onWheel);
  }, [zoom]);
  const drag = useDrag(setView, touched);
  const statuses = new Map(tasks.map((task) => [task.name, look(task.name).status]));
  const toggleFold = (id: string) => {
    const next = new Set(unfolded);
    if (!next.delete(id)) next.add(id);
    setUnfolded(next);
  };
  return (
    <div
      ref={frame} className={drag.isDragging ? "graph dragging" : "graph"} role="group" aria-label={props.label} {...drag.handlers}
      onDoubleClick={(event) => { if (event.target === event.currentTarget) fit(); }}
    >
      <div className="graph-world" style={{ transform: `translate(${view.x}px, ${view.y}px) scale(${view.scale})` }}>
        <Edges placed={placed} direction={direction} statuses={statuses} selected={selected} />
        {placed.nodes.map((node) =>
          node.tasks.length > 1 ? (
            <FoldNode
              key={node.id} node={node} statuses={node.tasks.map((name) => statuses.get(name))} isSelected={selected !== null && node.tasks.includes(selected)}
              onOpen={() => (node.tasks.length > UNFOLD_UP_TO ? props.onSelect(node.tasks[0] ?? null) : toggleFold(node.id))}
            />
          ) : (
            <TaskNode
              key={node.id} node={node} name={node.tasks[0] as string} look={look(node.tasks[0] as string)} isSelected={selected === node.tasks[0]}
              onSelect={props.onSelect}
            />
          ),
        )}
      </div>
      {unfolded.size > 0 && (
        <div className="graph-note"><button type="button" className="button small" onClick={() => setUnfolded(new Set())}>Fold again</button></div>
      )}
      <div className="graph-tools" role="group" aria-label="Zoom">
        <button type="button" className="button quiet icon small" aria-label="Zoom in" title="Zoom in" onClick={() => zoom(1.25)}><Glyph name="plus" /></button>
        <button type="button" className="button quiet icon small" aria-label="Zoom out" title="Zoom out (or Ctrl and wheel)" onClick={() => zoom(0.8)}><Glyph name="minus" /></button>
        <button type="button" className="button quiet icon small" aria-label="Show all" title="Show all" onClick={() => { touched.current = false; fit(); }}><Glyph name="fit" /></button>
      </div>
    </div>
  );
}

/** Moving with one pointer, zooming with two. */
function useDrag(setView: (change: (old: View) => View) => void, touched: { current: boolean }) {
  const pointers = useRef(new Map<number, { x: number; y: number }>());
  const [isDragging, setDragging] = useState(false);
  const end = (event: PointerEvent<HTMLElement>) => {
    pointers.current.delete(event.pointerId);
    if (!pointers.current.size) setDragging(false);
  };
  return {
    isDragging,
    handlers: {
      onPointerDown: (event: PointerEvent<HTMLElement>) => {
        if (event.button !== 0 || (event.target as Element).closest("button")) return;
        event.currentTarget.setPointerCapture(event.pointerId);
        pointers.current.set(event.pointerId, { x: event.clientX, y: event.clientY });
        setDragging(true);
      },
      onPointerMove: (event: PointerEvent<HTMLElement>) => {
        const before = pointers.current.get(event.pointerId);
        if (!before) return;
        touched.current = true;
        const here = { x: event.clientX, y: event.clientY };
        const other = [...pointers.current].find(([id]) => id !== event.pointerId)?.[1];
        const box = event.currentTarget.getBoundingClientRect();
        pointers.current.set(event.pointerId, here);
        if (!other) {
          setView((old) => ({ ...old, x: old.x + here.x - before.x, y: old.y + here.y - before.y }));
          return;
        }
        const distance = (point: { x: number; y: number }) => Math.hypot(point.x - other.x, point.y - other.y) || 1;
        setView((old) => {
          const scale = Math.min(MAX_SCALE, Math.max(MIN_SCALE, (old.scale * distance(here)) / distance(before)));
          const ratio = scale / old.scale;
          const x = other.x - box.left;
          const y = other.y - box.top;
          return { scale, x: x - (x - old.x) * ratio, y: y - (y - old.y) * ratio };
        });
      },
      onPointerUp: end,
      onPointerCancel: end,
    },
  };
}

function Edges({ placed, direction, statuses, selected }: { placed: Placed; direction: Direction; statuses: Map<string, string | undefined>; selected: string | null }) {
  const tasksOf = new Map(placed.nodes.map((node) => [node.id, node.tasks]));
  return (
    <svg width={placed.width} height={placed.height} aria-hidden="true">
      {placed.edges.map((edge) => {
        const from = tasksOf.get(edge.from) ?? [];
        const to = tasksOf.get(edge.to) ?? [];
        const first = countStatuses(from.map((name) => statuses.get(name) ?? ""))[0]?.[0];
        const isActive = to.some((name) => statuses.get(name) === "RUNNING");
        const isLit = selected !== null && (from.includes(selected) || to.includes(selected));
        const done = first && /COMPLETED|SKIPPED|FAILED|CANCELLED/.test(first) ? lookOf(first).tone : undefined;
        return (
          <path key={edge.id} d={drawPath(edge.points, direction)} data-tone={done} className={["edge", edge.isHook && "hook", isActive && "active", isLit && "lit"].filter(Boolean).join(" ")} />
        );
      })}
    </svg>
  );
}

const TaskNode = memo(function TaskNode(props: {
  node: PlacedNode;
  name: string;
  look: GraphTaskLook;
  isSelected: boolean;
  onSelect: (name: string | null) => void;
}) {
  const { node, name, look, isSelected } = props;
  const status = look.status ? lookOf(look.status) : null;
  return (
    <button
      type="button" className={status ? "node" : "node plain"} data-tone={status?.tone ?? "neutral"} data-task={name} aria-pressed={isSelected} title={makeVisible(name)}
      style={{ left: node.x, top: node.y, width: node.width, height: node.height }} onClick={() => props.onSelect(isSelected ? null : name)}
    >
      {status && <StatusGlyph tone={status.tone} />}
      <span className="ellipsis">
        <span className="name"><Visible text={name} /></span>
        <span className="about">{status && <>{look.word ?? status.word}{look.about ? " · " : ""}</>}{look.about}</span>
      </span>
    </button>
  );
});

function FoldNode(props: { node: PlacedNode; statuses: (string | undefined)[]; isSelected: boolean; onOpen: () => void }) {
  const { node } = props;
  const known = props.statuses.filter((status): status is string => status !== undefined);
  const counts = countStatuses(known);
  const first = counts[0]?.[0];
  const text = counts.map(([status, count]) => `${formatCount(count)} ${lookOf(status).word.toLowerCase()}`).join(", ");
  const tone = first ? lookOf(first).tone : "neutral";
  return (
    <button
      type="button" className={first ? "node fold" : "node fold plain"} data-tone={tone} aria-pressed={props.isSelected} title={text || undefined}
      style={{ left: node.x, top: node.y, width: node.width, height: node.height }} onClick={props.onOpen}
    >
      {first && <StatusGlyph tone={tone} />}
      <span className="ellipsis">
        <span className="name"><Visible text={nameFold(node.tasks)} /> × {formatCount(node.tasks.length)}</span>
        <span className="about">{text || "similar tasks"}</span>
        {counts.length > 0 && (
          <span className="bar" aria-hidden="true">
            {counts.map(([status, count]) => <i key={status} data-tone={lookOf(status).tone} style={{ flexGrow: count }} />)}
          </span>
        )}
      </span>
    </button>
  );
}
